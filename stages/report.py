"""Compare every benchmarked model and write the report.

Reads  results/benchmark/*.json and those of public sets in results/benchmark/<set>/, results/entropy/*.json,
       results/raft/*.json,
       results/split.json, data/train/*.json, models/base.json, models/best.json, data/split/benchmark.jsonl,
       data/benchmark/<model>/{samples,verdicts}.jsonl, data/raft/<model>/history.jsonl
Writes results/report.html (everything in one file), results/ladder.json (a row a model; the DVC plot),
       results/ladder.svg (the same as a picture, for the README),
       results/summary.json (pass@1 and compile rate of every model, gains with interval and p; the DVC metrics),
       results/raft_statistics.json (a row a finished cycle)
Params all: the report quotes them

Results of cycles, arms and public sets that params.yaml no longer lists are deleted.
"""

from __future__ import annotations

import sys
from pathlib import Path

from begin import stage

from halo_forge.benchmark.ladder import comparisons, control_rows, ladder, print_ladder, summary
from halo_forge.benchmark.plots import ladder_picture
from halo_forge.benchmark.public import print_sets, set_rows
from halo_forge.benchmark.report import write_report
from halo_forge.benchmark.results import load_results, remove_leftovers
from halo_forge.files import whole_file, write_json
from halo_forge.raft.statistics import raft_statistics
from halo_forge.settings.params import Params
from halo_forge.statistics.compare import print_comparisons


def main(params: Params) -> None:
    root = Path()
    for path in remove_leftovers(params, root):
        print(f"deleted {path}: no longer in params.yaml", file=sys.stderr)
    results = load_results(params, root)
    if results.missing:
        print(f"not there yet: {', '.join(results.missing)}", file=sys.stderr)
    rows, compared = ladder(results), comparisons(results)
    write_json(root / "results/ladder.json", rows)
    with whole_file(root / "results/ladder.svg") as file:
        file.write(ladder_picture(rows))
    write_json(root / "results/summary.json", summary(results, compared))
    write_json(root / "results/raft_statistics.json", raft_statistics(params, root))
    write_report(results, root / "results/report.html")

    print_ladder(rows + control_rows(results))
    print_sets(set_rows(results))
    print_comparisons(compared)
    print("results/report.html")


if __name__ == "__main__":
    stage(main)
