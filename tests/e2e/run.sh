#!/usr/bin/env bash
# run.sh CASE: runs one end-to-end case: example and expectation in one file.
#
#   # a comment                       $ COMMAND     run in bash, in an empty folder with an empty store
#   > a whole line of stdout          >~ REGEX      a regex that some line of stdout matches
#   2~ REGEX  (same for stderr)       ! CODE        the exit code (default 0); `! fail`: any but 0, and
#   >0  no stdout at all                            exactly one line on stderr, no crash
#
# `rap` is $RAP_BIN; $TOY is the held-out toy set, $DATA the folder tests/data, $SHARED the shared folder (a
# case whose first line is `# needs shared` is skipped where it is absent).
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
case_file=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
RAP_BIN=${RAP_BIN:-$root/build/rap}
export TOY=$root/examples/toy DATA=$root/tests/data SHARED=${RAP_SHARED:-$root/../shared} ROOT=$root
if head -1 "$case_file" | grep -q '^# needs shared' && [ ! -d "$SHARED/fixtures" ]; then
    echo "skipped: $SHARED is not there"
    exit 77
fi
work=$(mktemp -d)
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/run"
ln -s "$RAP_BIN" "$work/bin/rap"
export PATH=$work/bin:$PATH HOME=$work XDG_DATA_HOME=$work/data RAP_STORE=$work/run/store.db
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
cd "$work/run" || exit 1

bad=0
command=
line_number=0
command_line=0

complain() {
    echo "$case_file:$command_line: $1"
    echo "  \$ $command"
    sed 's/^/  out: /' "$work/out"
    sed 's/^/  err: /' "$work/err"
    bad=1
}

# Compares what the last command did with what was expected of it.
finish() {
    [ -n "$command" ] || return 0
    if [ "$want_code" = fail ]; then
        { [ "$code" -ne 0 ] && [ "$code" -lt 124 ]; } || complain "exit code $code, expected a failure"
        [ "$(wc -l <"$work/err")" -eq 1 ] || complain "expected exactly one line on stderr"
    elif [ "$code" -ne "$want_code" ]; then
        complain "exit code $code, expected $want_code"
    fi
    if [ -s "$work/want" ] && ! diff "$work/want" "$work/out" >/dev/null; then
        complain "stdout differs from: $(tr '\n' '|' <"$work/want")"
    fi
    [ "$want_silence" = 0 ] || [ ! -s "$work/out" ] || complain "stdout should be empty"
    while IFS=$'\t' read -r file regex; do
        grep -Eq -- "$regex" "$work/$file" || complain "no line of $file matches: $regex"
    done <"$work/regex"
}

start() {
    command=$1
    command_line=$line_number
    want_code=0
    want_silence=0
    : >"$work/want" >"$work/regex"
    : >"$work/regex"
    timeout 120 bash -c "$command" >"$work/out" 2>"$work/err" </dev/null
    code=$?
}

while IFS= read -r line || [ -n "$line" ]; do
    line_number=$((line_number + 1))
    case $line in
    '$ '*) finish; start "${line#'$ '}" ;;
    '>~ '*) printf 'out\t%s\n' "${line#>~ }" >>"$work/regex" ;;
    '2~ '*) printf 'err\t%s\n' "${line#2~ }" >>"$work/regex" ;;
    '>0'*) want_silence=1 ;;
    '> '*) printf '%s\n' "${line#> }" >>"$work/want" ;;
    '! '*) want_code=${line#! } ;;
    '#'* | '') ;;
    *) echo "$case_file:$line_number: cannot read this line"; bad=1 ;;
    esac
done <"$case_file"
finish
exit $bad
