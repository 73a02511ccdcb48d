"""Print the ladder: pass@1 of every benchmarked model with its interval, one line a model; then the public sets."""

from __future__ import annotations

import sys
from pathlib import Path

from halo_forge.benchmark.ladder import control_rows, ladder, print_ladder
from halo_forge.benchmark.public import print_sets, set_rows
from halo_forge.benchmark.results import load_results
from halo_forge.errors import HaloForgeError
from halo_forge.settings.params import load_params

try:
    results = load_results(load_params(), Path())
    print_ladder(ladder(results) + control_rows(results))
    print_sets(set_rows(results))
except HaloForgeError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
