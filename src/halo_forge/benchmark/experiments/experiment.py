"""An experiment as its files tell it: the settings, and the benchmark of every model."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.benchmark.experiments.revision import commit_of, write_files
from halo_forge.errors import InputError
from halo_forge.files import read_json
from halo_forge.settings.checking import merge, read_yaml

Card = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """`cards`: model -> its benchmark, base, sft, the cycles and then the control arms, as far as they are there;
    `sets`: public set -> model -> its benchmark. `settings` are those of params.yaml with its preset, by dotted key:
    only what is written there, for the defaults of another version are not known here."""

    name: str
    commit: str | None
    settings: dict[str, Any]
    cards: dict[str, Card]
    sets: dict[str, dict[str, Card]]
    best: str


def find_experiment(name: str) -> Experiment:
    """The experiment in a folder with results/, or else that of a Git revision or a name of `dvc exp`.

    Raises InputError if there is none, or it has no benchmark, or a file of it is broken.
    """
    if Path(name).is_dir():
        return _read(name, Path(name), None)
    commit = commit_of(name)
    with tempfile.TemporaryDirectory() as scratch:
        write_files(commit, Path(scratch))
        try:
            return _read(name, Path(scratch), commit)
        except InputError as error:
            raise InputError(str(error).replace(f"{scratch}/", f"{name}:")) from error


def _read(name: str, folder: Path, commit: str | None) -> Experiment:
    place = folder / "results" / "benchmark"
    cards = {path.stem: _card(path) for path in sorted(place.glob("*.json"))}
    if not cards:
        raise InputError(
            f"{name}: no results/benchmark/*.json there; name a folder or a revision in which models were measured"
        )
    sets: dict[str, dict[str, Card]] = {}
    for path in sorted(place.glob("*/*.json")):
        sets.setdefault(path.parent.name, {})[path.stem] = _card(path)
    settings = _settings(folder)
    cycles = list((settings.get("raft") or {}).get("cycles") or {})
    order = {model: at for at, model in enumerate(["base", "sft", *cycles, *(settings.get("controls") or {})])}
    ordered = sorted(cards, key=lambda model: (order.get(model, len(order)), model))
    return Experiment(
        name, commit, _flat(settings), {model: cards[model] for model in ordered}, sets, _best(folder, ordered, cycles)
    )


def _best(folder: Path, models: list[str], cycles: list[str]) -> str:
    """The first of these that is benchmarked: the model that models/best.json names, that which results/summary.json
    names, the last cycle, the last model."""
    for path, key in ((folder / "models/best.json", "model"), (folder / "results/summary.json", "best_model")):
        chosen = read_json(path).get(key) if path.exists() else None
        if chosen in models:
            return chosen
    return ([model for model in models if model in cycles] or models)[-1]


def _card(path: Path) -> Card:
    card = read_json(path)
    missing = [key for key in ("pass_at_k", "intervals", "per_task") if not isinstance(card, dict) or key not in card]
    if missing:
        raise InputError(f"{path}: no key {missing[0]!r}; run the stage that writes this file again")
    return card


def _settings(folder: Path) -> dict[str, Any]:
    """What params.yaml and its preset say; nothing if the file is not there."""
    paths = [folder / name for name in ("params.yaml", "presets.yaml")]
    own, presets = (read_yaml(path) if path.exists() else {} for path in paths)
    return merge(presets.get(own.get("preset")) or {}, own)


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    """dotted key -> value; a mapping without keys is a value."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        inner = isinstance(value, dict) and value
        found |= _flat(value, f"{above}{key}.") if inner else {f"{above}{key}": value}
    return found
