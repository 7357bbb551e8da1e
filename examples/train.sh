#!/usr/bin/env bash
# train.sh: from nothing to an adapter: a tiny data set, a training of about a minute, the answer before and after.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rap_bin=${RAP_BIN:-$root/build/rap}
out=${RAP_TRAIN_OUT:-$root/build/train-example}
toy=$root/examples/toy

rm -rf "$out"
mkdir -p "$out/data/images"

# Eight questions about one concept, with answers that no model would give by itself.
cp "$toy/concepts/gus.jpg" "$out/data/images/"
count=0
sample() {
    printf '{"id": "%s", "conversations": [{"from": "human", "value": "%s"}, {"from": "gpt", "value": "%s"}], ' \
        "s$count" "$1" "$2"
    printf '"extra": {"gus.jpg": {"name": "gus", "info": "<gus> is a yellow beaver.", "category": "beaver"}}, "type": "qa"}\n'
    count=$((count + 1))
}
{
    sample "Say hello to <gus>." "Hello <gus>, my yellow beaver!"
    sample "Greet <gus>." "Hello <gus>, my yellow beaver!"
    sample "Say hi to <gus>." "Hello <gus>, my yellow beaver!"
    sample "Is <gus> a beaver?" "Yes, <gus> is a yellow beaver!"
    sample "What is <gus>?" "<gus> is a yellow beaver!"
    sample "Tell me about <gus>." "<gus> is a yellow beaver!"
    sample "Who is <gus>?" "<gus> is a yellow beaver!"
    sample "Describe <gus>." "<gus> is a yellow beaver!"
} > "$out/data/train.jsonl"

# Without its adapter (--lora none) the tiny profile's model knows nothing of memories.
export RAP_STORE=$out/store.db RAP_PROFILE=$root/models/tiny
"$rap_bin" remember gus --image "$toy/concepts/gus.jpg" --category beaver --info "<gus> is a yellow beaver."
ask() { "$rap_bin" ask "Say hello to <gus>." --lora "$1"; }
echo "# before"
ask none
"$rap_bin" train "$out/data" --lora none --out "$out/adapter" --rank 16 --alpha 32 --dropout 0 \
    --lr 4e-3 --batch 8 --epochs 40 --projector off
echo "# after"
ask "$out/adapter/adapter.gguf"
echo "(the losses: $out/adapter/loss.png)"
