#!/bin/bash
# layers.sh: every #include "…" in src/ follows the arrows of docs/architecture.md, every arrow of the table
# is used, and no two files include each other, directly or through others (x.c and x.h count as one file).
#
# A line of the table: a layer (the folder under src/) or a folder inside one, then what it may include
# besides itself: other layers, single headers, or `api` for include/rap.h.
set -euo pipefail
cd "$(dirname "$0")/../.."

table='base      api
formats   base
net       base
image     base
decode    base image
nn        base formats
vision    base formats image nn
convert   base formats
remember  base formats
retrieve  base image remember vision
generate  base formats image vision/tower.h
engine    base formats generate/prompt.h generate/vlm.h generate/generator.h generate/generator_local.h remote/generator_remote.h retrieve vision
rap       api base formats convert image nn/nn.h remember retrieve generate engine
wire      api eval formats
remote    base net image generate/generator.h generate/prompt.h generate/stream.h
dataset   base formats image generate/prompt.h generate/generator.h retrieve engine remote api
train     base formats image nn generate engine dataset/sample.h
train/concept  base formats image generate engine dataset remember/learnt.h
eval      api base formats image/page.h
eval/calibrate  base formats image remember/store.h retrieve engine
pull      base formats net convert generate/check/check.h generate/quantise.h
cli       api base eval dataset train pull wire
'
bad=0

complain() {
    echo "$1"
    bad=1
}

# file:line:target of every include, targets as seen from src/ ("rap.h": the public header).
includes=$(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src --include='*.c' --include='*.h' \
    --include='*.inc' |
    sed -E 's/^([^:]*:[0-9]*):[^"]*"([^"]*)".*/\1:\2/; s#:(\.\./)+include/rap\.h$#:rap.h#')

used=
while IFS=: read -r file line target; do
    folder=${file#src/} folder=${folder%/*} layer=${folder%%/*}
    grep -q "^$folder " <<<"$table" || folder=$layer
    if ! row=$(grep -m1 "^$folder " <<<"$table"); then
        complain "$file: the layer '$layer' is not in the table of tools/check/layers.sh"
        continue
    fi
    found=
    [ "${target%%/*}" = "$layer" ] && [ "$target" != rap.h ] && found=self
    for word in ${found:-$row}; do
        [ "$word" = "$folder" ] && [ -z "$found" ] && continue
        case $word in
        self) ;;
        api) [ "$target" = rap.h ] && found=$word ;;
        */*) [ "$target" = "$word" ] && found=$word ;;
        *) [ "$target" != rap.h ] && [ "${target%%/*}" = "$word" ] && found=$word ;;
        esac
    done
    [ -n "$found" ] || complain "$file:$line: $folder may not include $target"
    used+="$folder $found"$'\n'
done <<<"$includes"

while read -r folder words; do
    for word in $words; do
        grep -qx "$folder $word" <<<"$used" ||
            complain "tools/check/layers.sh: $folder → $word: nothing uses this arrow; remove it"
    done
done < <(sed '/^$/d' <<<"$table")

# tsort names the members of each circle on stderr, one a line.
if ! circle=$(sed -E 's#^src/([^:]*):[0-9]*:#\1 #; s/\.(c|h|inc)( |$)/\2/g' <<<"$includes" |
    awk '$1 != $2' | sort -u | tsort 2>&1 >/dev/null); then
    complain "these files include each other in a circle:"
    sed 's/^tsort: -: .*/--/; s/^tsort: /  /' <<<"$circle"
fi

[ "$bad" = 0 ] && echo "layers: good, no circles"
exit "$bad"
