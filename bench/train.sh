#!/usr/bin/env bash
# train.sh [tiny] [0.5b] [1.1b]: training's tokens per second, processor time a token and peak memory.
#
# Without arguments: `rap train` on the tiny decoder, at rank 16 and at the default 128, kept and recomputed activations.
#
# With arguments: forward, backward and Adam alone (bench_train) beside PyTorch with PEFT (train_peer.py), f32 and bf16, eager
# and compiled, in turns, on the same model, sequences, rank, targets and threads: the tiny decoder, and random weights of
# Qwen2-0.5B's and TinyLlama-1.1B's shape, made once into ${RAP_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rap}/bench (1 and 2.2 GB).
# PYTHON names an interpreter with torch, transformers, peft and gguf. On a busy machine compare processor time, with THREADS=1:
# threads that wait for each other spin. TURNS (1) is how often each is run, STEPS how many steps are timed, ONLY="bf16" (or
# f32) one of the two numbers, COMPILED=0 leaves torch.compile out, which takes long. PyTorch in f32 takes 11 GB.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rap=${RAP_BIN:-$root/build/rap}
steps=${STEPS:-6}
cache=${RAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rap}/bench
threads=${THREADS:-$(nproc)}
python=${PYTHON:-python3}

# One run of the pair; its line of JSON behind its name.
say() {
    name=$1
    shift
    line=$("$@" 2>/dev/null | tail -1) || line=
    printf '%-28s %s\n' "$name" "${line:-failed: $*}"
}

pair() {
    model=$1
    shift
    for turn in $(seq "${TURNS:-1}"); do
        for number in ${ONLY:-f32 bf16}; do
            [ "$number" = f32 ] && flag= || flag=--bf16
            say "rap $number" "$root/build/bench_train" "$model" "$@" $flag --threads "$threads"
            say "PyTorch $number" "$python" "$root/bench/train_peer.py" run "$model" "$@" $flag --threads "$threads"
            [ "${COMPILED:-1}" = 0 ] || say "PyTorch $number compiled" "$python" "$root/bench/train_peer.py" run "$model" "$@" $flag --threads "$threads" --compile
        done
    done
}

# The model of a published shape with random weights.
made() {
    mkdir -p "$cache"
    [ -e "$cache/train-$1.gguf" ] || {
        "$python" "$root/bench/train_peer.py" make "$1" "$cache/train-$1.tmp" >&2
        mv "$cache/train-$1.tmp" "$cache/train-$1.gguf"
    }
    echo "$cache/train-$1.gguf"
}

if [ $# -gt 0 ]; then
    echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $threads threads; rank 128, dropout 0.05"
    for which; do
        echo "$which:"
        case $which in
            tiny) pair "$root/models/tiny/model.gguf" --length 128 --count 16 --steps "${STEPS:-10}" ;;
            0.5b) pair "$(made qwen2-0.5b)" --length 256 --count 4 --steps "${STEPS:-2}" ;;
            1.1b) pair "$(made tinyllama-1.1b)" --length 256 --count 2 --steps "${STEPS:-2}" ;;
            *) echo "train.sh: no model '$which': tiny, 0.5b, 1.1b" >&2; exit 2 ;;
        esac
    done
    exit 0
fi

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
