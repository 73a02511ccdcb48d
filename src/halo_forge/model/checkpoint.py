"""A model that can be sampled from and trained further: a base model, or an adapter on one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from halo_forge.model.base import ADAPTERS, load_lock


@dataclass(frozen=True)
class Checkpoint:
    """A base model, pinned by `lock` and lying in `base`, and the adapter folder on it if there is one."""

    name: str
    lock: dict
    base: Path
    adapter: Path | None


def of_pipeline(model: str) -> Checkpoint:
    """base, sft or a cycle of the pipeline in this folder."""
    lock, base = load_lock()
    return Checkpoint(model, lock, base, None if model == "base" else ADAPTERS / model)
