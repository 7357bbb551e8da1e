#!/bin/sh
# Puts the emoji pictures where world.py looks for them: build/tiny/emoji/package/assets.
# Microsoft's Fluent Emoji (MIT), as packed by @lobehub/fluent-emoji-3d; needs npm and tar.
set -eu
version=1.1.0
here=$(cd "$(dirname "$0")" && pwd)
work=${RAP_TINY_WORK:-$here/../../build/tiny}
mkdir -p "$work/emoji"
cd "$work/emoji"
[ -d package/assets ] && { echo "already there: $work/emoji/package/assets"; exit 0; }
npm pack --silent "@lobehub/fluent-emoji-3d@$version"
tar -xzf lobehub-fluent-emoji-3d-*.tgz
ls package/assets | wc -l
