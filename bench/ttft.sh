#!/usr/bin/env bash
# ttft.sh [--threads N] [MODEL...]: time to the first token with a photo. For each model (tiny, llava-l14, smolvlm-500m): whole
# commands from process start to exit with one token of answer, ours and llama-mtmd-cli's in turns on the same files, then our
# table with 0, 1, 2 and 4 concepts (bench_ttft.c). The models with random weights and the program are made once, in
# ${RAP_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rap}/bench (make_vlms.py; PYTHON names an interpreter with gguf and numpy).
# RUNS: turns, and runs of the table's warm columns (3). BENCH_TABLE=0: without the table; BENCH_PEER=0: the table alone.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${RAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rap}/bench
build=${BENCH_BUILD:-$root/build}
runs=${RUNS:-3}
threads=$(nproc)
question="What is in this picture?"
toy=$root/examples/toy
photo=$toy/scenes/082.jpg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RAP_STORE=$work/store.db

if [ "${1:-}" = --threads ]; then
    threads=$2
    shift 2
fi
[ $# -gt 0 ] || set -- tiny llava-l14 smolvlm-500m
[ "${BENCH_PEER:-1}" = 0 ] || peer=$("$root/tools/setup/llama.sh" llama-mtmd-cli)

# The folder of a model's profile; made where it is not there yet.
profile() {
    if [ "$1" = tiny ]; then
        echo "$root/models/tiny"
        return
    fi
    if [ ! -e "$cache/$1/done" ]; then
        "${PYTHON:-python3}" "$root/bench/make_vlms.py" "$cache" "$1" >&2
        if [ "$1" = llava-l14 ]; then
            "$build/bench_quantise" "$cache/$1/model.gguf" "$cache/$1/small.gguf"
            mv "$cache/$1/small.gguf" "$cache/$1/model.gguf"
        fi
        touch "$cache/$1/done"
    fi
    echo "$cache/$1"
}

# Milliseconds of a command.
ms() {
    local start
    start=$(date +%s%N)
    "$@" >"$work/out" 2>&1 </dev/null || { cat "$work/out" >&2; exit 1; }
    echo $((($(date +%s%N) - start) / 1000000))
}

median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }

ours() {
    ms "$build/rap" ask --profile "$1" --vision "$2" --threads "$threads" --no-memory --max-tokens 1 "$photo" "$question"
}

theirs() {
    local lora=()
    [ ! -e "$1/adapter.gguf" ] || lora=(--lora "$1/adapter.gguf")
    ms "$peer" -m "$1/model.gguf" ${lora[@]+"${lora[@]}"} --mmproj "$1/${2:-mmproj.gguf}" --image "$photo" -p "$question" -n 1 --temp 0 -t "$threads" --jinja
}

# In turns, so that what else runs slows all of them alike.
compare() {
    local mmproj=mmproj.gguf i
    [ -e "$1/$mmproj" ] || mmproj=mmproj-model.gguf
    ours "$1" own >/dev/null # the first start keeps packed weights
    rm -f "$work"/times-*
    for i in $(seq "$runs"); do
        ours "$1" own >>"$work/times-own"
        ours "$1" mtmd >>"$work/times-mtmd"
        theirs "$1" "$mmproj" >>"$work/times-peer"
    done
    local own mtmd other
    own=$(median <"$work/times-own") mtmd=$(median <"$work/times-mtmd") other=$(median <"$work/times-peer")
    echo "whole command, one token: rap $own ms, rap --vision mtmd $mtmd ms, llama-mtmd-cli $other ms;" \
        "rap / llama-mtmd-cli $(awk -v a="$own" -v b="$other" 'BEGIN { printf "%.2f", a / b }')"
}

echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $threads threads, median of $runs," \
    "RAP_PRECISION=${RAP_PRECISION:-}, load $(cut -d' ' -f1-3 /proc/loadavg)"
for model in "$@"; do
    folder=$(profile "$model")
    echo
    echo "$model"
    [ "${BENCH_PEER:-1}" = 0 ] || compare "$folder"
    [ "${BENCH_TABLE:-1}" = 0 ] || "$build/bench_ttft" --threads "$threads" --runs "$runs" "$folder" "$photo" "$toy/scenes/130.jpg" \
        "$toy"/concepts/{bo,gus,tim,duke}.jpg
    echo "load $(cut -d' ' -f1-3 /proc/loadavg)"
done
