#!/usr/bin/env bash
# pull.sh: `rap pull` as a user meets it, from a hub on this machine that misbehaves: a recipe whose parts are
# a checkpoint to convert and the models of the tiny profile, killed in the middle, interrupted, twice at once,
# offline, and then used.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
RAP_BIN=${RAP_BIN:-$root/build/rap}
RAP_SERVE=${RAP_SERVE:-$root/build/tests/pull_serve}
[ -x "$RAP_BIN" ] && [ -x "$RAP_SERVE" ] || { echo "$RAP_BIN and $RAP_SERVE must be built"; exit 1; }
work=$(mktemp -d)
export HOME=$work HF_HOME=$work/hf XDG_DATA_HOME=$work/data RAP_STORE=$work/store.db
export no_proxy=127.0.0.1,localhost
unset HF_TOKEN HF_HUB_CACHE HF_HUB_OFFLINE RAP_MIRROR RAP_RECIPES
hub_pid=
stop_hub() {
    [ -z "$hub_pid" ] || { exec 9>&-; wait "$hub_pid" 2>/dev/null; }
    hub_pid=
}
trap 'stop_hub; rm -rf "$work"' EXIT
cd "$work" || exit 1

failed=0
check() { # WHAT COMMAND…
    local what=$1
    shift
    "$@" || { echo "failed: $what"; tail -3 "$work/out" "$work/err" 2>/dev/null; failed=1; }
}
pull() { "$RAP_BIN" pull "$@" >"$work/out" 2>"$work/err"; }
says() { grep -Eq -- "$1" "$work/out" "$work/err"; }

# start_hub [METHOD PATH WORDS]…: the hub's standard input is fd 9, at whose end it goes.
start_hub() {
    stop_hub
    rm -f port pipe
    mkfifo pipe
    "$RAP_SERVE" "$work/hub" "$work/port" "$@" <pipe &
    hub_pid=$!
    exec 9>pipe
    for _ in $(seq 100); do [ -s port ] && break; sleep 0.05; done
    HF_ENDPOINT=http://127.0.0.1:$(cat port)
    export HF_ENDPOINT
}

mkdir -p hub/toy/vlm hub/toy/clip hub/toy/yolo hub/toy/published
cp "$root"/tests/data/clip/sharded/* hub/toy/published/
cp "$root/tests/data/yolo_world.pt" hub/toy/yolo/
cp "$root"/models/tiny/*model.gguf hub/toy/vlm/
cp "$root/models/tiny/clip.gguf" hub/toy/clip/
cp "$root/models/tiny/detector.gguf" hub/toy/yolo/
sum=$(sha256sum <"$root/models/tiny/clip.gguf" | cut -d' ' -f1)
size=$(stat -c %s "$root/models/tiny/clip.gguf")
model=/toy/vlm/resolve/main/model.gguf

cat >toy.json <<EOF
{ "recipe": 1, "name": "toy", "description": "parts of the tiny profile", "license": "MIT",
  "sources": {
    "clip": { "hub": "toy/clip", "files": [ { "path": "clip.gguf", "bytes": $size, "sha256": "$sum" } ] },
    "yolo": { "hub": "toy/yolo", "files": [ { "path": "detector.gguf" } ] },
    "vlm": { "hub": "toy/vlm", "files": [ { "path": "model.gguf" }, { "path": "mmproj-model.gguf" } ] } },
  "make": {
    "encoder": { "file": "clip.gguf", "take": "clip/clip.gguf" },
    "detector": { "file": "detector.gguf", "take": "yolo/detector.gguf" },
    "llm": { "file": "model.gguf", "take": "vlm/model.gguf" },
    "mmproj": { "file": "mmproj-model.gguf", "take": "vlm/mmproj-model.gguf" } },
  "profile": { "retrieval": { "k": 3, "threshold": 0.8, "extra_vocabulary": ["object"] } } }
EOF
cat >vit.json <<EOF
{ "recipe": 1, "name": "vit",
  "sources": { "vit": { "hub": "toy/vit", "files": [ { "path": "vit.pt" } ] } },
  "make": { "encoder": { "file": "vit.gguf", "convert": "vit/vit.pt" } } }
EOF

cat >published.json <<EOF
{ "recipe": 1, "name": "published",
  "sources": {
    "clip": { "hub": "toy/published", "files": [ $(cd hub/toy/published &&
        printf '{ "path": "%s" }\n' * | paste -sd,) ] },
    "yolo": { "hub": "toy/yolo", "files": [ { "path": "yolo_world.pt" } ] } },
  "make": {
    "encoder": { "file": "clip.gguf", "convert": "clip", "type": "bf16", "image_size": 24 },
    "detector": { "file": "detector.gguf", "convert": "yolo/yolo_world.pt" } } }
EOF

# Killed and interrupted while the model stalls half way.
start_hub GET $model "stall stall truncate 500"
"$RAP_BIN" pull ./toy.json --timeout 60 >out 2>err &
pid=$!
for _ in $(seq 100); do ls hf/hub/models--toy--vlm/blobs/*.incomplete >/dev/null 2>&1 && break; sleep 0.1; done
sleep 0.3
kill -9 $pid
wait $pid 2>/dev/null
check "what was downloaded stays after a kill" test -s "$(ls hf/hub/models--toy--vlm/blobs/*.incomplete)"
check "no half profile after a kill" test ! -e data/rap/profiles/toy
timeout --foreground --preserve-status -s INT 1 "$RAP_BIN" pull ./toy.json --timeout 60 >out 2>err
check "an interrupt ends it with 130" test $? -eq 130
check "an interrupt says how to resume" says 'run the same command to resume'

# Goes on, in spite of a truncated transfer and an error, twice at once.
"$RAP_BIN" pull ./toy.json >out2 2>err2 &
pid=$!
check "pull" pull ./toy.json
check "a second pull at the same time" wait $pid
check "the profile is there" test -f data/rap/profiles/toy/profile.json
check "the model is whole" cmp -s data/rap/profiles/toy/model.gguf hub/toy/vlm/model.gguf
check "no part is left" test -z "$(find hf -name '*.incomplete')"
check "again does nothing" pull ./toy.json
check "and says so" says 'already there'
check "a checkpoint" pull ./vit.json
check "is converted" says 'converting vit.gguf'
check "checkpoints as they are published" pull ./published.json
"$RAP_BIN" --quiet convert hf/hub/models--toy--published/snapshots/* same.gguf --type bf16 --image-size 24
check "for pictures of the size that the recipe says" cmp same.gguf data/rap/profiles/published/clip.gguf
check "json" pull ./toy.json --json
check "json tells the state" says '"state": "done"'

# The hub is gone.
stop_hub
rm -rf data/rap/profiles/toy
check "offline from the cache" pull ./toy.json --offline
check "offline uses the cache" says 'from the cache'

# And it is a profile.
photo=$(ls "$root"/examples/toy/concepts/* | head -1)
check "used by name" "$RAP_BIN" --profile toy remember bo --image "$photo" --category dog --quiet
"$RAP_BIN" --profile toy see "$photo" >out 2>err
check "it sees" says '^bo'
check "the language model answers" "$RAP_BIN" --profile toy ask "$photo" "What is this?" --max-tokens 4 >answer
check "doctor finds its files" "$RAP_BIN" --profile toy doctor >doctor
check "the converted encoder works" "$RAP_BIN" --profile vit embed --image "$photo" --quiet >out
"$RAP_BIN" --profile published embed --text "a dog" --json >out 2>err
check "the converted CLIP works" says '"feature"'
check "a converted encoder is called by its repository" says 'published'
exit $failed
