#!/usr/bin/env bash
# dataset.sh [ANNOTATIONS [SAMPLES]]: how a data set is built from a large COCO file: memory, time, and whether the same
# bytes come out of one and two threads and after five kills. The annotations (1,000,000) are made here, over a
# tenth as many images that are links to eight small pictures; SAMPLES (20,000) are made of them, in the shares of the
# default mix. Works in build/bench-dataset and leaves it there; needs /usr/bin/time.
set -euo pipefail
annotations=${1:-1000000}
samples=${2:-20000}
cd "$(dirname "$0")/.."
rap=$(realpath "${RAP_BIN:-build/rap}")
work=$PWD/build/bench-dataset

rm -rf "$work"
mkdir -p "$work/pictures"
n=0
for scene in $(ls examples/toy/scenes/*.jpg | head -8); do
    cp "$scene" "$work/pictures/$n.jpg"
    n=$((n + 1))
done
mkdir "$work/images"
for folder in $(seq 0 999); do # an image is images/FOLDER/PICTURE.jpg; "././" makes more names of one picture
    ln -s ../pictures "$work/images/$folder"
done

# Pictures of 320 × 320 pixels; one box in a hundred is outside, one in fifty too small.
awk -v annotations="$annotations" 'BEGIN {
    images = int((annotations + 9) / 10); srand(1)
    printf "{\"images\": ["
    for (i = 0; i < images; i++) {
        dots = ""
        for (d = int(i / 8000); d > 0; d--) dots = dots "./"
        printf "%s{\"id\": %d, \"file_name\": \"%d/%s%d.jpg\", \"width\": 320, \"height\": 320}", i ? ",\n" : "\n", i, i % 1000,
            dots, int(i / 1000) % 8
    }
    printf "],\n\"annotations\": ["
    for (a = 0; a < annotations; a++) {
        side = a % 50 ? 40 + int(rand() * 120) : 10
        x = a % 100 == 7 ? 900 : int(rand() * (320 - side))
        printf "%s{\"id\": %d, \"image_id\": %d, \"category_id\": %d, \"iscrowd\": 0, \"area\": %d, \"segmentation\": [[%d, %d, %d, %d, %d, %d]], \"bbox\": [%d, %d, %d, %d]}",
            a ? ",\n" : "\n", a, a % images, a % 80, side * side, x, x, x + side, x, x + side, x + side, x,
            int(rand() * (320 - side)), side, side
    }
    printf "],\n\"categories\": ["
    for (c = 0; c < 80; c++) printf "%s{\"id\": %d, \"name\": \"category %d\"}", c ? ", " : "", c, c
    printf "]}\n"
}' >"$work/instances.json"
printf '{"seed": 1, "sources": [{"type": "coco", "annotations": "instances.json", "images": "images"}],
"mix": {"grounding": %d, "recognition": %d, "qa": %d}}\n' $((samples * 64 / 100)) $((samples * 26 / 100)) \
    $((samples * 10 / 100)) >"$work/config.json"
printf '{"seed": 1, "sources": [{"type": "coco", "annotations": "instances.json", "images": "images"}],
"mix": {"grounding": 1}}\n' >"$work/reading.json"

# measure NAME CONFIG THREADS: builds into NAME and prints what it took.
measure() {
    /usr/bin/time -o "$work/time" -f '%e %U %S %M' \
        "$rap" dataset build "$work/$2.json" --out "$work/$1" --threads "$3" --quiet >"$work/$1.txt"
    read -r wall user system memory <"$work/time"
    made=$(awk '/ samples in /{ print $1 }' "$work/$1.txt")
    awk -v name="$1" -v wall="$wall" -v processor="$user $system" -v memory="$memory" -v made="$made" 'BEGIN {
        split(processor, p, " ")
        printf "%-12s%8d samples %8.1f s %8.1f s of processor time %8.0f samples/s %6.0f MiB\n", name, made, wall,
            p[1] + p[2], made / wall, memory / 1024
    }'
}

ls -l "$work/instances.json" | awk -v n="$annotations" '{ printf "%d annotations, %.0f MB\n", n, $5 / 1e6 }'
measure reading reading 1
measure one-thread config 1
measure two-threads config 2
diff -r "$work/one-thread" "$work/two-threads"
echo "the same bytes with one and two threads"

# jobs: how many jobs the state of the killed build speaks of.
jobs() { sed -n 's/.*"jobs": \([0-9]*\).*/\1/p' "$work/killed/state.json" 2>/dev/null || true; }

for kill in 1 2 3 4 5; do # while it reads, and when a quarter, two, … of the samples are there
    "$rap" dataset build "$work/config.json" --out "$work/killed" --threads 2 --quiet >"$work/killed.txt" 2>&1 &
    sleep 1
    while kill -0 $! 2>/dev/null && [ "$(jobs || echo 0)" -lt $((samples * (kill - 1) / 5)) ]; do sleep 0.1; done
    kill -9 $! 2>/dev/null && echo "killed at job $(jobs)" || echo "finished before kill $kill"
    wait $! 2>/dev/null || true
done
measure killed config 2
diff -r "$work/one-thread" "$work/killed"
echo "the same bytes after five kills"
