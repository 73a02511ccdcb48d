#!/usr/bin/env bash
# Run the whole pipeline with `preset: smoke` in a copy of this working tree: .smoke/tree, with a DVC of its own.
# After one step of SFT the model solves nothing yet, so cycles keep what compiles: every update trains on something.
# The copy holds what Git would see (tracked and new files, nothing ignored) but no result of earlier runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
started=$SECONDS

rm -rf .smoke
mkdir -p .smoke/tree
# To an empty index every file is new, so this lists what is there whatever was added, deleted or never committed.
git init --quiet --bare .smoke/index
exclude=$(git rev-parse --git-path info/exclude 2>/dev/null || true)
if [ -f "$exclude" ]; then cp "$exclude" .smoke/index/info/exclude; fi
git --git-dir .smoke/index --work-tree . ls-files -z --others --exclude-standard |
    tar --create --null --files-from - | tar --extract --directory .smoke/tree

cd .smoke/tree
rm -f dvc.lock
mkdir -p results models
find results models -type f \( -name '*.json' -o -name '*.html' \) -delete
rm -f .dvc/config.local
dvc config --local core.no_scm true
# set_line KEY VALUE: `key: …` of params.yaml, at whatever depth, what stands behind the value left as it is.
set_line() {
    sed -i.bak -E "s/^( *$1:) *[^ #]+/\1 $2/" params.yaml && rm params.yaml.bak
    grep -qE "^ *$1: $2( |$)" params.yaml || { echo "error: params.yaml: no line '$1: …' to change" >&2; exit 1; }
}
set_line preset smoke
set_line reward_threshold 0.5
# No public sets: asked three models, one would take longer than all the rest.
awk '/^ *sets:/ { indent = index($0, "s"); sub(/sets:.*/, "sets: {}"); print; next }
     indent && (!NF || match($0, /[^ ]/) > indent) { next } { indent = 0; print }' params.yaml > params.new
mv params.new params.yaml
grep -qE '^ *sets: \{\}$' params.yaml || { echo "error: params.yaml: no line 'sets: …' to change" >&2; exit 1; }

unset DVC_ROOT DVC_STAGE
export MLFLOW_TRACKING_URI="sqlite:///$PWD/mlflow.db"  # the runs of a smoke test are not the user's
dvc repro
python .make/ladder.py
shopt -s nullglob
for cycle in results/raft/*.json; do
    grep -qE '"kept": [1-9]' "$cycle" || { echo "error: $cycle: nothing was kept, so nothing was trained" >&2; exit 1; }
done
took=$((SECONDS - started))
echo "smoke: every stage ran, in $((took / 60)) min $((took % 60)) s; results in .smoke/tree/results"
