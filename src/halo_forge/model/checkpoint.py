"""A model that can be sampled from and trained further: a base model, an adapter on one, or one trained whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from halo_forge.model.base import ADAPTERS, is_whole, load_lock, lock_of_whole


@dataclass(frozen=True)
class Checkpoint:
    """A base model, pinned by `lock` and lying in `base`, and the adapter folder on it if there is one. One that was
    trained whole is a base model of its own."""

    name: str
    lock: dict
    base: Path
    adapter: Path | None

    @property
    def trained(self) -> Path | None:
        """The folder that training wrote; None for a base model."""
        return self.adapter or (self.base if is_whole(self.base) else None)


def on_base(name: str, folder: Path, lock: dict, base: Path) -> Checkpoint:
    """The model that was trained on the base model of `lock`, lying in `base`, into `folder`: an adapter or a whole."""
    if is_whole(folder):
        return Checkpoint(name, lock_of_whole(folder, lock), folder, None)
    return Checkpoint(name, lock, base, folder)


def of_pipeline(model: str) -> Checkpoint:
    """base, sft or a cycle of the pipeline in this folder."""
    lock, base = load_lock()
    return Checkpoint(model, lock, base, None) if model == "base" else on_base(model, ADAPTERS / model, lock, base)
