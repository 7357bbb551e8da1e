#!/usr/bin/env bash
# demo.sh: the whole loop in one minute: remember, see, ask, edit, forget. Every line printed after a `$` is a real call,
# every answer a real output of the embedded models, on things they never saw in training.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rap_bin=${RAP_BIN:-$root/build/rap}
toy=examples/toy
photo=$toy/scenes/082.jpg
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
run remember duke --image $toy/concepts/duke.jpg --category garlic \
    --info "<duke> is some cyan garlic with black stars. Kai owns it. It likes apples."
run remember gus --image $toy/concepts/gus.jpg --category beaver \
    --info "<gus> is a yellow beaver. It is 7 years old."
run remember tim --image $toy/concepts/tim.jpg --category goat \
    --info "<tim> is a green goat with grey checks and a brown bow. It lives in Rome."

say "A new photo: who is in it?"
run see $photo --out build/demo/seen.png
echo "  (drawn: build/demo/seen.png)"

say "Talk about it."
run ask $photo "Give a personalized caption of this image."
run ask $photo "How many of my things are in this image?"
run ask $photo "Is <duke> in this image?"
run ask $photo "Is <tim> in this image?"

say "No photo needed: what was said is remembered."
run ask "Who owns <duke>?"

say "Things change. Edit, and ask again."
run edit duke --info "<duke> is some cyan garlic with black stars. Nora owns it. It likes apples."
run ask "Who owns <duke>?"

say "Forget, and it is gone."
run forget gus
run ask $photo "Give a personalized caption of this image."
run ask "How old is <gus>?"
