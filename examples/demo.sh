#!/usr/bin/env bash
# demo.sh: the whole loop in one minute: remember, see, ask, edit, forget. Every line printed after a `$` is a real call,
# every answer a real output of the embedded models, on things they never saw in training.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rap_bin=${RAP_BIN:-$root/build/rap}
toy=examples/toy
out=${RAP_DEMO_OUT:-$root/build/demo}

mkdir -p "$out"
cd "$root"
export RAP_STORE=$out/store.db
rm -f "$RAP_STORE" "$RAP_STORE"-wal "$RAP_STORE"-shm

say() { printf '\n# %s\n' "$1"; }

# Prints the command as a user would type it, then runs it.
run() {
    printf '$ rap'
    for word in "$@"; do
        case $word in
        *[!a-zA-Z0-9_./,=-]*) printf ' "%s"' "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$rap_bin" "$@" | sed 's/^/  /'
}

say "Show it three things, one picture each."
run remember tim --image $toy/concepts/tim.jpg --category goat \
    --info "<tim> is a green goat with grey checks and a brown bow. Kai owns it. It likes apples."
run remember je --image $toy/concepts/je.jpg --category chick \
    --info "<je> is an orange chick with white dots and a white scarf. It lives in Rome."
run remember gus --image $toy/concepts/gus.jpg --category beaver \
    --info "<gus> is a yellow beaver. It is 7 years old."

say "A new photo: who is in it?"
run see $toy/scenes/130.jpg --out build/demo/seen.png
echo "  (drawn: build/demo/seen.png)"

say "Talk about it."
run ask $toy/scenes/130.jpg "Give a personalized caption of this image."
run ask $toy/scenes/130.jpg "What is <je> wearing?"
run ask $toy/scenes/130.jpg "Is <tim> in this image?"
run ask $toy/scenes/130.jpg "Is <gus> in this image?"

say "No photo needed: what was said is remembered."
run ask "Who owns <tim>?"

say "Things change. Edit, and ask again."
run edit tim --info "<tim> is a green goat with grey checks and a brown bow. Nora owns it. It likes apples."
run ask "Who owns <tim>?"

say "Forget, and it is gone."
run forget tim
run ask $toy/scenes/130.jpg "Give a personalized caption of this image."
run ask "Who owns <tim>?"
