#!/usr/bin/env bash
# Run the whole pipeline with `preset: smoke` in a copy of this working tree: .smoke/tree, as smoke_tree.sh makes it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
started=$SECONDS
.make/smoke_tree.sh .smoke
cd .smoke/tree
unset DVC_ROOT DVC_STAGE
export MLFLOW_TRACKING_URI="sqlite:///$PWD/mlflow.db"  # the runs of a smoke test are not the user's
dvc --wait-for-lock repro
python .make/ladder.py
shopt -s nullglob
for cycle in results/raft/*.json; do
    grep -qE '"kept": [1-9]' "$cycle" || { echo "error: $cycle: nothing was kept, so nothing was trained" >&2; exit 1; }
done
took=$((SECONDS - started))
echo "smoke: every stage ran, in $((took / 60)) min $((took % 60)) s; results in .smoke/tree/results"
