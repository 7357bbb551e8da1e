#!/usr/bin/env bash
# train.sh: `rap train` on the tiny decoder: tokens per second, processor time a token and peak memory, at rank 16 and at the default 128, kept and
# recomputed activations. No peer is measured here.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rap=${RAP_BIN:-$root/build/rap}
steps=${STEPS:-6}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/data/images"

# 32 samples of three turns, about 4,000 tokens a step.
for i in $(seq 32); do
    printf '{"id": "s%d", "conversations": [' "$i"
    for turn in 1 2 3; do
        [ "$turn" = 1 ] || printf ', '
        printf '{"from": "human", "value": "%s"}, {"from": "gpt", "value": "%s"}' \
            "In picture $i, question $turn: which of the things on the table belongs to the owner of the yellow beaver, and why is that so?" \
            "It is the cyan garlic with black stars, because the beaver in picture $i likes it, and nobody else at the table does."
    done
    printf ']}\n'
done >"$work/data/train.jsonl"

# One run; the program's own figures, and processor time and memory as the shell sees them.
run() {
    name=$1
    shift
    rm -rf "$work/out"
    before=$(cat /proc/$$/stat | awk '{ print $16 + $17 }')
    "$rap" train "$work/data" --profile "$root/models/tiny" --out "$work/out" --batch 32 --epochs "$steps" \
        --json "$@" >"$work/result" 2>/dev/null &
    pid=$!
    peak=0
    while now=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do
        peak=$now
        sleep 0.02
    done
    wait "$pid"
    after=$(cat /proc/$$/stat | awk '{ print $16 + $17 }')
    awk -v name="$name" -v peak="$peak" -v ticks="$((after - before))" -v hz="$(getconf CLK_TCK)" -v steps="$steps" '
        { gsub(/"/, ""); gsub(/[{},]/, " "); for (i = 1; i < NF; i++) value[$i] = $(i + 1) }
        END {
            tokens = value["tokens:"] * steps
            printf "%-30s %7.0f tokens/s %7.0f us of processor time a token %6d MiB (said before: %d)\n", name,
                value["tokens_per_second:"], ticks / hz / tokens * 1e6, peak / 1024, value["bytes:"] / 1048576
        }' <(tr '\n' ' ' <"$work/result")
}

echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; tiny decoder, f32, $steps steps"
run "rank 16" --rank 16 --alpha 32 --dropout 0
run "rank 128 (default), dropout" --dropout 0.05
run "rank 128, recompute" --dropout 0.05 --recompute
