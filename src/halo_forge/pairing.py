"""Which verdict is of which sample: told by their ids, never by their places in two files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.jsonl import each_record
from halo_forge.records import Sample, Verdict

Pair = tuple[Sample, Verdict]


class JudgedFiles:
    """The samples of a folder and their verdicts, read from samples.jsonl and verdicts.jsonl side by side each time
    that they are gone through: no text is held but that of the pair at hand. Raises as `paired`."""

    def __init__(self, folder: Path, where: str):
        self._folder, self._where = folder, where

    def __iter__(self) -> Iterator[Pair]:
        samples = each_record(self._folder / "samples.jsonl", Sample)
        return paired(samples, each_record(self._folder / "verdicts.jsonl", Verdict), self._where)


def paired(samples: Iterable[Sample], verdicts: Iterable[Verdict], where: str) -> Iterator[Pair]:
    """Each sample with its verdict, as soon as both are there: what waits for the other is held, and the ids of all.

    Where both stand in the same order, as the judge writes them, nothing waits. Raises InputError, its words begun with
    `where`, unless samples and verdicts match one to one, tasks included.
    """
    samples_left: dict[str, Sample] = {}
    verdicts_left: dict[str, Verdict] = {}
    seen: set[str] = set()
    for sample, verdict in zip_longest(samples, verdicts):
        if sample is not None:
            _wait("samples", sample, samples_left, seen, where)
        if verdict is not None:
            _wait("verdicts", verdict, verdicts_left, seen, where)
        for sample_id in dict.fromkeys(record.sample_id for record in (sample, verdict) if record is not None):
            if sample_id in samples_left and sample_id in verdicts_left:
                seen.add(sample_id)
                yield _matched(samples_left.pop(sample_id), verdicts_left.pop(sample_id), where)
    strays = samples_left.keys() | verdicts_left.keys()
    if strays:
        stray = min(strays)
        has, lacks = ("verdict", "sample") if stray in verdicts_left else ("sample", "verdict")
        raise InputError(f"{where}: {has} {stray!r} ({len(strays)} in all) has no {lacks}; verify the samples again")


def _wait(kind: str, record: Sample | Verdict, waiting: dict, seen: set[str], where: str) -> None:
    if record.sample_id in waiting or record.sample_id in seen:
        raise InputError(f"{where} {kind}: sample_id {record.sample_id!r} is there more than once; delete the copies")
    waiting[record.sample_id] = record


def _matched(sample: Sample, verdict: Verdict, where: str) -> Pair:
    if verdict.task_id != sample.task_id:
        raise InputError(
            f"{where}: sample {sample.sample_id!r} answers task {sample.task_id!r}, its verdict is of task "
            f"{verdict.task_id!r}; verify the samples again"
        )
    return sample, verdict
