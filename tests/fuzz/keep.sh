#!/bin/bash
# keep.sh [NAME...]: of what run.sh found, the fewest inputs that reach what the corpus of each harness (or of those named)
# does not, of at most 4,096 bytes each, go into the corpus, and so into the tests of every build.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=build/fuzz
names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(ls "$build/found")
for name in "${names[@]}"; do
    corpus=tests/fuzz/corpus/$name
    "$build/tests/fuzz_$name" -set_cover_merge=1 -max_len=4096 -timeout=10 -rss_limit_mb=2048 "$corpus" "$build/found/$name" \
        2>/dev/null
    echo "$name: $(find "$corpus" -type f | wc -l) inputs, $(du -sk --apparent-size "$corpus" | cut -f1) KiB"
done
