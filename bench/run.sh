#!/usr/bin/env bash
# run.sh: whole commands of the embedded profile, timed from process start to exit: the median of some runs, and the
# peak memory of one. Then the measuring programs of this folder.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rap=${RAP_BIN:-$root/build/rap}
toy=$root/examples/toy
runs=${RUNS:-7}
concepts=${CONCEPTS:-10000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RAP_STORE=$work/store.db

# The median wall time of a command in milliseconds.
median() {
    for _ in $(seq "$runs"); do
        start=$(date +%s%N)
        "$@" >/dev/null 2>&1
        echo $((($(date +%s%N) - start) / 1000000))
    done | sort -n | sed -n "$(((runs + 1) / 2))p"
}

peak_kib() {
    "$@" >/dev/null 2>&1 &
    pid=$!
    peak=0
    while now=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do
        peak=$now
        sleep 0.01
    done
    wait "$pid" || true
    echo "$peak"
}

row() {
    name=$1
    shift
    printf '%-44s %6s ms %6s MiB\n' "$name" "$(median "$@")" "$(($(peak_kib "$@") / 1024))"
}

echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; median of $runs runs, peak memory"
"$rap" import "$toy/database.json" --quiet
photo=$toy/scenes/130.jpg
"$rap" ask "$photo" "Give a personalized caption of this image." >/dev/null # the concepts' tokens are kept from here on
row "rap see PHOTO, 100 concepts" "$rap" see "$photo"
row "rap ask PHOTO caption, 100 concepts" "$rap" ask "$photo" "Give a personalized caption of this image."
row "rap ask, text only, 100 concepts" "$rap" ask "What does <tim> like?"
row "rap list, 100 concepts" "$rap" list

export RAP_STORE=$work/large.db
mkdir "$work/db"
cp "$toy"/concepts/bo.jpg "$work/db/a.jpg"
{
    echo '{"concept_dict":{'
    for i in $(seq "$concepts"); do
        [ "$i" = 1 ] || echo ,
        printf '"<n%d>":{"name":"n%d","image":"a.jpg","info":"<n%d> is a thing.","category":"bus"}' "$i" "$i" "$i"
    done
    echo '}}'
} >"$work/db/database.json"
start=$(date +%s%N)
"$rap" import "$work/db/database.json" --quiet
printf '%-44s %6s ms\n' "rap import, $concepts concepts" $((($(date +%s%N) - start) / 1000000))
row "rap list, $concepts concepts" "$rap" list
row "rap see PHOTO, $concepts concepts" "$rap" see "$photo"

for program in "$(dirname "$rap")"/bench_*; do
    [ ! -x "$program" ] || [ -d "$program" ] || { echo; "$program"; }
done
