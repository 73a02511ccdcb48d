"""Judge samples before the user's eyes, and those of a folder into its verdicts.jsonl (RAFT cycles, benchmark)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.hashing import digest
from halo_forge.jsonl import RecordFile, read_records, write_records
from halo_forge.parts import WHOLE, Part
from halo_forge.progress import Progress
from halo_forge.records import Sample, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.state import state_dir
from halo_forge.verify.judge import Judge, Tally, judge_samples, shelve_verdicts
from halo_forge.verify.second_look import look_again


def verify_file(
    settings: Verify,
    tasks_path: Path,
    folder: Path,
    label: str,
    verifier: str = "auto",
    *,
    training: bool = False,
    part: Part = WHOLE,
    judged_by: Judge | None = None,
) -> None:
    """Write `folder`/verdicts.jsonl from `folder`/samples.jsonl, in its order. Resumes a killed run.

    `training`: the samples are for training, so that those that pass are looked at again as `settings.sanitize` says.
    Of a `part` that is not whole only the work is done, which the call for the whole finds; it looks at all that pass.
    Neither file is ever held. Raises InputError where `part` is MERGE and something is not judged yet.
    """
    tasks = {task.task_id: task for task in read_records(tasks_path, Task)}
    samples = RecordFile(folder / "samples.jsonl", Sample)
    inputs = {
        "settings": settings,
        "verifier": verifier,
        "tasks": digest(tasks_path),
        "samples": digest(folder / "samples.jsonl"),
    }
    state = state_dir(f"verify-{label}", inputs, part.name)
    with _shown(len(samples), f"{label}: verifying") as count:
        shelf = shelve_verdicts(
            tasks,
            samples,
            settings,
            verifier=verifier,
            wip=state / "verdicts.jsonl",
            progress=count,
            part=part,
            judged_by=judged_by,
        )
    with shelf:
        if not part.whole:
            print(f"{label}, {part.name}: {shelf.filled} of {len(shelf)} samples are judged")
            return
        if lacking := len(shelf) - shelf.filled:
            raise InputError(
                f"{label}: {lacking} of {len(shelf)} samples have no verdict under {state}, or one that was the "
                "machine's fault; run every part (--shard 1/n to n/n, with one n), then --shard merge, or run without "
                "--shard to judge the rest here"
            )
        looked = training and settings.sanitize == "kept"
        verdicts = look_again(tasks, shelf, settings, verifier, label) if looked else shelf
        write_records(folder / "verdicts.jsonl", verdicts)


def judge_with_progress(
    tasks: Mapping[str, Task],
    samples: Sequence[Sample],
    settings: Verify,
    verifier: str,
    wip: Path,
    label: str,
    tally: Tally | None = None,
) -> list[Verdict]:
    """`judge_samples`, its advance and the share of passes shown under `label`. Raises what that raises."""
    with _shown(len(samples), label) as count:
        return judge_samples(tasks, samples, settings, verifier=verifier, wip=wip, progress=count, tally=tally)


@contextlib.contextmanager
def _shown(total: int, label: str) -> Iterator[Callable[[Verdict], None]]:
    """What is to be called with each new verdict of so many, so that the user sees them."""
    passed = judged = 0
    with Progress(total, label) as progress:

        def count(verdict: Verdict) -> None:
            nonlocal passed, judged
            judged += 1
            passed += verdict.passed
            progress.advance(1, passing=f"{100 * passed / judged:.1f} %")

        yield count
