#!/usr/bin/env bash
# interrupt.sh: commands that write, stopped at many moments. After SIGINT and SIGTERM nothing lies about and the
# process has died of the signal; after SIGKILL the next run removes what the killed one left, and nothing else.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
RAP_BIN=${RAP_BIN:-$root/build/rap}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/run" "$work/tmp"
export RAP_STORE=$work/store.db HOME=$work TMPDIR=$work/tmp ASAN_OPTIONS=detect_leaks=0
cd "$work/run" || exit 1
bad=0
stopped=0

complain() {
    echo "$1"
    bad=1
}

# What is in the folders and does not belong there: all but the arguments, names of finished outputs.
rests() {
    find "$work/run" "$work/tmp" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -vxF "$(printf '%s\n' "$@")"
}

picture=$(ls -d "$root"/examples/toy/concepts/* | head -1)
cp "$picture" "$work/a.img"
python3 - "$work/many.json" <<'EOF'
import json, sys
concepts = {f"<n{i}>": {"name": f"n{i}", "image": "a.img", "info": "x" * 3000} for i in range(300)}
json.dump({"concept_dict": concepts}, open(sys.argv[1], "w"))
EOF
"$RAP_BIN" --quiet import "$work/many.json" || exit 1
model=$root/tests/data/encoders/clip

# stop SIGNAL SECONDS COMMAND...: the exit status is left in $status. --foreground sends the signal once, without it
# timeout sends it twice.
stop() {
    local signal=$1 seconds=$2 once=
    shift 2
    [ $((RANDOM % 2)) = 0 ] && once=--foreground
    { timeout --preserve-status $once -s "$signal" "$seconds" "$RAP_BIN" "$@" >"$work/out" 2>"$work/err"; } 2>/dev/null
    status=$?
}

check_end() { # SIGNAL NUMBER COMMAND
    case $status in
    0) ;;
    "$2") stopped=$((stopped + 1)) ;;
    *) complain "$3 after $1: exit status $status: $(cat "$work/err")" ;;
    esac
}

for i in $(seq 5); do
    for signal in INT:130 TERM:143; do
        number=${signal#*:} signal=${signal%:*}
        seconds=0.$(printf '%03d' $((10 + RANDOM % 120)))
        stop "$signal" "$seconds" export e.rap
        check_end "$signal" "$number" export
        stop "$signal" "$seconds" export d.json
        check_end "$signal" "$number" "export to JSON"
        [ -e d.json ] || [ ! -e images ] || complain "images without a database.json after $signal"
        stop "$signal" "$seconds" convert "$model" c.gguf
        check_end "$signal" "$number" convert
        left=$(rests e.rap d.json images c.gguf)
        [ -z "$left" ] || complain "left after $signal: $left"
        rm -rf e.rap d.json images c.gguf
    done
done

for signal in INT:130 TERM:143; do
    number=${signal#*:} signal=${signal%:*}
    for seconds in 0.3 1; do
        stop "$signal" "$seconds" eval "$root/examples/toy" --sample 40
        check_end "$signal" "$number" eval
        stop "$signal" "$seconds" calibrate "$root/examples/toy"
        check_end "$signal" "$number" calibrate
        left=$(rests)
        [ -z "$left" ] || complain "left by measuring after $signal: $left"
    done
done
[ "$stopped" -gt 10 ] || complain "only $stopped runs were stopped in time"

# Killed: two runs beside each other do not remove what the other uses.
for seconds in 0.02 0.04 0.06 0.08 0.1; do
    stop KILL "$seconds" export k.rap
    stop KILL "$seconds" export k.json
    stop KILL "$seconds" convert "$model" k.gguf
    rm -rf k.rap k.json images k.gguf
done
stop KILL 1 eval "$root/examples/toy" --sample 40
echo mine >mine.rap-tmp-MINE
"$RAP_BIN" --quiet export one.rap &
"$RAP_BIN" --quiet export two.rap || complain "an export beside another failed"
wait $! || complain "the other export failed"
left=$(find "$work/run" -name "*.rap-tmp-*" ! -name "*-MINE")
[ -z "$left" ] || complain "left by killed runs: $left"
"$RAP_BIN" --quiet eval "$root/examples/toy" --sample 2 --task retrieval >/dev/null
[ -z "$(ls "$work/tmp")" ] || complain "left by a killed eval: $(ls "$work/tmp")"
[ -e mine.rap-tmp-MINE ] || complain "a file of somebody else was removed"
for f in one.rap two.rap; do
    "$RAP_BIN" --quiet --store "$f.db" import "$f" || complain "$f is not whole"
done
echo "$stopped runs stopped"
exit $bad
