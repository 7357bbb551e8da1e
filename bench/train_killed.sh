#!/usr/bin/env bash
# train_killed.sh: a training that is killed (SIGKILL or SIGTERM) at KILLS random moments ends with the adapter and the losses of one that
# was left alone. Ends with 1 if it does not. About half a minute; SEED makes the moments others.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rap=${RAP_BIN:-$root/build/rap}
kills=${KILLS:-10}
RANDOM=${SEED:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/data/images"
cp "$root/examples/toy/concepts/gus.jpg" "$work/data/images/"
for i in $(seq 24); do
    printf '{"id": "s%d", "image": "gus.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat is in picture %d?"}, ' "$i" "$i"
    printf '{"from": "gpt", "value": "A yellow beaver, number %d."}]}\n' "$i"
done >"$work/data/train.jsonl"

train() {
    exec "$rap" train "$work/data" --profile "$root/models/tiny" --out "$work/$1" --rank 8 --alpha 16 --dropout 0.05 --lr 2e-3 \
        --batch 6 --epochs 20 --save-every 3 --threads 1 >"$work/said" 2>&1
}

begin=$(date +%s%N)
(train whole)
took=$((($(date +%s%N) - begin) / 1000000))
killed=0
for i in $(seq "$kills"); do
    (train parts) &
    pid=$!
    # each run gets at most a fifth of the way
    sleep "$(awk -v r="$RANDOM" -v took="$took" 'BEGIN { print took / 1000 * (0.02 + 0.2 * r / 32768) }')"
    signal=KILL
    [ $((i % 2)) = 0 ] || signal=TERM
    if kill -"$signal" "$pid" 2>/dev/null; then
        killed=$((killed + 1))
    fi
    wait "$pid" 2>/dev/null || true
    [ -e "$work/parts/adapter.gguf" ] && break
done
(train parts) || { cat "$work/said"; exit 1; }
losses() { sed 's/, "tokens_per_second.*//' "$work/$1/loss.jsonl"; }
cmp "$work/whole/adapter.gguf" "$work/parts/adapter.gguf"
cmp <(losses whole) <(losses parts)
if ls -A "$work/parts" | grep -q rap-tmp; then
    echo "temporary files are left"
    exit 1
fi
echo "killed $killed times in a training of $took ms: the same adapter and losses"
