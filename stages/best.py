"""Name the best model, chosen on the validation side; the benchmark is not looked at.

Reads  results/validation/*.json
Writes models/best.json (model, its folder, how it was chosen, pass@1 of every candidate on validation)
Params raft.cycles

Results of cycles that params.yaml no longer lists are deleted.
"""

from __future__ import annotations

import sys
from pathlib import Path

from begin import stage

from halo_forge.benchmark.choose import choose
from halo_forge.benchmark.results import remove_leftovers
from halo_forge.files import read_json, write_json
from halo_forge.settings.params import Params


def main(params: Params) -> None:
    for path in remove_leftovers(params, Path(), ("results/validation",)):
        print(f"deleted {path}: not among raft.cycles", file=sys.stderr)
    cards = {path.stem: read_json(path) for path in Path("results/validation").glob("*.json")}
    chosen = choose(cards, params.candidates())
    write_json("models/best.json", chosen | {"path": f"models/pipeline/{chosen['model']}"})
    print(f"best: {chosen['model']}, by {chosen['by']}")


if __name__ == "__main__":
    stage(main)
