"""What is known of a model that is exported: how it was measured, beside which others, on what it was trained.

Of a model of the pipeline it is read from results/ and data/split; of any other from the result files of
`halo-forge benchmark` that the user names, and from the record that its training left beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halo_forge.benchmark.results import Results, load_results
from halo_forge.errors import InputError
from halo_forge.files import read_json
from halo_forge.hashing import digest
from halo_forge.jsonl import each_record
from halo_forge.model.base import ADAPTERS
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.records import Source, Task
from halo_forge.settings.params import load_params

SPLIT = Path("data/split")
BEST = "best"
_CARD_KEYS = ("pass_at_k", "intervals", "per_task", "n_tasks", "n_samples", "compile_rate")


@dataclass(frozen=True)
class Data:
    """Tasks of one source on one side of the split."""

    side: str
    source: Source
    tasks: int


@dataclass(frozen=True)
class Evidence:
    """`ladder` is (model, its result) of all that were measured alike, `own` the exported model's, if it was.

    `sets` are (public set, result) of the exported model; `command` makes the model again.
    """

    name: str
    ladder: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    own: dict[str, Any] | None = None
    sets: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    data: list[Data] = field(default_factory=list)
    training: dict[str, Any] | None = None
    chosen: dict[str, Any] | None = None
    command: str | None = None
    stop: str | None = None
    """`generate.stop` of the pipeline that measured it."""


def evidence_of(model: Checkpoint, results: Sequence[Path]) -> Evidence:
    """What is known of `model`. Raises InputError for a file that is no result, or not one of this model."""
    if name := _of_pipeline(model):
        if results:
            raise InputError("--result: a model of the pipeline is described by results/; leave it out")
        return _pipeline(name)
    ladder = [(path.stem, _card(path)) for path in results]
    if results:
        _must_be_of(model, results[-1], ladder[-1][1])
    name = "/".join(Path(model.name).parts[-2:])  # the rest of a path is this machine's
    return Evidence(name, ladder, ladder[-1][1] if ladder else None, training=_training_beside(model))


def _of_pipeline(model: Checkpoint) -> str | None:
    """The name of the model if it lies where the stages of this folder put it."""
    if model.trained is None or not Path("params.yaml").exists():
        return None
    return model.trained.name if model.trained.resolve().parent == ADAPTERS.resolve() else None


def _pipeline(folder: str) -> Evidence:
    params = load_params()
    results = load_results(params, Path())
    name = _named(results, folder)
    sets = [(called, cards.get(BEST if folder == BEST else name)) for called, cards in results.sets.items()]
    return Evidence(
        name,
        list((results.benchmark | results.controls).items()),
        (results.benchmark | results.controls).get(name),
        [(called, card) for called, card in sets if card],
        _data(),
        results.training.get(name),
        results.chosen,
        "make repro",
        params.generate.stop,
    )


def _named(results: Results, folder: str) -> str:
    if folder != BEST:
        return folder
    if not results.chosen:
        raise InputError(f"{ADAPTERS / BEST}: models/best.json does not say which model it is; run `dvc repro best`")
    return results.chosen["model"]


def _data() -> list[Data]:
    counts: Counter[tuple[str, str]] = Counter()
    for side in ("sft", "raft"):
        path = SPLIT / f"{side}.jsonl"
        if path.exists():
            counts.update((side, task.source.model_dump_json()) for task in each_record(path, Task))
    return [Data(side, Source.model_validate_json(source), count) for (side, source), count in counts.items()]


def _card(path: Path) -> dict[str, Any]:
    card = read_json(path)
    if missing := [key for key in _CARD_KEYS if not isinstance(card, dict) or key not in card]:
        raise InputError(f"{path}: no key {missing[0]!r}; this is no result of `halo-forge benchmark`")
    return card


def _must_be_of(model: Checkpoint, path: Path, card: dict[str, Any]) -> None:
    """Numbers of another model on a card would be worse than none."""
    measured = ((card.get("provenance") or {}).get("inputs") or {}).values()
    same = digest(model.adapter) in measured if model.adapter else card.get("base") == model.lock
    if not same:
        raise InputError(
            f"--result: {path}: measured another model than {model.name}; run `halo-forge benchmark run --model "
            f"{model.name}` and name its file last"
        )


def _training_beside(model: Checkpoint) -> dict[str, Any] | None:
    if model.trained is None:
        return None
    path = model.trained.parent / "training.json"
    return read_json(path) if path.exists() else None
