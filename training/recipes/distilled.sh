#!/usr/bin/env bash
# Makes a judge in the form of the embedded one from data and a teacher's scores: rows and labels, the arena half for choosing, three runs.
#
#   distilled.sh DATA[:DATA...] LABELS OUT [KEY=VALUE ...]
#
# DATA has one folder per source with train.jsonl.gz, and for the arena also valid.jsonl.gz; distil_rows.py describes LABELS; OUT receives
# rows/, pools/, cooled/ and settled/, whose best/ is the judge. Keys of `trainer train` may follow, for example device=cpu precision=fp32.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
labels=$(realpath "$2") valid=()
IFS=: read -ra data <<<"$1"
for i in "${!data[@]}"; do data[i]=$(realpath "${data[i]}"); done
mkdir -p "$3"
out=$(realpath "$3")
shift 3
cd "$(dirname "$0")/../.."
trainer=${TRAINER:-build/trainer}

python3 training/recipes/distil_rows.py --labels "$labels" --out "$out/rows" "${data[@]}"
shopt -s nullglob
for folder in "${data[@]}"; do valid+=("$folder"/lmsys-*/valid.jsonl.gz); done
python3 training/recipes/split_by_id.py "$out/rows/valid" "${valid[@]}"
start=''
for run in pools cooled settled; do
  "$trainer" train --config training/recipes/distilled.toml --run "$run" data.folder="$out/rows" output="$out/$run" start="$start" "$@"
  start=$out/$run/best
done
