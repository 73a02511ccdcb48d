"""Compare every benchmarked model and write the report.

Reads  results/{benchmark,raft}/*.json, results/split.json, data/train/*.json, models/base.json,
       data/split/benchmark.jsonl, data/benchmark/<model>/{samples,verdicts}.jsonl
Writes results/report.html (everything in one file), results/ladder.json (a row a model; the DVC plot),
       results/summary.json (pass@1 and compile rate of every model, gains with interval and p; the DVC metrics),
       results/raft_statistics.json (a row a finished cycle)
Params seed, raft.cycles, benchmark; the report quotes all others

Results of cycles that params.yaml no longer lists are deleted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.benchmark.compare import print_comparisons
from halo_forge.benchmark.ladder import comparisons, ladder, print_ladder, summary
from halo_forge.benchmark.report import write_report
from halo_forge.benchmark.results import load_results, remove_leftovers
from halo_forge.config import load_params
from halo_forge.raft.statistics import raft_statistics
from halo_forge.records import write_json
from halo_forge.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()
    params, root = load_params(options.params), Path()

    for path in remove_leftovers(params, root):
        print(f"deleted {path}: not among raft.cycles", file=sys.stderr)
    results = load_results(params, root)
    if results.missing:
        print(f"not there yet: {', '.join(results.missing)}", file=sys.stderr)
    rows, compared = ladder(results), comparisons(results)
    write_json(root / "results/ladder.json", rows)
    write_json(root / "results/summary.json", summary(results, compared))
    write_json(root / "results/raft_statistics.json", raft_statistics(params, root))
    write_report(results, root / "results/report.html")

    print_ladder(rows)
    print_comparisons(compared)
    print("results/report.html")


if __name__ == "__main__":
    sys.exit(stage(main))
