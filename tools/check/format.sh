#!/bin/bash
# format.sh: every C file is formatted as .clang-format says. Headers are prose laid out by hand and
# are left alone. To repair a file: clang-format -i FILE.
set -euo pipefail
cd "$(dirname "$0")/../.."

find src tests $(ls -d bench examples 2>/dev/null) -name '*.c' -print0 | xargs -0 clang-format --dry-run -Werror
echo "format: good"
