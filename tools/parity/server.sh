#!/usr/bin/env bash
# server.sh [--if-built] [BUILD]: `rap ask --endpoint` against llama.cpp's own server, on the tiny profile's files.
#
# llama-server is built from the pinned source by tools/setup/llama.sh llama-server (10 minutes, once); with --if-built
# nothing is built and the script skips (77) where it is not there. Compared with the local model: answers to texts, to a
# photo with 0, 1 and 2 concepts, and a chat of three turns; the pictures sent are JPEGs, so equal answers are also to say
# that these do no harm. Then what goes wrong: a question too long for the server's memory, an answer that does not
# fit, a key that is missing, a server without pictures, one that still loads, one killed in the middle of an answer.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
only_if_built=0
if [ "${1:-}" = --if-built ]; then
    only_if_built=1
    shift
fi
rap=${RAP_BIN:-$(cd "${1:-$root/build}" && pwd)/rap}
if [ $only_if_built = 1 ] && ! server=$("$root/tools/setup/llama.sh" --if-built llama-server 2>/dev/null); then
    echo "skipped: llama-server is not built (tools/setup/llama.sh llama-server)"
    exit 77
fi
[ $only_if_built = 1 ] || server=$("$root/tools/setup/llama.sh" llama-server) || exit 1
work=$(mktemp -d)
servers=()
trap 'kill -9 "${servers[@]}" 2>/dev/null; rm -rf "$work"' EXIT
export RAP_STORE=$work/store.db HOME=$work RAP_PRECISION=f32 no_proxy=127.0.0.1
unset RAP_API_KEY
toy=$root/examples/toy
photo=$toy/scenes/082.jpg
port=$((20000 + RANDOM % 20000))
good=0
bad=0

check() { # WHAT CONDITION...: the condition is a command
    local what=$1
    shift
    if "$@"; then
        good=$((good + 1))
    else
        bad=$((bad + 1))
        echo "BAD: $what"
        sed 's/^/  out: /' "$work/out"
        sed 's/^/  err: /' "$work/err"
    fi
}

# start OPTION...: a server on a port of its own; waits until it answers.
start() {
    port=$((port + 1))
    "$server" --host 127.0.0.1 --port "$port" -m "$root/models/tiny/model.gguf" --lora "$root/models/tiny/adapter.gguf" -a tiny -np 1 -t 2 "$@" >"$work/log" 2>&1 &
    servers+=($!)
    disown
    for _ in $(seq 300); do
        grep -q "listening on" "$work/log" && return
        sleep 0.1
    done
    echo "llama-server does not start:"
    tail -5 "$work/log"
    exit 1
}

mmproj=(--mmproj "$root/models/tiny/mmproj-model.gguf")

remote() { # COMMAND ARGUMENT...
    "$rap" "$@" --endpoint "http://127.0.0.1:$port/v1" --model tiny >"$work/out" 2>"$work/err"
    status=$?
}

# same ARGUMENT...: `rap ask` answers the same from the server.
same() {
    local wanted
    wanted=$("$rap" ask "$@" 2>/dev/null) || exit 1
    remote ask "$@"
    check "ask ${*/#$root\//}: not \"$wanted\"" [ "$(cat "$work/out")" = "$wanted" ]
}

# one_line REGEX: the last command failed with one line that matches.
one_line() { [ $status -ne 0 ] && [ $status -lt 124 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -Eq "$1" "$work/err"; }

for name in duke gus tim; do
    category=$(sed -n "s/.*remember $name .*--category \([a-z]*\).*/\1/p" "$root/README.md" | head -1)
    "$rap" --quiet remember $name --image "$toy/concepts/$name.jpg" --category "$category" \
        --info "<$name> is a $category. Kai owns it. It likes apples." || exit 1
done

# ---- as the local model ----

start "${mmproj[@]}" -c 2048
same "Who owns <duke>?"
same "What does <tim> like?"
same "Who owns <nobody>?"
for scene in 082 001 002 003; do
    picture=$toy/scenes/$scene.jpg
    [ -f "$picture" ] || continue
    same "$picture" "Give a caption of this image." --no-memory
    for limit in 1 2; do
        same "$picture" "Give a personalized caption of this image." --limit $limit
        same "$picture" "Is <gus> in this image?" --limit $limit
    done
done
same "$photo" "Give a personalized caption of this image." --max-tokens 3

questions='Give a personalized caption of this image.\nWhat is next to <duke>?\nWho owns <gus>?\n'
printf "$questions" | "$rap" chat "$photo" >"$work/local" 2>/dev/null
printf "$questions" | remote chat "$photo"
check "a chat of three turns" cmp -s "$work/local" "$work/out"
check "of which each is answered" [ "$(wc -l <"$work/out")" = 3 ]

# The server has one model and answers under any name.
"$rap" ask "Who owns <duke>?" --endpoint "http://127.0.0.1:$port/v1" --model another >"$work/out" 2>"$work/err"
check "another name of the model" [ "$(cat "$work/out")" = Kai ]

remote ask "Who owns <duke>?" --json
check "tokens and times of an answer" grep -Eq '"prompt_tokens": [1-9]' "$work/out"

# ---- limits ----

long=$(printf 'duke and gus in a field and %.0s' $(seq 600))
remote ask "$long" --no-memory
check "a question longer than the server's memory" one_line 'context|exceed'
printf 'Who owns <duke>?\n%s\nWho owns <gus>?\n' "$long" >"$work/in"
remote chat <"$work/in"
check "a chat goes on behind it" [ "$(cat "$work/out")" = "$(printf 'Kai\nKai')" ]
kill "${servers[-1]}"

start "${mmproj[@]}" -c 256 --ignore-eos
remote ask "$photo" "Give a caption of this image." --no-memory --max-tokens 4000 --json
check "an answer that fills the server's memory ends there, and says so" grep -q '"finish": "length"' "$work/out"
kill "${servers[-1]}"

# ---- faults ----

start "${mmproj[@]}" -c 1024 --api-key secret-of-the-server
remote ask "Who owns <duke>?"
check "without the server's key" one_line 'RAP_API_KEY|401|key'
RAP_API_KEY=secret-of-the-server remote ask "Who owns <duke>?"
check "with it" [ "$(cat "$work/out")" = Kai ]
kill "${servers[-1]}"

start -c 1024
remote ask "What is a garlic?" --no-memory
check "a server without pictures answers texts" [ $status = 0 ]
remote ask "$photo" "Give a caption of this image." --no-memory
check "and refuses photos" one_line 'image|mmproj|picture'
remote ask "Who owns <duke>?"
check "and the pictures of concepts" one_line 'image|mmproj|picture'
kill "${servers[-1]}"

start "${mmproj[@]}" -c 2048 --ignore-eos
address=http://127.0.0.1:$port/v1
mkfifo "$work/pipe"
"$rap" ask "$photo" "Give a caption of this image." --no-memory --max-tokens 1900 --endpoint "$address" --model tiny \
    >"$work/pipe" 2>"$work/err" &
asking=$!
exec 7<"$work/pipe"
IFS= read -r -N 8 -t 60 first <&7
kill -9 "${servers[-1]}"
cat <&7 >"$work/out"
exec 7<&-
wait $asking
status=$?
check "the first words come before the last" [ ${#first} = 8 ]
check "a server killed in the middle of an answer" one_line "$port"
remote ask "Who owns <duke>?"
check "and none afterwards" one_line "$port"

echo "$good good, $bad bad"
[ $bad = 0 ]
