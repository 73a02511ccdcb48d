"""The public data sets by name: what each YAML file of this folder says."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

from pydantic import Field

from halo_forge.errors import InputError
from halo_forge.settings.base import Positive, Section
from halo_forge.settings.checking import check, read_yaml


class Part(Section):
    """One table of a repository on the hub."""

    hub: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str = "main"
    """A commit; a branch is resolved to its commit when the set is read, and the commit is recorded."""
    config: str | None = None
    files: list[str] = []
    """JSON Lines files to read instead of what the repository configures: for those that want their own code run."""
    split: str
    columns: list[str] = []
    """Only these are fetched, where the files are Parquet."""
    license: str


class PublicSet(Part):
    """One entry of the registry."""

    name: str = ""
    title: str
    language: Literal["cpp", "python", "rust", "mixed"]
    reader: str
    """A function of data/public/, or `columns`: `mapping` alone says how to read a row."""
    mapping: dict[str, str] = {}
    problems: Part | None = None
    """Where the statements and tests are, when the rows themselves are answers to them."""
    tests: str
    """What a row is tested by, in words; `none` if it cannot be."""
    solutions: bool = True
    rows: Positive | None = None
    """How many the set has, about."""
    system: str = ""
    evaluation_only: bool = False
    """Published to measure with; training on it spoils it."""
    evaluation_splits: list[str] = []
    streaming: bool = False
    """Read row by row over the network rather than fetched as a whole."""


@functools.cache
def registry() -> dict[str, PublicSet]:
    """All public data sets, by name. Raises InputError naming file and key."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        found[path.stem] = check(PublicSet, read_yaml(path) | {"name": path.stem}, path.name)
    return found


def is_evaluation(entry: PublicSet, split: str | None) -> bool:
    """Whether what `split` of a set holds is for measuring only."""
    parts = {part.partition("[")[0].strip() for part in (split or entry.split).split("+")}
    return entry.evaluation_only or not parts.isdisjoint(entry.evaluation_splits)


def refuse_evaluation(entry: PublicSet, split: str | None, allowed: bool) -> None:
    """Raises InputError if this split would be trained on and that is not allowed by the user."""
    if not allowed and is_evaluation(entry, split):
        raise InputError(
            f"{entry.name} (split {split or entry.split}) is for evaluation only: a model trained on it can no longer "
            "be measured by it; take another set, --format task for a benchmark, or insist with --allow-evaluation-only"
        )
