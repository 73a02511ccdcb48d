"""The benchmark of anybody's samples: judged, and summed up as `benchmark` does with those it draws itself.

It leaves what a benchmark leaves, but for generation.json. What nobody knows of the samples is null: temperature, limit
of tokens, engine and its weights, seconds, and tokens where no sample says how many it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from halo_forge.benchmark.evaluate import summarise
from halo_forge.errors import InputError
from halo_forge.files import write_json
from halo_forge.jsonl import write_records
from halo_forge.pairing import JudgedFiles
from halo_forge.provenance import provenance
from halo_forge.records import Sample, Task
from halo_forge.runs.outputs import result_before
from halo_forge.settings.benchmark import USUAL_K, Benchmark, Unanswered
from halo_forge.settings.verify import Verify
from halo_forge.toolchains import judged_with
from halo_forge.verify.run import verify_file


def score(
    model: str,
    tasks: Sequence[Task],
    samples: Sequence[Sample],
    files: Sequence[Path],
    out: Path,
    *,
    k: Sequence[int] | None,
    unanswered: Unanswered,
    unreadable: int,
    verify: Verify,
    verifier: str,
    seed: int,
) -> dict[str, Any]:
    """Judge the samples, write `out` and its answers; returns what `out` holds.

    `files` are those that tasks and samples came from, `unreadable` the number of their rows that are no samples. `k`
    None stands for the usual ones that every task has samples for. Raises InputError for a k that a task has too few
    samples for, and for tasks without any if `unanswered` is "stop".
    """
    silent = without_sample(tasks, samples)
    if silent and unanswered == "stop":
        raise InputError(
            f"{len(silent)} of {len(tasks)} tasks have no sample, the first {silent[0].task_id!r}; --unanswered failed "
            "counts them as not solved, --unanswered left-out scores the others alone"
        )
    counts = Counter(sample.task_id for sample in samples)
    ks, least = possible_k(counts, k), min(counts.values())
    settings = Benchmark(samples_per_task=least, k=ks)
    scored, answers = list(tasks), list(samples)
    if unanswered == "failed":
        answers += [_silence(model, task, number) for task in silent for number in range(ks[-1])]
    else:
        scored = [task for task in tasks if task.task_id in counts]

    folder = out.with_name(f"{out.stem}_answers")
    inputs = {
        "name": [out.name, model],
        "tasks": scored,
        "samples": answers,
        "unanswered": [task.task_id for task in silent],
        "k": ks,
        "verify": verify.model_dump(mode="json", exclude={"workers", "cache"}),
        "verifier": verifier,
        "seed": seed,
    }
    if (card := result_before(out, folder, inputs)) is not None:
        return card
    write_records(folder / "tasks.jsonl", scored)
    write_records(folder / "samples.jsonl", answers)
    verify_file(verify, folder / "tasks.jsonl", folder, "score", verifier)
    unknown = {"engine": None, "weights": None, "seconds": None}
    pairs = JudgedFiles(folder, where="score")
    card = summarise(model, scored, pairs, settings, seed, unknown)
    card |= {
        "samples_per_task": least if len(set(counts.values())) == 1 else None,
        "temperature": None,
        "max_new_tokens": None,
        "compile_only": sum(task.tests.kind == "compile" for task in scored),
        "unanswered": {"counted_as": unanswered if silent else None, "tasks": [task.task_id for task in silent]},
        "unreadable": unreadable,
        "provenance": provenance({"benchmark": settings.model_dump(), "verify": inputs["verify"], "seed": seed}, files)
        | {"judged_with": judged_with(scored, (verdict for _, verdict in pairs))},
    }
    if not any(sample.n_tokens for sample in samples):
        card |= {"mean_tokens": None, "truncated": None}
    write_json(out, card)
    return card


def without_sample(tasks: Sequence[Task], samples: Sequence[Sample]) -> list[Task]:
    """The tasks that no sample answers."""
    answered = {sample.task_id for sample in samples}
    return [task for task in tasks if task.task_id not in answered]


def possible_k(counts: Mapping[str, int], wanted: Sequence[int] | None) -> list[int]:
    """The k of pass@k, sorted: those wanted, else the usual ones that the samples of every task allow.

    `counts`: task_id -> samples. pass@k over the tasks alone that have k samples would be the score of another
    benchmark, so none is made: raises InputError for a wanted k that the samples of some task do not allow.
    """
    least = min(counts.values())
    if wanted is None:
        return [k for k in USUAL_K if k <= least]
    if too_large := [k for k in wanted if k > least]:
        raise InputError(f"--k: {too_few(counts, too_large[0])}; draw more, or drop {too_large[0]}")
    return sorted(set(wanted))


def too_few(counts: Mapping[str, int], k: int) -> str:
    """Why there is no pass@k, in words."""
    short = [task_id for task_id, number in counts.items() if number < k]
    first = f"{short[0]!r} has {counts[short[0]]}"
    return f"pass@{k} needs {k} samples of each task; {len(short)} of {len(counts)} tasks have fewer: {first}"


def _silence(model: str, task: Task, number: int) -> Sample:
    """The answer of a model that said nothing to a task."""
    silence = Sample.of_reference(task, "", f"unanswered/{task.task_id}/{number}")
    return silence.model_copy(update={"model": model, "index": number})
