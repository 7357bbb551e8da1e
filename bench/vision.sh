#!/usr/bin/env bash
# vision.sh [bench_compare's flags]: CLIP ViT-B/32 and ViT-L/14-336 and YOLO-World-S (640 pixels, 80 names) against ONNX
# Runtime, same weights and threads, in turns within one run. What that needs is fetched or made once, into
# ${RAP_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rap}/bench: ONNX Runtime's C library out of the npm package onnxruntime-node,
# and the models with random weights out of the reference libraries (3.2 GiB; make_models.py names what Python needs,
# PYTHON names the interpreter). It measures every set of kernels that the processor has, and oneDNN's layers in our
# place, one after the other; with RAP_ISA set (nn_kernels.h) that one alone.
set -euo pipefail
export RAP_PACK_CACHE=${RAP_PACK_CACHE:-0} # "open ms" is the first start; a folder here shows the later ones
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${RAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rap}/bench
package=onnxruntime-node@1.30.0
package_sha=6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75
compare=${BENCH_COMPARE:-$root/build/bench_compare}

case $(uname -m) in
    x86_64) folder=linux/x64 ;;
    aarch64) folder=linux/arm64 ;;
    *) echo "vision.sh: no ONNX Runtime for $(uname -m) in $package" >&2; exit 1 ;;
esac
library=$cache/libonnxruntime.so.1
mkdir -p "$cache"

if [ ! -e "$library" ]; then
    echo "vision.sh: fetching $package" >&2
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --silent "$package" >/dev/null)
    echo "$package_sha  $(ls "$work"/*.tgz)" | sha256sum -c --quiet - >&2
    tar -xzf "$work"/*.tgz -C "$work" --strip-components=5 --wildcards "package/bin/napi-v*/$folder/libonnxruntime.so.1"
    mv "$work/libonnxruntime.so.1" "$library"
fi

models=(clip-b32 clip-l14 yolo-s)
for model in "${models[@]}"; do
    [ -e "$cache/$model.done" ] || {
        "${PYTHON:-python3}" "$root/bench/make_models.py" "$cache" "$model" >&2
        touch "$cache/$model.done"
    }
done
sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1
sets=${RAP_ISA:-}
if [ -z "$sets" ]; then
    flags=" $(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -1) "
    sets=plain
    [[ $flags != *" avx2 "* ]] || sets=avx2
    [[ $flags != *" avx512bw "* || $flags != *" avx512vl "* ]] || sets="avx512 avx2"
    sets="$sets onednn"
fi
for set in $sets; do
    echo "RAP_ISA=$set"
    RAP_ISA=$set "$compare" --onnx "$library" "$@" "${models[@]/#/$cache/}"
done
