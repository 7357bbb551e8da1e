#!/bin/bash
# archive.sh OUT.a OBJECT ARCHIVES…: makes an archive of one object: OBJECT and what it uses of ARCHIVES,
# exporting rap_* and nothing else. LD, OBJCOPY, NM and AR come from the environment.
set -euo pipefail

out=$1 object=$2
shift 2
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT

# -d: OpenMP names its critical sections with common symbols, which must be given a place first.
"$LD" -r -d -o "$work/rap.o" "$object" --start-group "$@" --end-group
# What C++ makes unique for a whole process (an ELF binding of its own) can be made local only after it
# has been made weak.
"$NM" "$work/rap.o" | awk '$2 == "u" { print $3 }' >"$work/unique"
"$OBJCOPY" --weaken-symbols="$work/unique" "$work/rap.o"
"$OBJCOPY" --wildcard --keep-global-symbol='rap_*' "$work/rap.o"
rm -f "$out"
"$AR" rcs "$out" "$work/rap.o"
