#!/usr/bin/env bash
# run.sh [BUILD]: the long part of the tests of faults, after `make build`; the quick part runs with `make test`.
#
#   every allocation    of opening, remembering, seeing, listing, exporting … fails once, and all from it on
#   every call          of open, write, fsync, ftruncate, rename and mkdir likewise
#   2,000 moments       at which the power goes, with what was not synced in any part on the disk
#   1,000 commands      remember, edit, forget, import, export, most of them killed at random moments
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build}
cd "$root"
export FAULTS_STEP=1 RAP_SOURCE=$root
"$build/tests/test_allocations"
"$build/tests/test_facade_allocations"
"$build/tests/test_calls"
"$build/tests/test_db"
"$build/tests/test_change"
FAULTS_POWER=2000 "$build/tests/test_power"
"$build/tests/test_open"
RAP_BIN=$build/rap tests/e2e/kill9.sh 200
