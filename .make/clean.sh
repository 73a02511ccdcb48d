#!/usr/bin/env bash
# Delete what can be made again: the outputs that dvc.lock lists, unfinished work, caches of tools. Kept: your files,
# what Git holds, the MLflow record, .venv (the next make checks it), the DVC cache with the outputs of every run, and
# ~/.cache/halo-forge, which all checkouts share (`halo-forge cache prune`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

outputs() {
    [ -f dvc.lock ] || return 0
    awk '/^    [a-z]+:/ { part = $1 } part == "outs:" && sub(/^    - path: /, "")' dvc.lock |
        grep -vE '^(results/|models/(base|best)\.json$)' || true  # small results: in Git, not in the DVC cache
}

mapfile -t paths < <(outputs)
for path in "${paths[@]}" .smoke .state .venv/.ready .pytest_cache .ruff_cache .hypothesis; do
    if [ -e "$path" ]; then
        echo "deleting $path"
        rm -rf "$path"
    fi
done
find . \( -name .git -o -name '.venv*' -o -path ./.dvc \) -prune -o -type d -name __pycache__ -print0 | xargs -0 -r rm -rf

if [ -d .dvc/cache ]; then
    echo "kept: .dvc/cache ($(du -sh .dvc/cache | cut -f1)); \`dvc checkout\` brings the outputs back from it,"
    echo "      \`dvc gc -w\` drops from it what no present result needs, \`rm -r .dvc/cache\` all of it"
fi
echo "kept: what other checkouts may use too; \`halo-forge cache list\` shows it, \`halo-forge cache prune\` makes room"
