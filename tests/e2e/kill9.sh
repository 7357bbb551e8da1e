#!/usr/bin/env bash
# kill9.sh: 200 adds, the program killed at random moments; every add that was acknowledged is there after.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
RAP_BIN=${RAP_BIN:-$root/build/rap}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RAP_STORE=$work/store.db HOME=$work ASAN_OPTIONS=detect_leaks=0
picture=$(ls -d "$root"/examples/toy/concepts/* | head -1)
adds=${1:-200}
: >"$work/acknowledged"
for i in $(seq "$adds"); do
    : >"$work/out" # a kill can come before the program's own redirection empties it
    "$RAP_BIN" remember "n$i" --image "$picture" >"$work/out" 2>/dev/null &
    pid=$!
    if [ $((RANDOM % 2)) = 0 ]; then # a kill within 0 to 150 ms
        sleep "0.$(printf '%03d' $((RANDOM % 150)))"
        kill -9 "$pid" 2>/dev/null
    fi
    wait "$pid" 2>/dev/null
    grep -q remembered "$work/out" && echo "n$i" >>"$work/acknowledged"
done
"$RAP_BIN" list | cut -f1 | sort >"$work/present"
lost=$(sort "$work/acknowledged" | comm -23 - "$work/present")
echo "$(wc -l <"$work/acknowledged") of $adds adds acknowledged, $(wc -l <"$work/present") present"
[ -z "$lost" ] || { echo "lost: $lost"; exit 1; }
[ "$(wc -l <"$work/acknowledged")" -gt 0 ]
