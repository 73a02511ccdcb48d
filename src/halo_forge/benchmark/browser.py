"""Which samples the report carries for reading, within a size that a browser opens at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from halo_forge.benchmark.results import Results
from halo_forge.jsonl import read_records
from halo_forge.pairing import JudgedFiles
from halo_forge.records import Sample, Task, Verdict

BUDGET_BYTES = 2_000_000
_COMPLETION, _DETAIL, _PROMPT = 3_000, 800, 2_000  # characters shown of each


def browsable_samples(results: Results, budget_bytes: int = BUDGET_BYTES) -> dict[str, Any]:
    """{"samples": [...], "prompts": {task_id: prompt}, "shown", "total", "missing": [files]} for the sample browser.

    The first sample of every task and model, then the second, until `budget_bytes` of JSON are used; the choice looks
    at no verdict. Raises InputError where samples and verdicts do not match.
    """
    judged, missing = {}, []
    for model in results.benchmark:
        folder = results.root / "data" / "benchmark" / model
        paths = [folder / "samples.jsonl", folder / "verdicts.jsonl"]
        absent = [path.relative_to(results.root).as_posix() for path in paths if not path.exists()]
        missing += absent
        if not absent:
            judged[model] = JudgedFiles(folder, where=str(folder))
    rows, total = _first_rows(judged, budget_bytes)

    prompts = _prompts(results.root / "data/split/benchmark.jsonl", missing)
    used, shown, used_prompts = 0, [], {}
    for row in rows:
        new_prompt = {row["task"]: prompts[row["task"]]} if row["task"] in prompts.keys() - used_prompts.keys() else {}
        used += len(json.dumps([row, new_prompt]))
        if used > budget_bytes:
            break
        shown.append(row)
        used_prompts |= new_prompt
    return {"samples": shown, "prompts": used_prompts, "shown": len(shown), "total": total, "missing": missing}


def as_script_data(value: Any) -> str:
    """JSON that cannot leave the <script type="application/json"> it stands in, whatever a model wrote."""
    text = json.dumps(value, separators=(",", ":"))  # ASCII: line separators and lone surrogates are escaped
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class _FirstRows:
    """The first of many rows in the order of their keys, as many as the budget may hold: of more, the last are let go.
    Of equal keys the row that came first is first."""

    def __init__(self, budget_bytes: int):
        self._budget, self._used = budget_bytes, 0
        self._rows: list[tuple[tuple, int, dict[str, Any]]] = []
        self._end: tuple | None = None

    def wants(self, key: tuple) -> bool:
        """Whether a row of this key can still be among the first."""
        return self._end is None or key < self._end

    def add(self, key: tuple, row: dict[str, Any]) -> None:
        size = len(json.dumps(row))
        self._rows.append((key, size, row))
        self._used += size
        if self._used > 2 * self._budget:
            self._cut()

    def rows(self) -> list[dict[str, Any]]:
        self._cut()
        return [row for _, _, row in self._rows]

    def _cut(self) -> None:
        self._rows.sort(key=lambda entry: entry[0])
        used = 0
        for place, (key, size, _) in enumerate(self._rows):
            if used + size > self._budget:
                self._end = key
                del self._rows[place:]
                break
            used += size
        self._used = used


def _first_rows(judged: Mapping[str, JudgedFiles], budget_bytes: int) -> tuple[list[dict[str, Any]], int]:
    """No fewer rows than are shown, in their order, and how many there are."""
    first, total = _FirstRows(budget_bytes), 0
    for place, (model, pairs) in enumerate(judged.items()):
        for sample, verdict in pairs:
            total += 1
            key = sample.index, sample.task_id, place
            if first.wants(key):
                first.add(key, _row(model, sample, verdict))
    return first.rows(), total


def _row(model: str, sample: Sample, verdict: Verdict) -> dict[str, Any]:
    return {
        "model": model,
        "task": sample.task_id,
        "index": sample.index,
        "status": verdict.status,
        "reward": verdict.reward,
        "tests": f"{verdict.tests_passed}/{verdict.tests_total}",
        "tokens": sample.n_tokens,
        "finish": sample.finish_reason,
        "completion": _cut(sample.completion, _COMPLETION),
        "detail": _cut(verdict.detail, _DETAIL),
    }


def _prompts(path: Path, missing: list[str]) -> dict[str, str]:
    if not path.exists():
        missing.append("data/split/benchmark.jsonl")
        return {}
    return {task.task_id: _cut(task.prompt, _PROMPT) for task in read_records(path, Task)}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}\n… {len(text) - limit} more characters"
