#!/usr/bin/env bash
# kill9.sh [ROUNDS]: remember, edit, forget, import and export, the program killed at random moments. What was acknowledged
# is done, what was not is done or not, as a whole, and nothing else changes. At the end the store is sound, and an
# export that is let run has removed what the killed ones left.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
RAP_BIN=${RAP_BIN:-$root/build/rap}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/out"
export RAP_STORE=$work/store.db HOME=$work ASAN_OPTIONS=detect_leaks=0
picture=$(ls -d "$root"/examples/toy/concepts/* | head -1)
rounds=${1:-10}
acknowledged=0
killed=0

die() {
    echo "$1"
    exit 1
}

# Name and info of every concept, a line each.
list() {
    "$RAP_BIN" list | cut -f1,4 | sort
}

# The info of a concept; "-" when there is none of this name.
info_of() { # NAME LIST
    awk -F '\t' -v name="$1" '$1 == name { print $2; found = 1 } END { if (!found) print "-" }' <<<"$2"
}

# Runs a command and mostly kills it within the time that such commands take. $done: it was acknowledged.
span=300
attempt() { # COMMAND...
    local start pid
    start=$(date +%s%N)
    "$RAP_BIN" --quiet "$@" >/dev/null 2>"$work/errors" &
    pid=$!
    if [ $((RANDOM % 4)) != 0 ]; then
        sleep "$(printf '0.%03d' $((RANDOM % span)))"
        kill -9 "$pid" 2>/dev/null
    fi
    wait "$pid" 2>/dev/null
    status=$?
    case $status in
    0)
        acknowledged=$((acknowledged + 1))
        span=$((($(date +%s%N) - start) / 1000000))
        [ "$span" -lt 999 ] || span=999
        [ "$span" -gt 20 ] || span=20
        ;;
    137) killed=$((killed + 1)) ;;
    *) die "$*: exit status $status: $(cat "$work/errors")" ;;
    esac
}

# After a command on these concepts: each has the info NEW, or, where it was killed, all have what they had.
check() { # NEW NAME...
    local new=$1 now old any=
    shift
    now=$(list) || die "the store cannot be read"
    for name in "$@"; do
        old=$(info_of "$name" "$before")
        case $(info_of "$name" "$now") in
        "$new") [ "$new" = "$old" ] || any+=n ;;
        "$old") any+=o ;;
        *) die "$name is neither as before nor as it was to be: $now" ;;
        esac
    done
    [ "$status" != 0 ] || [ "${any#*o}" = "$any" ] || die "acknowledged and not done: $* is not $new: $now"
    [ "${any#*o}" = "$any" ] || [ "${any#*n}" = "$any" ] || die "half done: $*: $now"
    for name in "$@"; do
        before=$(grep -v "^$name	" <<<"$before")
    done
    for name in "$@"; do
        others=$(grep -v "^$name	" <<<"${others:-$now}")
    done
    [ "$before" = "$others" ] || die "other concepts changed: $before, now $others"
    others=
    before=$now
}

# Two bundles of the same two concepts.
for version in A B; do
    for name in i1 i2; do
        RAP_STORE=$work/$version.db "$RAP_BIN" --quiet remember $name --image "$picture" --info $version || exit 1
    done
    RAP_STORE=$work/$version.db "$RAP_BIN" --quiet export "$work/$version.rap" || exit 1
done
"$RAP_BIN" --quiet remember stays --image "$picture" --info all || exit 1
before=$(list)
others=

for i in $(seq "$rounds"); do
    attempt remember "n$i" --image "$picture" --info "info$i"
    check "info$i" "n$i"
    attempt edit stays --info "edit$i"
    check "edit$i" stays
    version=$([ $((i % 2)) = 0 ] && echo A || echo B)
    attempt import --replace "$work/$version.rap"
    check $version i1 i2
    victim=$(awk -F '\t' '/^n/ { print $1; exit }' <<<"$before")
    if [ -n "$victim" ]; then
        attempt forget "$victim"
        check - "$victim"
    fi
    attempt export "$work/out/$i.rap"
    [ "$status" != 0 ] || [ -e "$work/out/$i.rap" ] || die "an export was acknowledged and is not there"
    if [ -e "$work/out/$i.rap" ]; then
        RAP_STORE=$work/copy$i.db "$RAP_BIN" --quiet import "$work/out/$i.rap" || die "an export is not whole"
        [ "$(RAP_STORE=$work/copy$i.db list)" = "$before" ] || die "an export is not what the store held"
        rm -f "$work/copy$i.db"*
    fi
done

"$RAP_BIN" --quiet export "$work/out/last.rap" || exit 1
left=$(find "$work" -name '*.rap-tmp-*')
[ -z "$left" ] || die "left: $left"
python3 - "$RAP_STORE" <<'EOF' || die "the store is damaged"
import sqlite3, sys
sys.exit(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0] != "ok")
EOF
echo "$killed commands killed, $acknowledged acknowledged, $(wc -l <<<"$before") concepts at the end"
[ "$killed" -gt 0 ] && [ "$acknowledged" -gt 0 ]
