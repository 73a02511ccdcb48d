"""Supervised fine-tuning into a plain folder, without DVC.

<out>/checkpoint-N/     what a killed run resumes from, and --resume
<out>/final_model/      the adapter, of the checkpoint with the least loss on the rows held out
<out>/training.json     losses, sizes, provenance
<out>/logs/             TensorBoard
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from halo_forge.cli.files import SftFile
from halo_forge.data.rows import Row, family_of
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.folders import whole_folder
from halo_forge.hashing import digest, fingerprint
from halo_forge.model.chat import Prompt
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.model.reference import pin
from halo_forge.provenance import provenance
from halo_forge.runs.outputs import RUN_FILE, UNKNOWN, claim, owner, set_aside
from halo_forge.settings.training import Lora, Training
from halo_forge.state import state_dir
from halo_forge.train.adapter import train_adapter
from halo_forge.train.checkpoints import ORDER_FILE
from halo_forge.train.lora import HeldOut, Run, steps_of

EVAL_STEPS, SAVE_STEPS = 250, 500

Pair = tuple[Prompt, str]


@dataclass(frozen=True)
class Sides:
    """Rows to train on and rows held out, as (turns up to the answer, answer); how many had no answer."""

    training: list[Pair]
    held_out: list[Pair]
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
    training = [pair for family, pairs in families.items() if family not in chosen for pair in pairs]
    return Sides(training, held, len(rows) - total)


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


def finetune(
    settings: SftFile, model: Checkpoint, rows: Sequence[Row], data: Path, dtype: str, resume: Path | None = None
) -> dict[str, Any]:
    """Train and write <out>; the content of training.json. `rows` are those of the file `data`.

    The same run again goes on from its last checkpoint, and is not repeated once it is done. Raises InputError for rows
    that teach nothing, and for a `resume` that is no checkpoint.
    """
    out = Path(settings.training.output_dir)
    if (out / "adapter_config.json").exists():
        raise InputError(f"--output: {out} is an adapter itself (the pipeline's?); give another folder")
    sides = split_rows(rows, settings.data.validation_split, settings.training.seed)
    if not sides.training:
        raise InputError(f"{data}: none of {len(rows)} rows has an answer to train on")
    state_dir("sft-train", {"out": out.resolve()})  # held: nobody else writes there meanwhile
    model = with_system_turn(model, rows)
    training = _training(settings, len(sides.training), bool(sides.held_out), dtype)
    inputs = _inputs(settings, training, model, data)
    final, record, mark = out / "final_model", out / "training.json", out / RUN_FILE
    if resume is not None:
        _go_on_from(resume, out, settings.lora, fingerprint(inputs))
        write_json(mark, {"fingerprint": fingerprint(inputs)})
    elif claim(out, mark, inputs, lambda: _of_a_run(out)) and final.exists() and record.exists():
        print(f"{final}: trained before with the same data and settings; delete {out} to train again")
        return read_json(record)
    _say_what_is_held_out(sides, settings)
    run = Run(
        base=model.base,
        start=model.adapter,
        lora=None if model.adapter else settings.lora,
        settings=training,
        learning_rate=settings.training.learning_rate,
        seed=settings.training.seed,
        checkpoints=out,
        logs=out / "logs",
        held_out=_held_out(sides, settings, training),
        keep_checkpoints=settings.training.save_total_limit,
    )
    with whole_folder(final) as adapter:
        summary = train_adapter(run, sides.training, model.lock, adapter, str(data), "SFT")
        pin(adapter, model)
    for reason, number in summary["rows_left_out"].items():
        print(f"left out: {number} rows: {reason}")
    origin = provenance(settings, [data]) | {"seed": settings.training.seed}
    result = {"model": str(final), "from": model.name, **summary, "provenance": origin}
    write_json(record, result)
    return result


def _training(settings: SftFile, rows: int, evaluated: bool, dtype: str) -> Training:
    own = settings.training
    training = Training(
        epochs=own.num_train_epochs,
        batch_size=own.per_device_train_batch_size * own.gradient_accumulation_steps,
        micro_batch_size=own.per_device_train_batch_size,
        max_tokens=settings.data.max_seq_length,
        weight_decay=own.weight_decay,
        max_grad_norm=own.max_grad_norm,
        warmup_ratio=own.warmup_ratio,
        gradient_checkpointing=own.gradient_checkpointing,
        dtype=dtype,
    )
    _, save = intervals(own.eval_steps, own.save_steps, steps_of(rows, training) // training.epochs, evaluated)
    return training.model_copy(update={"save_steps": save})


def intervals(evaluate: int | None, save: int | None, epoch: int, evaluated: bool) -> tuple[int, int]:
    """Steps from one evaluation, and from one checkpoint, to the next; `epoch` is the steps of an epoch.

    The best checkpoint can only be taken if there is one at an evaluation: the second is a multiple of the first.
    Raises InputError if both are given and it is not.
    """
    if evaluate and save:
        if evaluated and save % evaluate:
            raise InputError(
                f"--save-steps {save} is no multiple of --eval-steps {evaluate}: the checkpoint with the least loss "
                "could not be taken; change one of them"
            )
        return evaluate, save
    longest = min(EVAL_STEPS, max(epoch, 1))
    if save:
        return max(steps for steps in range(1, min(longest, save) + 1) if save % steps == 0), save
    evaluate = evaluate or longest
    return evaluate, SAVE_STEPS if longest == EVAL_STEPS and SAVE_STEPS % evaluate == 0 else evaluate


def _held_out(sides: Sides, settings: SftFile, training: Training) -> HeldOut | None:
    if not sides.held_out:
        return None
    own = settings.training
    epoch = steps_of(len(sides.training), training) // training.epochs
    every, _ = intervals(own.eval_steps, own.save_steps, epoch, True)
    return HeldOut(sides.held_out, every, own.early_stopping_patience)


def _say_what_is_held_out(sides: Sides, settings: SftFile) -> None:
    held, trained = len(sides.held_out), len(sides.training)
    if sides.without_answer:
        print(f"left out: {sides.without_answer} rows without an answer")
    if settings.data.validation_split and not held:
        print(
            f"validation_split {settings.data.validation_split:g} of {trained} rows is less than one problem: nothing "
            "is held out, training runs to its end"
        )
    else:
        print(f"training on {trained} rows, {held} held out")


def _inputs(settings: SftFile, training: Training, model: Checkpoint, data: Path) -> dict[str, Any]:
    """What the result depends on."""
    own = settings.model_dump(
        mode="json", exclude={"model": True, "data": {"train_file"}, "training": {"output_dir", "save_total_limit"}}
    )
    return {
        "settings": own,
        "training": training.model_dump(mode="json"),
        "lock": model.lock,
        "start": model.adapter and digest(model.adapter),
        "data": digest(data),
    }


def _of_a_run(out: Path) -> list[Path]:
    """What a run leaves in its folder."""
    fixed = [out / name for name in ("final_model", "training.json", "logs")]
    return [*sorted(out.glob("checkpoint-*")), *fixed]


def _go_on_from(resume: Path, out: Path, lora: Lora, own: str) -> None:
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
    rank = json.loads((resume / "adapter_config.json").read_text(encoding="utf-8")).get("r")
    if rank != lora.r:
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
