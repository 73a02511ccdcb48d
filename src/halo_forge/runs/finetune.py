"""Supervised fine-tuning into a plain folder, without DVC.

<out>/checkpoint-N/     what a killed run resumes from, and --resume
<out>/final_model/      the adapter or whole model, of the checkpoint with the least loss on the rows held out
<out>/training.json     losses, sizes, provenance
<out>/logs/             TensorBoard
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from halo_forge.cluster.training import on_ray
from halo_forge.data.rows import Row, family_of
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.folders import whole_folder
from halo_forge.hashing import digest, fingerprint
from halo_forge.model.base import is_whole
from halo_forge.model.chat import Prompt
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.model.reference import pin
from halo_forge.provenance import provenance
from halo_forge.runs.outputs import RUN_FILE, UNKNOWN, claim, owner, set_aside
from halo_forge.settings.compute import Compute
from halo_forge.settings.training import Lora, Training
from halo_forge.state import state_dir
from halo_forge.train.adapter import train_adapter
from halo_forge.train.checkpoints import ORDER_FILE
from halo_forge.train.lora import HeldOut, Run

Pair = tuple[Prompt, str]


@dataclass(frozen=True)
class Sides:
    """Rows to train on and rows held out, as (turns up to the answer, answer); `share` is what was to be held out,
    `without_answer` counts the rows that teach nothing."""

    training: list[Pair]
    held_out: list[Pair]
    share: float
    without_answer: int = 0


def split_rows(rows: Sequence[Row], share: float, seed: int) -> Sides:
    """Hold out whole problem families, drawn by the seed, until `share` of the rows is reached.

    Rows without an answer teach nothing; they are left out and counted.
    """
    families: dict[str, list[Pair]] = defaultdict(list)
    for row in rows:
        if row.answer:
            family = row.task.family if row.task else family_of(row.prompt)
            families[family].append((row.messages[:-1], row.answer))
    total = sum(map(len, families.values()))
    drawn = sorted(families, key=lambda family: hashlib.sha256(f"{seed}|{family}".encode()).digest())
    held: list[Pair] = []
    chosen: set[str] = set()
    for family in drawn[:-1]:  # one family at least is trained on
        if len(held) + len(families[family]) > round(share * total):
            continue
        chosen.add(family)
        held += families[family]
    trained = [pair for family, pairs in families.items() if family not in chosen for pair in pairs]
    return Sides(trained, held, share, len(rows) - total)


def with_system_turn(model: Checkpoint, rows: Sequence[Row]) -> Checkpoint:
    """The model with the system turn that all rows share, so that it is asked later as it was taught."""
    systems = {row.system for row in rows}
    if systems <= {None}:
        return model
    if len(systems) == 1:
        return replace(model, lock=model.lock | {"system_prompt": systems.pop()})
    most, _ = Counter(row.system for row in rows).most_common(1)[0]
    print(
        f"warning: the rows have {len(systems)} different system turns; the model will be asked with {most!r}",
        file=sys.stderr,
    )
    return replace(model, lock=model.lock | {"system_prompt": most or ""})


@dataclass(frozen=True)
class Finetuning:
    """One run: `sides` are what the rows of the file `data` amount to, `model` what is trained on them."""

    model: Checkpoint
    sides: Sides
    data: Path
    out: Path
    lora: Lora | None
    """None: all weights are trained."""
    training: Training
    learning_rate: float
    seed: int
    settings: dict[str, Any]
    """All that was set and decides the result, in the words it was set in: by it the run is recognised, and of it
    provenance has the digest."""
    held_out: HeldOut | None = None
    keep_checkpoints: int = 1
    compute: Compute = field(default_factory=Compute)


def finetune(run: Finetuning, resume: Path | None = None) -> dict[str, Any]:
    """Train and write `run.out`; the content of training.json.

    The same run again goes on from its last checkpoint, and is not repeated once it is done. Raises InputError for a
    `resume` that is no checkpoint, for an `out` that is a model, and for an adapter whose base would be trained.
    """
    out, model = run.out, run.model
    if (out / "adapter_config.json").exists() or is_whole(out):
        raise InputError(f"--output: {out} is a model itself (the pipeline's?); give another folder")
    if model.adapter and run.lora is None:
        raise InputError(
            f"lora: null trains all weights, and {model.name} is an adapter on others; merge the two first "
            f"(halo-forge export --model {model.name} --output FOLDER) and take that folder, or leave lora out"
        )
    state_dir("sft-train", {"out": out.resolve()})  # held: nobody else writes there meanwhile
    inputs = _inputs(run)
    final, record, mark = out / "final_model", out / "training.json", out / RUN_FILE
    if resume is not None:
        _go_on_from(resume, out, run.lora, fingerprint(inputs))
        write_json(mark, {"fingerprint": fingerprint(inputs)})
    elif claim(out, mark, inputs, lambda: _of_a_run(out)) and final.exists() and record.exists():
        print(f"{final}: trained before with the same data and settings; delete {out} to train again")
        return read_json(record)
    _say_what_is_held_out(run.sides)
    training = Run(
        base=model.base,
        start=model.adapter,
        lora=None if model.adapter else run.lora,
        settings=run.training,
        learning_rate=run.learning_rate,
        seed=run.seed,
        compute=run.compute,
        checkpoints=out,
        logs=out / "logs",
        held_out=run.held_out,
        keep_checkpoints=run.keep_checkpoints,
    )
    by = on_ray(run.compute)
    with whole_folder(final) as adapter:
        summary = train_adapter(training, run.sides.training, model.lock, adapter, str(run.data), "SFT", by)
        pin(adapter, model)
    for reason, number in summary["rows_left_out"].items():
        print(f"left out: {number} rows: {reason}")
    origin = provenance(run.settings, [run.data]) | {"seed": run.seed}
    result = {"model": str(final), "from": model.name, **summary, "provenance": origin}
    write_json(record, result)
    return result


def _say_what_is_held_out(sides: Sides) -> None:
    held, trained = len(sides.held_out), len(sides.training)
    if sides.without_answer:
        print(f"left out: {sides.without_answer} rows without an answer")
    if sides.share and not held:
        print(
            f"a share of {sides.share:g} of {trained} rows is less than one problem: nothing is held out, training "
            "runs to its end"
        )
    else:
        print(f"training on {trained} rows, {held} held out")


def _inputs(run: Finetuning) -> dict[str, Any]:
    """What the result depends on."""
    return {
        "settings": run.settings,
        "training": run.training.model_dump(mode="json"),
        "lock": run.model.lock,
        "start": run.model.adapter and digest(run.model.adapter),
        "data": digest(run.data),
    }


def _of_a_run(out: Path) -> list[Path]:
    """What a run leaves in its folder."""
    fixed = [out / name for name in ("final_model", "training.json", "logs")]
    return [*sorted(out.glob("checkpoint-*")), *fixed]


def _go_on_from(resume: Path, out: Path, lora: Lora | None, own: str) -> None:
    """Make `resume` the last checkpoint of `out`, for the run with the fingerprint `own`.

    Raises InputError if it is no checkpoint, or of another shape.
    """
    number = resume.name.removeprefix("checkpoint-")
    if not (number.isdecimal() and (resume / ORDER_FILE).exists()):
        there = sorted(path.name for path in resume.parent.glob("checkpoint-*"))
        raise InputError(
            f"--resume: {resume} is no checkpoint; {resume.parent} has {', '.join(there) or 'none'}; without --resume "
            "a killed run goes on from its last one"
        )
    shape = resume / "adapter_config.json"
    if shape.exists() != (lora is not None):
        was, cure = ("an adapter", "leave lora: null out") if shape.exists() else ("all weights", "set lora: null")
        raise InputError(f"--resume: {resume} is of a training of {was}; {cure}, or name another checkpoint")
    if lora and (rank := read_json(shape).get("r")) != lora.r:
        raise InputError(f"--resume: {resume} was trained with lora r {rank}, not {lora.r}; set --lora-rank {rank}")
    mine, before = out / resume.name, owner(out / RUN_FILE) or UNKNOWN
    # What this very run had is under another name: it is not to be taken up again, it is to be done anew.
    name = f"{own}-beyond-{resume.name}" if before == own else before
    if mine.resolve() != resume.resolve():
        set_aside(out, _of_a_run(out), name, "another run")
        shutil.copytree(resume, mine)
        return
    later = [path for path in out.glob("checkpoint-*") if int(path.name.rpartition("-")[2]) > int(number)]
    paths = [*sorted(later), out / "final_model", out / "training.json"]
    set_aside(out, paths, name, f"later work than {resume.name}")
