#!/bin/bash
# layers.sh: every #include "…" in src/ follows the arrows of docs/architecture.md.
#
# A line of the table: a layer (the folder under src/, `facade` for src/*.c), then what it may include
# besides itself: other layers, single headers, or `api` for include/rap.h.
set -euo pipefail
cd "$(dirname "$0")/../.."

table='
base      api
image     api base
nn        api base
remember  api base
vision    api base image nn
convert   api base nn
retrieve  api base image remember vision
generate  api base image
facade    api base image nn vision convert remember retrieve generate
dataset   api base generate/prompt.h
train     api base generate/prompt.h
trust     api base image vision remember retrieve rap_inside.h rap_profile.h
eval      api base generate/prompt.h trust
pull      api base convert generate/check.h
cli       api base eval trust dataset train pull
'
bad=0

complain() {
    echo "$1"
    bad=1
}

allowed() {
    local layer=$1 target=$2 word
    [ "${target%%/*}" = "$layer" ] && return 0
    [ "$layer" = facade ] && [ -f "src/$target" ] && [ "${target%%/*}" = "$target" ] && return 0
    for word in $(awk -v layer="$layer" '$1 == layer { $1 = ""; print }' <<<"$table"); do
        case $word in
        api) [ "$target" = rap.h ] && return 0 ;;
        */*) [ "$target" = "$word" ] && return 0 ;;
        *) [ "${target%%/*}" = "$word" ] && return 0 ;;
        esac
    done
    return 1
}

while IFS=: read -r file line text; do
    layer=${file#src/}
    case $layer in */*) layer=${layer%%/*} ;; *) layer=facade ;; esac
    target=$(sed -n 's/^[^"]*"\([^"]*\)".*/\1/p' <<<"$text")
    case $target in ../../include/rap.h | ../include/rap.h) target=rap.h ;; esac
    if ! grep -q "^$layer " <<<"$table"; then
        complain "$file: the layer '$layer' is not in the table of tools/check/layers.sh"
    elif ! allowed "$layer" "$target"; then
        complain "$file:$line: $layer may not include $target"
    fi
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src --include='*.c' --include='*.h')

[ "$bad" = 0 ] && echo "layers: good"
exit "$bad"
