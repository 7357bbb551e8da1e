#!/bin/bash
# llama.sh: obtains llama.cpp at one pinned version, builds ggml, llama, mtmd and its engine for chat templates
# from it once, and prints the folder that holds them: include/*.h, lib/*.a, openmp (the runtime to link, if
# any), version (of what was built: source and repairs).
#
# For comparisons, "llama.sh llama-mtmd-cli" and "llama.sh llama-server" build that program of the same source, with the
# same repairs, and print its path; "llama.sh source" prints the path of the source as published. With --if-built nothing
# is made; the status says whether it is there.
#
# Sources, in this order:
#   1. the folder named by LLAMA_CPP_DIR (your own copy; another version than the pin is allowed)
#   2. the upstream release archive
#   3. the git bundle inside the npm package node-llama-cpp
# What 2 and 3 deliver is believed only when its git tree is the pinned one, byte for byte.
#
# Defects of that version are repaired in what is compiled (repair below); your own copy is never written to.
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
here=$(cd "$(dirname "$0")" && pwd)
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

# Names what differs from the source of that version.
repairs() { (declare -f repair change compile_jinja && cat "$here"/{jinja,mtmd}/*) | sha256sum | cut -c1-12; }

# How it is built: repairs, compiler, flags and processor (it is compiled for the very processor it runs on).
recipe() {
    {
        echo "${flags[@]}" "$(repairs)"
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

# Changes file $1 of the source by the sed expression $2 where the text $3 stands in it; $4 says what for.
change() {
    grep -qsF "$3" "$source/$1" || return 0
    sed -i "$2" "$source/$1"
    say "repaired $4 ($1)"
}

# Sets $source to a repaired copy.
repair() {
    local file
    if [ "$source" != "$work/source" ]; then
        mkdir -p "$work/source"
        cp -r "$source"/. "$work/source"
        source=$work/source
    fi
    # mtmd puts the class token of a CLIP tower behind the patches but fills in positions and picks rows as if
    # it came first (upstream issue 25814): each patch gets its neighbour's position, the first patch is lost
    # and the class token stands in for the last. Exchanging two arguments puts it first, as CLIP has it.
    change tools/mtmd/models/llava.cpp \
        's/ggml_concat(ctx0, inp, model.class_embedding, 1)/ggml_concat(ctx0, model.class_embedding, inp, 1)/' \
        'ggml_concat(ctx0, inp, model.class_embedding, 1)' 'the order of the class token'
    # A LLaVA projector without clip.vision.feature_layer was published without the tower's last block, whose
    # output LLaVA does not use; mtmd leaves out one more (upstream issue 25817).
    change tools/mtmd/models/llava.cpp 's/int il_last = hparams.n_layer - 1;/int il_last = hparams.n_layer;/
        s/il_last += 1;/(void) il_last;/' 'int il_last = hparams.n_layer - 1;' 'the number of blocks of LLaVA towers'
    # Pixtral's row ends begin with memory that nobody wrote, times 0: where that held no number, nor do they.
    change tools/mtmd/models/pixtral.cpp 's/tok = ggml_scale(ctx0, tok, 0.0);/tok = ggml_fill(ctx0, tok, 0.0f);/' \
        'tok = ggml_scale(ctx0, tok, 0.0);' 'the ends of rows of Pixtral'
    # Projectors of 2023 do not name their kind: there was one, LLaVA's two layers.
    change tools/mtmd/clip.cpp '/model.proj_type = clip_projector_type_from_string(proj_type);/i\
            if (proj_type.empty() \&\& modality == CLIP_MODALITY_VISION) { proj_type = "mlp"; }' \
        'model.proj_type = clip_projector_type_from_string(proj_type);' 'projectors that name no kind'
    # What mtmd's own tower takes in, for ours: see mtmd/pixels.h.
    cp "$here/mtmd/pixels.h" "$source/tools/mtmd"
    grep -qF '#include "pixels.h"' "$source/tools/mtmd/mtmd.cpp" ||
        cat "$here/mtmd/pixels.cpp" >>"$source/tools/mtmd/mtmd.cpp"
    # The template engine has no bounds: see jinja/guard.h.
    for file in parser runtime value; do
        change "common/jinja/$file.cpp" '1i #include "guard.h"' '#define FILENAME' "bounds of chat templates"
    done
    sed -i -E 's/^    statement_ptr parse_[a-z_]+\([^;]*\) \{$/& const jinja_guard guard;/' \
        "$source/common/jinja/parser.cpp"
    sed -i -e 's/^        return execute_impl(ctx);$/        const jinja_guard guard;\
        auto result = execute_impl(ctx);\
        if (is_val<value_string>(result)) jinja_guard::text(result->as_string().length());\
        else if (is_val<value_array>(result)) jinja_guard::items(result->as_array().size());\
        else jinja_guard::step();\
        return result;/' \
        -e 's/^            res->val_str.append(str);$/            jinja_guard::text(res->val_str.length());\n&/' \
        "$source/common/jinja/runtime.cpp"
    sed -i 's/^                    out->push_back(mk_val<value_int>(i));$/                    jinja_guard::items(out->as_array().size());\n&/' \
        "$source/common/jinja/value.cpp"
}

# The engine for chat templates and its C interface as lib/libllama_jinja.a; $1: the source.
compile_jinja() {
    local common=$1/common file
    mkdir -p "$work/jinja"
    for file in "$common"/jinja/{lexer,parser,runtime,string,value}.cpp "$common"/{json,unicode}.cpp \
        "$here/jinja/jinja.cpp"; do
        echo "$file"
    done | xargs -P "$(nproc)" -I{} sh -c 'c++ -std=c++17 -O2 -DNDEBUG -fPIC -fvisibility=hidden -w -I"$1" \
        -I"$2" -I"$3/vendor" -I"$3/ggml/include" -c -o "$4/$(basename {} .cpp).o" {}' \
        sh "$common" "$here/jinja" "$1" "$work/jinja" &&
        ar rcs "$work/libllama_jinja.a" "$work"/jinja/*.o
}

# Configures $source with further flags $2… and compiles the targets $1. GIT_CEILING keeps its version
# script from reading a repository that happens to lie above the cache.
compile() {
    local targets=$1 generator=()
    shift
    command -v ninja >/dev/null && generator=(-G Ninja)
    say "compiling (2 to 10 minutes, once)"
    GIT_CEILING_DIRECTORIES=$cache cmake -S "$source" -B "$work/build" "${generator[@]}" "${flags[@]}" "$@" \
        >"$work/build.log" 2>&1 &&
        cmake --build "$work/build" --target $targets --parallel "$(nproc)" >>"$work/build.log" 2>&1 ||
        failed
}

failed() {
    tail -20 "$work/build.log" >&2
    die "compiling failed"
}

make_libraries() {
    compile "llama mtmd"
    compile_jinja "$source" >>"$work/build.log" 2>&1 || failed
    keep "$source" "$home"
}

make_program() {
    cp "$here/jinja/guard.h" "$source/common/jinja"
    local flags_of_program=(-DLLAMA_BUILD_COMMON=ON -DLLAMA_BUILD_TOOLS=ON)
    [ "$program" != llama-server ] ||
        flags_of_program+=(-DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF)
    compile "$program" "${flags_of_program[@]}"
    mkdir -p "$home"
    cp "$work/build/bin/$program" "$home"
    touch "$home/done"
}

# Keeps the headers, the archives and the licence; the rest is not needed again.
keep() {
    local source=$1 to=$2
    mkdir -p "$to/include" "$to/lib"
    cp "$source"/include/llama.h "$source"/ggml/include/*.h "$source"/tools/mtmd/mtmd.h \
        "$source"/tools/mtmd/mtmd-helper.h "$to/include"
    cp "$here/jinja/jinja.h" "$to/include/llama_jinja.h"
    cp "$here/mtmd/pixels.h" "$to/include/mtmd_pixels.h"
    cp "$work/libllama_jinja.a" "$to/lib"
    echo "${tree:0:12}-$(repairs)" >"$to/version"
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

# Keeps the source itself.
keep_source() {
    mkdir -p "$home"
    cp -r "$source" "$home/source"
    touch "$home/done"
}

if_built=
if [ "${1:-}" = --if-built ]; then
    if_built=1
    shift
fi
program=${1:-}
case $program in
"" | llama-mtmd-cli | llama-server | source) ;;
*) die "usage: llama.sh [--if-built] [llama-mtmd-cli | llama-server | source]" ;;
esac
tree=$tree_pin
if [ -n "${LLAMA_CPP_DIR:-}" ]; then
    [ -f "$LLAMA_CPP_DIR/include/llama.h" ] || die "$LLAMA_CPP_DIR: holds no llama.cpp source"
    tree=$(tree_of "$LLAMA_CPP_DIR")
    [ "$tree" = "$tree_pin" ] || say "$LLAMA_CPP_DIR is not the pinned version; used as you asked"
fi
case $program in
"") home=$cache/llama.cpp-${tree:0:12}-$(recipe) ;;
source) home=$cache/bench/source-${tree:0:12} ;;
*) home=$cache/bench/$program-${tree:0:12}-$(recipe) ;;
esac

[ -z "$if_built" ] || [ -f "$home/done" ] || die "$home: is not built"
if [ ! -f "$home/done" ]; then
    mkdir -p "$(dirname "$home")"
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
        case $program in
        source) keep_source ;;
        "")
            repair
            make_libraries
            ;;
        *)
            repair
            make_program
            ;;
        esac
        rm -rf "$work"
        say "ready in $home"
    fi
    exec 9>&-
fi
echo "$home${program:+/$program}"
