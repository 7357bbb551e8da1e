#!/bin/bash
# tests.sh BUILD: runs every test of a build folder, shows what failed and what was skipped and why,
# and ends with exactly one line, "N passed, M failed". Fails when a test failed or none was found.
set -uo pipefail

build=$(cd "$1" && pwd)
report=$build/tests.xml
jobs=${TEST_JOBS:-$(nproc)}
rm -f "$report"
ctest --test-dir "$build" --parallel "$jobs" --output-on-failure --output-junit "$report"

count() { grep -m1 -o "$1=\"[0-9]*\"" "$report" 2>/dev/null | tr -dc 0-9; }
total=$(count tests) failed=$(count failures) skipped=$(count skipped) disabled=$(count disabled)
grep -h '^skipped: ' "$build/Testing/Temporary/LastTest.log" 2>/dev/null | sort | uniq -c |
    sed 's/^ *\([0-9]*\) \(.*\)/\2 (\1 ×)/'
passed=$((${total:-0} - ${failed:-0} - ${skipped:-0} - ${disabled:-0}))
echo "$passed passed, ${failed:-0} failed"
[ "${failed:-0}" = 0 ] && [ "$passed" -gt 0 ]
