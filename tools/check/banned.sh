#!/bin/bash
# banned.sh: functions that nobody calls here, and why.
set -euo pipefail
cd "$(dirname "$0")/../.."

# everywhere: no bound on what they write, hidden state, or no way to report an error
banned='strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|alloca|rand|srand|asctime|ctime|gmtime|localtime|tmpnam|mktemp'
# in the library: it never exits, aborts or prints
silent='exit|_exit|quick_exit|abort|printf|vprintf|puts|putchar|perror|assert'
bad=0

# find_calls PATTERN FILES…: calls of the functions, outside of comments and strings.
find_calls() {
    local pattern=$1 file
    shift
    for file in "$@"; do
        sed -e 's://.*$::' -e 's:"\(\\.\|[^"\\]\)*":"":g' -e 's:/\*.*\*/::g' "$file" |
            awk '/\/\*/ { sub(/\/\*.*/, ""); inside = 1; print; next }
                 inside && /\*\// { sub(/.*\*\//, ""); inside = 0 }
                 { print inside ? "" : $0 }' |
            grep -nE "(^|[^A-Za-z0-9_.>])($pattern)[[:space:]]*\(" | sed "s|^|$file:|" || true
    done
}

report() {
    [ -z "$1" ] && return
    echo "$1"
    echo "$2"
    bad=1
}

mapfile -t all < <(find src include tests $(ls -d bench examples 2>/dev/null) -name '*.c' -o -name '*.h' | sort)
mapfile -t library < <(find src -name '*.c' ! -path 'src/cli/*' ! -path src/decode/main.c | sort)
report "$(find_calls "$banned" "${all[@]}")" "^ banned: no bound, hidden state, or no way to report an error"
# trial.c ends the child that it forked, never the process that calls it
mapfile -t library < <(printf '%s\n' "${library[@]}" | grep -vx src/generate/check/trial.c)
report "$(find_calls "$silent" "${library[@]}")" "^ banned in the library: it never exits, aborts or prints"

[ "$bad" = 0 ] && echo "banned functions: none"
exit "$bad"
