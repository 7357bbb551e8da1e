#!/bin/bash
# llama.sh: obtains llama.cpp at one pinned version, builds ggml, llama and mtmd from it once, and
# prints the folder that holds them: include/*.h, lib/*.a, openmp (the runtime to link, if any).
#
# Sources, in this order:
#   1. the folder named by LLAMA_CPP_DIR (your own copy; another version than the pin is allowed)
#   2. the upstream release archive
#   3. the git bundle inside the npm package node-llama-cpp
# What 2 and 3 deliver is believed only when its git tree is the pinned one, byte for byte.
#
# One defect of that version is repaired in what is compiled (repair_class_token below); your own copy is
# never written to.
#
# The result lies in ${RAP_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rap}/llama.cpp-<tree>-<how built>,
# outside the build folder, so that plain and sanitizer builds share it. Progress goes to stderr.
set -euo pipefail

tree_pin=fd570ef54b10ec5fecb739e7e04c8ce44a6f415a
archive=https://github.com/ggml-org/llama.cpp/archive/refs/tags/v0.5.0.tar.gz
package=node-llama-cpp@3.22.1
flags=(-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON
    -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF
    -DLLAMA_BUILD_MTMD=ON -DLLAMA_SUBPROCESS=OFF -DLLAMA_OPENSSL=OFF -DMTMD_VIDEO=OFF)
# The system's own compiler, whichever compiles the rest: across a C interface they need not agree.
unset CC CXX CFLAGS CXXFLAGS LDFLAGS
cache=${RAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rap}

say() { echo "llama.cpp: $*" >&2; }

die() {
    say "$*"
    exit 1
}

# The git tree that a folder of plain files would be committed as.
tree_of() {
    local git
    git=$(mktemp -d)
    git init -q --bare "$git"
    git -C "$1" --git-dir="$git" --work-tree=. -c core.autocrlf=false -c core.fileMode=true \
        add -A -f . 2>/dev/null
    git --git-dir="$git" write-tree
    rm -rf "$git"
}

# How it is built: compiler, flags and processor (it is compiled for the very processor it runs on).
recipe() {
    {
        echo "${flags[@]}" "class token first"
        c++ --version | head -1
        uname -m
        grep -m1 -E '^(flags|Features)' /proc/cpuinfo || true
    } | sha256sum | cut -c1-12
}

from_archive() {
    say "trying the release archive"
    curl -fsSL --connect-timeout 10 --max-time 300 -o "$work/llama.tar.gz" "$archive" || return 1
    mkdir -p "$work/source"
    tar -xzf "$work/llama.tar.gz" -C "$work/source" --strip-components=1 || return 1
}

from_package() {
    say "trying the npm package $package"
    command -v npm >/dev/null || "$(dirname "$0")/deps.sh" npm >&2 || return 1
    (cd "$work" && npm pack --silent "$package" >/dev/null) || return 1
    tar -xzf "$work"/node-llama-cpp-*.tgz -C "$work" package/llama/gitRelease.bundle || return 1
    git clone -q "$work/package/llama/gitRelease.bundle" "$work/source" 2>/dev/null || return 1
    rm -rf "$work/source/.git"
}

# Fills $work/source from the first source that delivers the pinned tree.
obtain() {
    local from found
    for from in from_archive from_package; do
        rm -rf "$work/source"
        "$from" || { say "not available"; continue; }
        found=$(tree_of "$work/source")
        [ "$found" = "$tree_pin" ] && return 0
        say "its tree is $found, not the pinned $tree_pin: not used"
    done
    die "could not be obtained; put its source (tree $tree_pin) somewhere and set LLAMA_CPP_DIR"
}

# mtmd puts the class token of a CLIP tower behind the patches but fills in positions and picks rows as if
# it came first (upstream issue 25814): each patch gets its neighbour's position, the first patch is lost
# and the class token stands in for the last. Exchanging two arguments puts it first, as CLIP has it.
# Sets $source to a repaired copy when $source has the defect.
repair_class_token() {
    local file=tools/mtmd/models/llava.cpp
    grep -qs 'ggml_concat(ctx0, inp, model.class_embedding, 1)' "$source/$file" || return 0
    if [ "$source" != "$work/source" ]; then
        mkdir -p "$work/source"
        cp -r "$source"/. "$work/source"
        source=$work/source
    fi
    sed -i 's/ggml_concat(ctx0, inp, model.class_embedding, 1)/ggml_concat(ctx0, model.class_embedding, inp, 1)/' \
        "$source/$file"
    say "repaired the order of the class token in $file"
}

# Configures and compiles $1; only ggml, llama and mtmd are built. GIT_CEILING keeps its version
# script from reading a repository that happens to lie above the cache.
compile() {
    local log=$work/build.log generator=()
    command -v ninja >/dev/null && generator=(-G Ninja)
    say "compiling (2 to 10 minutes, once)"
    GIT_CEILING_DIRECTORIES=$cache cmake -S "$1" -B "$work/build" "${generator[@]}" "${flags[@]}" \
        >"$log" 2>&1 &&
        cmake --build "$work/build" --target llama mtmd --parallel "$(nproc)" >>"$log" 2>&1 ||
        { tail -20 "$log" >&2; die "compiling failed"; }
}

# Keeps the headers, the archives and the licence; the rest is not needed again.
keep() {
    local source=$1 to=$2
    mkdir -p "$to/include" "$to/lib"
    cp "$source"/include/llama.h "$source"/ggml/include/*.h "$source"/tools/mtmd/mtmd.h \
        "$source"/tools/mtmd/mtmd-helper.h "$to/include"
    find "$work/build" -name '*.a' -exec cp {} "$to/lib" \;
    cp "$source/LICENSE" "$to"
    if nm "$to/lib/libggml-cpu.a" 2>/dev/null | grep GOMP_parallel >/dev/null; then
        echo gomp >"$to/openmp"
    elif nm "$to/lib/libggml-cpu.a" 2>/dev/null | grep __kmpc_fork_call >/dev/null; then
        echo omp >"$to/openmp"
    else
        : >"$to/openmp"
    fi
    touch "$to/done"
}

tree=$tree_pin
if [ -n "${LLAMA_CPP_DIR:-}" ]; then
    [ -f "$LLAMA_CPP_DIR/include/llama.h" ] || die "$LLAMA_CPP_DIR: holds no llama.cpp source"
    tree=$(tree_of "$LLAMA_CPP_DIR")
    [ "$tree" = "$tree_pin" ] || say "$LLAMA_CPP_DIR is not the pinned version; used as you asked"
fi
home=$cache/llama.cpp-${tree:0:12}-$(recipe)

if [ ! -f "$home/done" ]; then
    mkdir -p "$cache"
    exec 9>"$home.lock"
    flock 9 # a second build that starts meanwhile waits here and then finds the work done
    if [ ! -f "$home/done" ]; then
        work=$home.work
        rm -rf "$work" "$home"
        mkdir -p "$work"
        if [ -n "${LLAMA_CPP_DIR:-}" ]; then
            source=$LLAMA_CPP_DIR
        else
            obtain
            source=$work/source
        fi
        repair_class_token
        compile "$source"
        keep "$source" "$home"
        rm -rf "$work"
        say "ready in $home"
    fi
    exec 9>&-
fi
echo "$home"
