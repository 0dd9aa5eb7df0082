#!/usr/bin/env bash
# Makes the embedded judge from data and a teacher's scores: rows and labels, rows for choosing, ten runs and two means.
#
#   distilled.sh DATA[:DATA...] LABELS OUT [KEY=VALUE ...]
#
# DATA has one folder per source with train.jsonl.gz, and for the arena also valid.jsonl.gz; distil_rows.py describes LABELS; OUT receives
# rows/ and a folder for each run; finished/best/ is the judge. Keys of `trainer train` may follow for all runs but the last, for example
# device=cpu precision=fp32. PYTHON names a Python with numpy.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
labels=$(realpath "$2") valid=()
IFS=: read -ra data <<<"$1"
for i in "${!data[@]}"; do data[i]=$(realpath "${data[i]}"); done
mkdir -p "$3"
out=$(realpath "$3")
shift 3
keys=("$@")
cd "$(dirname "$0")/../.."
trainer=${TRAINER:-build/trainer} python=${PYTHON:-python3}

"$python" training/recipes/distil_rows.py --labels "$labels" --out "$out/rows" --held 0.095 "${data[@]}"
shopt -s nullglob
for folder in "${data[@]}"; do valid+=("$folder"/lmsys-*/valid.jsonl.gz); done
"$python" training/recipes/split_by_id.py "$out/rows/valid" "${valid[@]}"

train() { # RUN NAME START [KEY=VALUE ...]
  local run=$1 name=$2 start=$3
  shift 3
  "$trainer" train --config training/recipes/distilled.toml --run "$run" data.folder="$out/rows" output="$out/$name" start="$start" "$@"
}
mean() { "$python" training/recipes/average_packages.py "$out/$1/best" "${@:2}"; }
fast=(watch.finish=false "${keys[@]}")
arena='data.sources=[{name="lmsys-55k",ties="half",weight=2.0},{name="lmsys-33k",ties="drop"},{name="lmsys-llama3-battles",ties="drop"},{name="*",labels="teacher"}]'
rate() { printf 'optimizer.%s\n' "lr=$1" "head_lr=$1" "features_lr=$1"; }
mapfile -t faster < <(rate 4e-4)

train pools pools '' "${fast[@]}"
train forked forked-1 "$out/pools/best" seed=41 "${fast[@]}"
train forked forked-2 "$out/pools/best" seed=42 "${fast[@]}"
train forked forked-3 "$out/pools/best" seed=43 "$arena" "${fast[@]}"
train forked forked-4 "$out/pools/best" seed=44 objective.cross_entropy=0.25 objective.distillation=0.75 "${fast[@]}"
mean forked "$out"/forked-{1..4}/best
train settled settled-1 "$out/forked/best" seed=51 "${fast[@]}"
train settled settled-2 "$out/forked/best" seed=52 "${fast[@]}"
train settled settled-3 "$out/forked/best" seed=53 objective.cross_entropy=1 objective.distillation=0 "${fast[@]}"
train settled settled-4 "$out/forked/best" seed=54 "${faster[@]}" "${fast[@]}"
mean settled "$out"/settled-{1..4}/best
train finished finished "$out/settled/best"
