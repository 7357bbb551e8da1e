#!/usr/bin/env bash
# paper_table.sh: the paper's argument, measured here: retrieval against training per concept, what each part is worth, and
# accuracy against the number of concepts. About half an hour on two cores; stop it at any time, the same command goes on.
#
#     examples/paper_table.sh                     # the tables and the figure, into build/paper
#     examples/paper_table.sh --concepts 20       # more concepts (examples/methods has pictures for 20)
#     examples/paper_table.sh --base PROFILE      # the model before its adapter (default: the profile with --lora none)
#     examples/paper_table.sh --training-set DIR  # the ablations that train: DIR from tools/tiny/make_training.py
#     examples/paper_table.sh --no-negatives FILE  # an adapter that was trained without negatives (docs/accuracy.md)
#
# Each cell is one `rap eval`, whose JSON stays in OUT/cells; `rap eval table OUT` makes the tables and the figure of what
# is there.
set -eu
{ # read whole before it runs: an edit meanwhile changes nothing
root=$(cd "$(dirname "$0")/.." && pwd)
rap_bin=${RAP_BIN:-$root/build/rap}
out=$root/build/paper set=$root/examples/toy methods=$root/examples/methods
concepts=10 growth="5" seeds="1 2 3" profile=$root/models/tiny base= without= training= only= sample=100 threads=
usage() { sed -n '2,13s/^# \{0,1\}//p' "$0"; }
while [ $# -gt 0 ]; do
    case $1 in
    --out) out=$2 ;;
    --set) set=$2 ;;
    --methods) methods=$2 ;;
    --concepts) concepts=$2 ;;
    --growth) growth=$2 ;;
    --seeds) seeds=$2 ;;
    --profile) profile=$2 ;;
    --base) base=$2 ;;
    --training-set) training=$2 ;;
    --no-negatives) without=$2 ;;
    --only) only=$2 ;;
    --sample) sample=$2 ;;
    --threads) threads=$2 ;;
    --help | -h) usage && exit 0 ;;
    *) echo "paper_table.sh: $1: unknown; --help explains" >&2 && exit 2 ;;
    esac
    [ $# -ge 2 ] || { echo "paper_table.sh: $1 takes a value" >&2 && exit 2; }
    shift 2
done
cells=$out/cells
mkdir -p "$cells"

# What the methods that train begin with: the model before its adapter, where there is one.
learn="--profile ${base:-$profile}" zero_shot=$base
if [ -z "$base" ] && grep -q '"lora"' "$profile/profile.json"; then
    learn="$learn --lora none" zero_shot=$profile
fi
all=(--task caption --task recognition --task vqa --task text_qa)

# ---- the list of cells: a name, then the arguments of rap eval
plan=()
add() { case $1 in *$only*) plan+=("$*") ;; esac }
add "rap-$concepts-s0 --profile $profile --concepts $concepts"
[ -z "$zero_shot" ] || add "zero-shot-$concepts-s0 $learn --concepts $concepts"
for seed in $seeds; do
    for method in head soft-tokens lora; do
        add "$method-$concepts-s$seed $learn --concepts $concepts --method $method --seed $seed"
    done
done
for n in $growth; do
    add "rap-$n-s0 --profile $profile --concepts $n"
    for method in head soft-tokens lora; do
        add "$method-$n-s1 $learn --concepts $n --method $method --seed 1"
    done
done
for part in full "oracle --oracle" "no-text --no-info" "no-pictures --no-avatars" "no-threshold --no-threshold"; do
    add "ablation_$part --profile $profile --sample $sample"
done
if [ -n "$without" ]; then
    add "ablation_no-negatives --profile $profile --lora $without --sample $sample"
    add "ablation_no-negatives-no-threshold --profile $profile --lora $without --sample $sample --no-threshold"
fi

# ---- what adding a concept takes retrieval: processor time of `rap remember`, and by how much the store grows
cost() {
    local work first=0 count=0 seconds=0 name used
    work=$(mktemp -d)
    TIMEFORMAT='%U %S'
    for folder in "$methods"/pictures/*/; do
        name=$(basename "$folder")
        used=$({ time "$rap_bin" remember "$name" --image "$set/concepts/${name// /_}.jpg" --profile "$profile" \
            --store "$work/s.db" >/dev/null; } 2>&1 | tail -1)
        [ "$count" -gt 0 ] || first=$(cat "$work"/s.db* | wc -c)
        seconds=$(awk -v a="$seconds" -v b="$used" 'BEGIN { split(b, t, " "); print a + t[1] + t[2] }')
        count=$((count + 1))
    done
    awk -v s="$seconds" -v n="$count" -v a="$first" -v b="$(cat "$work"/s.db* | wc -c)" \
        'BEGIN { printf "{\"seconds\": %.3f, \"bytes\": %.0f}\n", s / n, (b - a) / (n - 1) }' >"$cells/cost.tmp"
    mv "$cells/cost.tmp" "$cells/cost.json"
    rm -r "$work"
}

# ---- adapters of the ablations that train: the same data but for one thing
trained() {
    local name=$1 noise=$2 augment=$3 folder=$out/$1
    [ -f "$folder/adapter/adapter.gguf" ] && return
    mkdir -p "$folder"
    cat >"$folder/config.json" <<END
{ "seed": 1, "sources": [ { "type": "tao", "name": "toy", "annotations": "$training/toy.json", "images": "$training" } ],
  "mix": { "recognition": 150, "caption": 300, "qa": 150 }, "validation": 0.02,
  "noise": { "share": $noise, "least": 1, "most": 2, "hard": 0.5 }, "augment": { $augment } }
END
    "$rap_bin" dataset build "$folder/config.json" --out "$folder/data" --quiet >"$folder/build.log"
    local words
    read -ra words <<<"$learn"
    "$rap_bin" train "$folder/data" "${words[@]}" --out "$folder/adapter" --rank 16 --alpha 32 --dropout 0 \
        --lr 1e-3 --batch 16 --epochs 1 --max-concepts 3 --validation 0 --seed 1 --projector off ${threads:+--threads "$threads"} \
        >"$folder/train.log"
}
if [ -n "$training" ]; then
    changes='"flip": 0.5, "rotate": 10, "scale": 0.1, "shift": 0.05, "color": 0.2'
    for policy in "-no-threshold --no-threshold" ""; do
        for name in tuned tuned-no-negatives tuned-no-augmentation; do
            add "ablation_$name$policy --profile ${base:-$profile} --lora $out/$name/adapter/adapter.gguf --sample $sample"
        done
    done
fi

# ---- run what is not there yet
total=${#plan[@]} done=0 ran=0 begun=$SECONDS
for line in ${plan[@]+"${plan[@]}"}; do
    read -ra words <<<"$line"
    name=${words[0]}
    done=$((done + 1))
    [ -f "$cells/$name.json" ] && continue
    left="?"
    [ "$ran" -gt 0 ] && left=$(((SECONDS - begun) * (total - done + 1) / ran / 60))
    echo "[$done of $total] $name (about $left min left)" >&2
    extra=() questions=("${all[@]}")
    case $name in ablation_tuned*) questions=(--task caption --task recognition) ;; esac
    case $line in *--method*) extra=(--pictures "$methods/pictures" --negatives "$methods/negatives") ;; esac
    case $name in
    ablation_tuned-no-negatives*) trained tuned-no-negatives 0 "$changes" ;;
    ablation_tuned-no-augmentation*) trained tuned-no-augmentation 0.7 '' ;;
    ablation_tuned*) trained tuned 0.7 "$changes" ;;
    esac
    "$rap_bin" eval "$set" "${words[@]:1}" "${questions[@]}" ${extra[@]+"${extra[@]}"} --json \
        ${threads:+--threads "$threads"} --log "$cells/$name.log.jsonl" >"$cells/$name.tmp"
    mv "$cells/$name.tmp" "$cells/$name.json"
    ran=$((ran + 1))
done
[ -z "$only" ] || exit 0
[ -f "$cells/cost.json" ] || cost
"$rap_bin" eval table "$out" | tee "$out/tables.md"
exit
}
