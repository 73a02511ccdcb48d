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
from halo_forge.settings.params import Params, load_params

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

    `sets` are (public set, result) of the exported model; `chosen` is how the model was, where it is the best of its
    pipeline by a side of its own; `command` makes the model again.
    """

    name: str
    ladder: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    own: dict[str, Any] | None = None
    sets: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    data: list[Data] = field(default_factory=list)
    training: dict[str, Any] | None = None
    chosen: dict[str, Any] | None = None
    steps: str | None = None
    """What made it of the base model, in words; None where that is not known."""
    raft: bool = False
    """Whether it was trained on its own answers that passed."""
    command: str | None = None
    stop: str | None = None
    """`generate.stop` of the pipeline that measured it."""


def evidence_of(model: Checkpoint, measured: Sequence[Path]) -> Evidence:
    """What is known of `model`; `measured` are result files, its own last.

    Raises InputError for a file that is no result, or not one of this model.
    """
    if name := _of_pipeline(model):
        if measured:
            raise InputError("--result: a model of the pipeline is described by results/; leave it out")
        results = load_results(load_params(), Path())
        return pipeline_evidence(results, _named(results, name))
    ladder = [(path.stem, _card(path)) for path in measured]
    if measured:
        _must_be_of(model, measured[-1], ladder[-1][1])
    name = "/".join(Path(model.name).parts[-2:])  # the rest of a path is this machine's
    return Evidence(name, ladder, ladder[-1][1] if ladder else None, training=_training_beside(model))


def _of_pipeline(model: Checkpoint) -> str | None:
    """The name of the model if it lies where the stages of this folder put it."""
    if model.trained is None or not Path("params.yaml").exists():
        return None
    return model.trained.name if model.trained.resolve().parent == ADAPTERS.resolve() else None


def pipeline_evidence(results: Results, name: str) -> Evidence:
    """What is known of a model of the pipeline: sft, a cycle or a control arm."""
    params, cards = results.params, results.benchmark | results.controls
    best = results.chosen["model"] if results.chosen else None
    sets = {called: of.get(name) or (of.get(BEST) if name == best else None) for called, of in results.sets.items()}
    steps, sides = _made(params, name)
    return Evidence(
        name,
        ladder=list(cards.items()),
        own=cards.get(name),
        sets=[(called, card) for called, card in sets.items() if card],
        data=_data(results.root, sides),
        training=results.training.get(name),
        chosen=results.chosen if name == best and results.chosen["by"] == "validation" else None,
        steps=steps,
        raft=name in params.raft.cycles,
        command="make ablation" if name in params.controls else "make repro",
        stop=params.generate.stop,
    )


def _made(params: Params, name: str) -> tuple[str, Sequence[str]]:
    """How a model of the pipeline was made of the base, and of which sides of the split."""
    sft = "SFT on reference solutions"
    if name == "sft":
        return sft, ["sft"]
    if name not in params.controls:
        return f"{sft}, then RAFT cycles (sample, verify in a sandbox, keep what passed, train on it)", ["sft", "raft"]
    again = params.controls[name].rows == "references"
    rows = "those solutions again" if again else "a random choice of the samples that RAFT drew, right or wrong"
    as_long = f"{sft}, then as long as RAFT's best model on {rows}: a control arm, by which RAFT is measured"
    return as_long, ["sft"] if again else ["sft", "raft"]


def _named(results: Results, folder: str) -> str:
    if folder != BEST:
        return folder
    if not results.chosen:
        raise InputError(f"{ADAPTERS / BEST}: models/best.json does not say which model it is; run `dvc repro best`")
    return results.chosen["model"]


def _data(root: Path, sides: Sequence[str]) -> list[Data]:
    counts: Counter[tuple[str, str]] = Counter()
    for side in sides:
        path = root / SPLIT / f"{side}.jsonl"
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
