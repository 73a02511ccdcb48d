"""The judged answers of a run's models, gone through once for all that the report shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from halo_forge.benchmark.results import Results
from halo_forge.errors import InputError
from halo_forge.jsonl import each_record
from halo_forge.pairing import JudgedFiles
from halo_forge.records import Sample, Task, Verdict

_TASKS = "data/split/benchmark.jsonl"


@dataclass
class JudgedAnswers:
    """Iterating gives (model, sample, verdict), one model after the other, and raises InputError where samples and
    verdicts do not match, or are of no benchmark task. `missing` names files that are not there."""

    of_model: dict[str, JudgedFiles] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[str, Sample, Verdict]]:
        for model, pairs in self.of_model.items():
            for sample, verdict in pairs:
                if self.tasks and sample.task_id not in self.tasks:
                    raise InputError(
                        f"{model}: sample {sample.sample_id!r} answers task {sample.task_id!r}, which {_TASKS} lacks; "
                        "sample and judge again"
                    )
                yield model, sample, verdict


def judged_answers(results: Results) -> JudgedAnswers:
    """Those of the benchmarked models, then of the control arms."""
    found = JudgedAnswers()
    for model in [*results.benchmark, *results.controls]:
        folder = results.root / "data" / "benchmark" / model
        paths = [folder / "samples.jsonl", folder / "verdicts.jsonl"]
        absent = [path.relative_to(results.root).as_posix() for path in paths if not path.exists()]
        found.missing += absent
        if not absent:
            found.of_model[model] = JudgedFiles(folder, where=str(folder))
    if (results.root / _TASKS).exists():
        found.tasks = {task.task_id: task for task in each_record(results.root / _TASKS, Task)}
    else:
        found.missing.append(_TASKS)
    return found
