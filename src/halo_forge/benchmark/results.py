"""What a run has written so far, found on disk: the input of the ladder, the report and the tracking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halo_forge.errors import InputError
from halo_forge.files import read_json
from halo_forge.settings.benchmark import MEASURED_BY_SETS
from halo_forge.settings.params import Params


@dataclass(frozen=True)
class Results:
    """Results by model, in the order of `params.models()`; a model that is not there yet has no entry.

    `missing` names every file that a complete run would have.
    """

    params: Params
    root: Path
    benchmark: dict[str, dict[str, Any]] = field(default_factory=dict)
    raft: dict[str, dict[str, Any]] = field(default_factory=dict)
    training: dict[str, dict[str, Any]] = field(default_factory=dict)
    controls: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The benchmark of every control arm."""
    sets: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Public set -> results by model: base, sft, best."""
    entropy: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of the tokens of every model and control arm."""
    base: dict[str, Any] | None = None
    chosen: dict[str, Any] | None = None
    split: dict[str, Any] | None = None
    missing: list[str] = field(default_factory=list)

    @property
    def last(self) -> str | None:
        """The benchmarked model with the most RAFT updates; None before any cycle was benchmarked."""
        cycles = [model for model in self.benchmark if model in self.params.raft.cycles]
        return cycles[-1] if cycles else None

    def card(self, model: str) -> dict[str, Any] | None:
        """The benchmark of a model or control arm."""
        return self.benchmark.get(model) or self.controls.get(model)

    def depth(self, model: str) -> int:
        """RAFT updates since SFT, -1 for base; a control arm has as many as the model that it was trained beside."""
        return self.params.depth((self.best or "sft") if model in self.params.controls else model)

    @property
    def best(self) -> str | None:
        """The model that validation chose, if it is one of RAFT's and benchmarked; else the last one."""
        model = self.chosen and self.chosen["model"]
        return model if model in self.benchmark and model in self.params.raft.cycles else self.last


def load_results(params: Params, root: Path) -> Results:
    """Read every result under `root` that `params` asks for. Raises InputError for a file that is unusable."""
    missing: list[str] = []

    def read(path: str, *keys: str) -> Any:
        if not (root / path).exists():
            missing.append(path)
            return None
        value = read_json(root / path)
        lacking = [key for key in keys if not isinstance(value, dict) or key not in value]
        if lacking:
            raise InputError(f"{root / path}: no key {lacking[0]!r}; run the stage that writes this file again")
        return value

    models, cycles = params.models(), [model for model in params.models() if model in params.raft.cycles]
    base, split = read("models/base.json"), read("results/split.json")
    chosen = read("models/best.json", "model", "by", "pass@1")
    found = {
        "training": {model: read(f"data/train/{model}.json", "loss", "rows") for model in models[1:]},
        "raft": {cycle: read(f"results/raft/{cycle}.json", "samples", "pass_rate", "kept") for cycle in cycles},
        "benchmark": {
            model: read(f"results/benchmark/{model}.json", "pass_at_k", "intervals", "per_task") for model in models
        },
        "controls": {
            arm: read(f"results/benchmark/{arm}.json", "pass_at_k", "intervals", "per_task") for arm in params.controls
        },
    }
    found["entropy"] = {
        model: read(f"results/entropy/{model}.json", "answers") for model in [*models, *params.controls]
    }
    found |= {
        f"sets/{name}": {
            model: read(f"results/benchmark/{name}/{model}.json", "pass_at_k", "intervals", "per_task")
            for model in MEASURED_BY_SETS
        }
        for name in params.benchmark.sets
    }
    present = {name: {key: value for key, value in part.items() if value is not None} for name, part in found.items()}
    sets = {name: present.pop(f"sets/{name}") for name in params.benchmark.sets}
    return Results(params, root, base=base, chosen=chosen, split=split, sets=sets, missing=missing, **present)


def remove_leftovers(
    params: Params, root: Path, folders: Sequence[str] = ("results/benchmark", "results/entropy", "results/raft")
) -> list[str]:
    """Delete results of cycles, arms and public sets that `params` no longer lists, so that no old number is taken for
    a new one."""
    listed = {*params.models(), *params.controls}
    listed |= {f"{name}/{model}" for name in params.benchmark.sets for model in MEASURED_BY_SETS}
    removed = []
    for folder in folders:
        for path in sorted((root / folder).rglob("*.json")):
            if path.relative_to(root / folder).with_suffix("").as_posix() not in listed:
                path.unlink()
                removed.append(path.relative_to(root).as_posix())
    return removed
