#!/usr/bin/env bash
# Delete what can be made again: DVC outputs, unfinished work, caches of tools. Kept: your files, results in Git,
# the MLflow record, .venv (set up again by the next make) and the DVC cache, which holds the outputs of every run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

outputs=(data/prepared data/split data/train data/raft data/benchmark models/*/)
work=(.smoke .state .venv/.ready .pytest_cache .ruff_cache .hypothesis)
for path in "${outputs[@]}" "${work[@]}"; do
    if [ -e "$path" ]; then
        echo "deleting $path"
        rm -rf "$path"
    fi
done
find . \( -name .git -o -name .venv -o -path ./.dvc \) -prune -o -type d -name __pycache__ -print0 | xargs -0 -r rm -rf

if [ -d .dvc/cache ]; then
    echo "kept: .dvc/cache ($(du -sh .dvc/cache | cut -f1)); \`dvc checkout\` brings the outputs back from it,"
    echo "      \`dvc gc -w\` drops from it what no present result needs, \`rm -r .dvc/cache\` all of it"
fi
