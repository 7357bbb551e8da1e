#!/bin/bash
# symbols.sh BUILD: librap.a and librap.so export rap_* and nothing else, and all that rap.h declares.
set -euo pipefail

build=$1
declared=$(grep -oE '^RAP_API[^(]*[ *](rap_[a-z_0-9]+)\(' include/rap.h | grep -oE 'rap_[a-z_0-9]+\($' |
    tr -d '(' | sort)
bad=0

check() {
    local name=$1 exported=$2 foreign missing
    foreign=$(grep -v '^rap_' <<<"$exported" || true)
    missing=$(comm -23 <(echo "$declared") <(echo "$exported"))
    [ -z "$foreign" ] || { echo "$name exports what is not its own:"; head -20 <<<"$foreign"; bad=1; }
    [ -z "$missing" ] || { echo "$name lacks what rap.h declares:"; echo "$missing"; bad=1; }
}

[ -n "$declared" ] || { echo "no declaration found in include/rap.h"; exit 1; }
check librap.so "$(nm -D --defined-only "$build/librap.so" | awk 'NF == 3 { print $3 }' | sort)"
check librap.a "$(nm -g --defined-only "$build/librap.a" | awk 'NF == 3 { print $3 }' | sort)"
[ "$bad" = 0 ] && echo "symbols: $(wc -l <<<"$declared") exported, all of them rap_*"
exit "$bad"
