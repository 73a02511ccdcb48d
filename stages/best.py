"""Name the best model, chosen on the validation side; the benchmark is not looked at.

Reads  results/validation/*.json, models/pipeline/<the best>/
Writes models/best.json (model, its folder, how it was chosen, pass@1 of every candidate on validation),
       models/pipeline/best/ (a copy of its adapter)
Params raft.cycles

Results of cycles that params.yaml no longer lists are deleted.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from begin import stage

from halo_forge.benchmark.choose import choose
from halo_forge.benchmark.results import remove_leftovers
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.folders import whole_folder
from halo_forge.hashing import digest
from halo_forge.model.base import ADAPTERS
from halo_forge.settings.params import Params


def main(params: Params) -> None:
    for path in remove_leftovers(params, Path(), ("results/validation",)):
        print(f"deleted {path}: not among raft.cycles", file=sys.stderr)
    cards = {path.stem: read_json(path) for path in Path("results/validation").glob("*.json")}
    chosen = choose(cards, params.candidates())
    adapter = ADAPTERS / chosen["model"]
    if digest(adapter) != cards[chosen["model"]]["adapter"]:
        raise InputError(
            f"{adapter}: not the adapter that was validated; run dvc repro, or dvc checkout to have it back"
        )
    with whole_folder(ADAPTERS / "best") as best:
        shutil.copytree(adapter, best)
    write_json("models/best.json", chosen | {"path": adapter.as_posix()})
    print(f"best: {chosen['model']}, by {chosen['by']}")


if __name__ == "__main__":
    stage(main)
