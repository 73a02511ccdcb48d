"""Print the ladder: pass@1 of every benchmarked model with its interval, one line a model."""

from __future__ import annotations

import sys
from pathlib import Path

from halo_forge.benchmark.ladder import ladder
from halo_forge.benchmark.results import load_results
from halo_forge.config import load_params
from halo_forge.errors import HaloForgeError
from halo_forge.progress import print_table

try:
    params = load_params()
    rows = ladder(load_results(params, Path(".")))
except HaloForgeError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)

ks = sorted({1, *params.benchmark.k})


def percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


print_table(
    ["model", "pass@1", "95 % interval", *(f"pass@{k}" for k in ks[1:]), "compiles", "tasks", "samples"],
    [
        [
            row["model"],
            percent(row["pass@1"]),
            f"{percent(row['pass@1_low'])} to {percent(row['pass@1_high'])}",
            *(percent(row[f"pass@{k}"]) for k in ks[1:]),
            percent(row["compile_rate"]),
            row["n_tasks"],
            row["n_samples"],
        ]
        for row in rows
    ],
)
