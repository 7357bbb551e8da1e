#!/bin/bash
# header.sh: include/rap.h stands alone, in C11 and in C++, with every warning on; the program in its
# first comment compiles; and every other header stands alone in C11.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strict=(-Wall -Wextra -Werror -Wpedantic -fsyntax-only -Iinclude)

echo '#include <rap.h>' >"$work/alone.c"
cp "$work/alone.c" "$work/alone.cpp"
"${CC:-cc}" -std=c11 "${strict[@]}" "$work/alone.c"
"${CXX:-c++}" -std=c++11 "${strict[@]}" "$work/alone.cpp"

# The program is the indented part of the first comment.
awk '/^\/\*/ { on = 1 } on && /^ \*     / { print substr($0, 8) } on && /^ \*$/ { print "" }
     /\*\// { exit }' include/rap.h >"$work/program.c"
grep -q 'int main' "$work/program.c"
"${CC:-cc}" -std=c11 "${strict[@]}" "$work/program.c"

read -ra outside < <(pkg-config --cflags vips sqlite3 jansson expat nettle)
home=$(tools/setup/llama.sh)
for header in $(find src -name "*.h"); do
    printf '#include "%s"\n' "${header#src/}" >"$work/one.c"
    "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-parameter -fsyntax-only \
        -Isrc -Iinclude -isystem "$home/include" "${outside[@]/#-I/-isystem}" "$work/one.c" ||
        { echo "$header does not stand alone"; exit 1; }
done
echo "headers: each stands alone"
