"""Which verdict is of which sample: told by their ids, never by their places in two files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from halo_forge.errors import InputError
from halo_forge.records import Sample, Verdict


def verdict_of_each(samples: Sequence[Sample], verdicts: Sequence[Verdict], where: str) -> dict[str, Verdict]:
    """sample_id -> verdict, in the order of `samples`.

    Raises InputError, its words begun with `where`, unless samples and verdicts match one to one, tasks included.
    """
    for kind, records in (("samples", samples), ("verdicts", verdicts)):
        twice = [sample_id for sample_id, times in Counter(record.sample_id for record in records).items() if times > 1]
        if twice:
            raise InputError(f"{where} {kind}: sample_id {min(twice)!r} is there more than once; delete the copies")
    by_id = {verdict.sample_id: verdict for verdict in verdicts}
    strays = by_id.keys() ^ {sample.sample_id for sample in samples}
    if strays:
        stray = min(strays)
        has, lacks = ("verdict", "sample") if stray in by_id else ("sample", "verdict")
        raise InputError(f"{where}: {has} {stray!r} ({len(strays)} in all) has no {lacks}; verify the samples again")
    for sample in samples:
        judged = by_id[sample.sample_id].task_id
        if judged != sample.task_id:
            raise InputError(
                f"{where}: sample {sample.sample_id!r} answers task {sample.task_id!r}, its verdict is of task "
                f"{judged!r}; verify the samples again"
            )
    return {sample.sample_id: by_id[sample.sample_id] for sample in samples}
