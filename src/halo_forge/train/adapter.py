"""From tasks or kept samples to the folder of a model, an adapter as a rule: what stages and the command line share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from halo_forge.files import write_json
from halo_forge.folders import whole_folder
from halo_forge.model.base import BASE_FILE
from halo_forge.model.chat import Chat, Prompt, fenced
from halo_forge.model.naming import name_base
from halo_forge.progress import Progress
from halo_forge.records import Kept, Task
from halo_forge.train.checkpoints import resumed_step
from halo_forge.train.launch import train_here
from halo_forge.train.lora import Run, steps_of
from halo_forge.train.reports import write_curve_of_no_steps
from halo_forge.train.rows import tokenised

_TOKENIZER = ("tokenizer*", "*.jinja", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt")


def solutions(tasks: Iterable[Task]) -> list[tuple[str, str]]:
    """(prompt, answer) pairs for SFT: the reference solution in one fenced block."""
    return [(task.prompt, fenced(task.solution, task.language)) for task in tasks if task.solution]


def kept_answers(rows: Iterable[Kept]) -> list[tuple[Prompt, str]]:
    """What a RAFT update learns: the model's own words."""
    return [(row.prompt, row.completion) for row in rows]


def train_adapter(
    run: Run,
    pairs: Sequence[tuple[Prompt, str]],
    lock: dict,
    out: Path,
    where: str,
    label: str,
    trained_by: Callable[..., dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Train on (prompt, answer) pairs and write the folder `out`, all of it or nothing; returns the
    summary of the training. `lock` is that of the base model, `trained_by` trains in place of this machine."""
    chat = Chat.of(str(run.base), lock["system_prompt"])
    rows = tokenised(chat, pairs, run.settings.max_tokens, where)
    steps, done = steps_of(len(rows.examples), run.settings), resumed_step(run.checkpoints)
    with Progress(steps, label, done=done) as progress:

        def step(entry: dict[str, Any]) -> None:
            progress.advance(entry["step"] - progress.done, loss=entry["loss"])

        with whole_folder(out) as adapter:
            summary = (trained_by or train_here)(run, rows, chat, adapter.resolve(), step)
            if run.whole:
                write_json(adapter / BASE_FILE, lock)
                copy_tokenizer(run.base, adapter)
            else:
                name_base(adapter, lock)
    return summary


def copy_tokenizer(model: Path, folder: Path) -> None:
    """The files of a model's tokenizer, as they are."""
    for path in sorted({path for pattern in _TOKENIZER for path in model.glob(pattern)}):
        shutil.copyfile(path, folder / path.name)


def unchanged(start: Path, out: Path, curve: Path | None = None) -> dict[str, Any]:
    """The model of a cycle in which nothing was kept: the one it started from, and a summary of no steps."""
    with whole_folder(out) as adapter:
        shutil.copytree(start, adapter)
    if curve:
        write_curve_of_no_steps(curve)
    nothing = {"rows": 0, "rows_left_out": {}, "tokens": 0, "answer_tokens": 0, "epochs": 0, "steps": 0}
    return nothing | {"learning_rate": 0.0, "loss": [], "loss_first": None, "loss_last": None, "seconds": 0.0}
