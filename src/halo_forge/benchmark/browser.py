"""Which samples the report carries for reading, within a size that a browser opens at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from halo_forge.benchmark.results import Results
from halo_forge.jsonl import read_records
from halo_forge.pairing import verdict_of_each
from halo_forge.records import Sample, Task, Verdict

BUDGET_BYTES = 2_000_000
_COMPLETION, _DETAIL, _PROMPT = 3_000, 800, 2_000  # characters shown of each


def browsable_samples(results: Results, budget_bytes: int = BUDGET_BYTES) -> dict[str, Any]:
    """{"samples": [...], "prompts": {task_id: prompt}, "shown", "total", "missing": [files]} for the sample browser.

    The first sample of every task and model, then the second, until `budget_bytes` of JSON are used; the choice looks
    at no verdict. Raises InputError where samples and verdicts do not match.
    """
    rows, missing = [], []
    for model in results.benchmark:
        folder = results.root / "data" / "benchmark" / model
        paths = [folder / "samples.jsonl", folder / "verdicts.jsonl"]
        absent = [path.relative_to(results.root).as_posix() for path in paths if not path.exists()]
        missing += absent
        if not absent:
            rows += _rows(model, *paths)
    order = {model: i for i, model in enumerate(results.benchmark)}
    rows.sort(key=lambda row: (row["index"], row["task"], order[row["model"]]))

    prompts = _prompts(results.root / "data/split/benchmark.jsonl", missing)
    used, shown, used_prompts = 0, [], {}
    for row in rows:
        new_prompt = {row["task"]: prompts[row["task"]]} if row["task"] in prompts.keys() - used_prompts.keys() else {}
        used += len(json.dumps([row, new_prompt]))
        if used > budget_bytes:
            break
        shown.append(row)
        used_prompts |= new_prompt
    return {"samples": shown, "prompts": used_prompts, "shown": len(shown), "total": len(rows), "missing": missing}


def as_script_data(value: Any) -> str:
    """JSON that cannot leave the <script type="application/json"> it stands in, whatever a model wrote."""
    text = json.dumps(value, separators=(",", ":"))  # ASCII: line separators and lone surrogates are escaped
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _rows(model: str, samples: Path, verdicts: Path) -> list[dict[str, Any]]:
    answers = read_records(samples, Sample)
    verdict_of = verdict_of_each(answers, read_records(verdicts, Verdict), str(samples.parent))
    rows = []
    for sample in answers:
        verdict = verdict_of[sample.sample_id]
        rows.append(
            {
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
        )
    return rows


def _prompts(path: Path, missing: list[str]) -> dict[str, str]:
    if not path.exists():
        missing.append("data/split/benchmark.jsonl")
        return {}
    return {task.task_id: _cut(task.prompt, _PROMPT) for task in read_records(path, Task)}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}\n… {len(text) - limit} more characters"
