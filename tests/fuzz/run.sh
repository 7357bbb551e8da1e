#!/bin/bash
# run.sh [SECONDS [NAME...]]: fuzzes each harness (or those named) for SECONDS (60) on one core, starting
# from its corpus. New inputs that reach new code go to build/fuzz/found/NAME; a finding stops the run and
# stays in build/fuzz. Needs clang.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-60}
shift || true
build=build/fuzz
cmake -S . -B "$build" -G Ninja -Wno-dev --log-level=WARNING -DCMAKE_C_COMPILER=clang \
    -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=RelWithDebInfo -DRAP_FUZZ=ON >/dev/null
names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||')
cmake --build "$build" --target "${names[@]/#/fuzz_}"

for name in "${names[@]}"; do
    mkdir -p "$build/found/$name"
    dictionary=tests/fuzz/$name.dict
    echo "fuzzing $name for $seconds seconds"
    set +e
    "$build/tests/fuzz_$name" "$build/found/$name" "tests/fuzz/corpus/$name" \
        $([ ! -f "$dictionary" ] || echo "-dict=$dictionary") -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -malloc_limit_mb=1024 -artifact_prefix="$build/finding-$name-" \
        -print_final_stats=1 2>&1 | grep -E '^(stat::|==|SUMMARY|#[0-9]+\s+DONE|artifact)|ERROR'
    code=${PIPESTATUS[0]}
    set -e
    if ls "$build"/finding-"$name"-* >/dev/null 2>&1; then
        echo "$name: a finding lies in $build"
        exit 1
    fi
    [ "$code" -eq 0 ] || { echo "$name: ended with code $code and left no finding: did it start?"; exit 1; }
done
