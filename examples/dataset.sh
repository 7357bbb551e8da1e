#!/usr/bin/env bash
# dataset.sh: a small training set in the RAP format out of the toy world, in under a minute: built from annotations in
# COCO's layout, counted, and one sample drawn as the model sees it. RAP_DATASET_OUT is where it goes (build/dataset).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rap_bin=${RAP_BIN:-$root/build/rap}
out=${RAP_DATASET_OUT:-$root/build/dataset}

mkdir -p "$out"
cd "$root"

# Prints the command as a user would type it, then runs it.
run() {
    printf '\n$ rap %s\n' "$*"
    "$rap_bin" "$@" | sed 's/^/  /'
}

printf '# What is wanted: examples/dataset/config.json\n'
sed 's/^/  /' examples/dataset/config.json
run dataset build examples/dataset/config.json --out "$out/set" --quiet
run dataset stats "$out/set" --out "$out/stats.png"
run dataset show "$out/set" 0 --out "$out/sample.png"
printf '\n# The first sample, as a trainer reads it: %s/set/train.json\n' "$out"
sed -n 2p "$out/set/train.json" | sed 's/,$//; s/^/  /'
