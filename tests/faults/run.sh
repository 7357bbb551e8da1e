#!/usr/bin/env bash
# run.sh [BUILD]: the long part of the tests of faults, after `make build`; the quick part runs with `make test`.
#
#   every allocation    of opening, remembering, listing, exporting … fails once, and all from it on
#   every write         sync and truncation of the store's files fails once, and all from it on
#   2,000 moments       at which the power goes, with what was not synced in any part on the disk
#   500 kills           of the program at random moments
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build}
cd "$root"
FAULTS_STEP=1 "$build/tests/test_allocations"
"$build/tests/test_db"
"$build/tests/test_change"
FAULTS_POWER=2000 "$build/tests/test_power"
"$build/tests/test_open"
RAP_BIN=$build/rap tests/e2e/kill9.sh 500
