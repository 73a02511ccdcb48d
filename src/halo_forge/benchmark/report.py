"""results/report.html: everything a run showed, in one file that needs nothing from outside.

What a model wrote is hostile text: the template escapes it, the samples travel as escaped JSON and are shown as text,
and a content security policy allows the page's own script alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from halo_forge.benchmark.browser import as_script_data, browsable_samples
from halo_forge.benchmark.ladder import comparisons, control_rows, ladder
from halo_forge.benchmark.public import set_rows
from halo_forge.benchmark.results import Results
from halo_forge.files import whole_file
from halo_forge.provenance import provenance
from halo_forge.raft.statistics import raft_statistics

_TEMPLATES = Path(__file__).with_name("templates")
_TASK_ROWS = 300
"""Rows of the per-task table, the most changed tasks first."""


def write_report(results: Results, path: str | Path) -> None:
    """Write the report of `results` to `path` (under 3 MB). Results that are not there yet are named as missing.

    Raises InputError when the models were benchmarked on different tasks or a samples file is broken.
    """
    with whole_file(path) as file:
        file.write(render(results))


def render(results: Results) -> str:
    """The report as HTML text."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "points": _points, "range": _range, "p": _p_value, "number": _number}
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    samples = browsable_samples(results)
    rows, compared = ladder(results), comparisons(results)
    return environment.get_template("report.html.j2").render(
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        results=results,
        params=results.params,
        models=results.params.models(),
        ladder=rows,
        controls=control_rows(results),
        sets=set_rows(results),
        ks=[f"pass@{k}" for k in sorted({1, *results.params.benchmark.k})],
        headline=_headline(results, rows, compared),
        comparisons=compared,
        best=results.best,
        statistics=raft_statistics(results.params, results.root),
        tasks=_task_table(results),
        flips=next((row for row in compared if (row["before"], row["after"]) == ("sft", results.best)), None),
        difficulties=_groups(results, "by_difficulty"),
        languages=_groups(results, "by_language"),
        plots=_plots(results, rows),
        samples=samples,
        samples_json=Markup(as_script_data({key: samples[key] for key in ("samples", "prompts")})),
        provenance=provenance(results.params, []),
        settings_json=json.dumps(results.params.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False),
        base_json=None if results.base is None else json.dumps(results.base, indent=2, ensure_ascii=False),
        split_json=None if results.split is None else json.dumps(results.split, indent=2, ensure_ascii=False)[:20_000],
        isolation=sorted({row["isolation"] for row in results.benchmark.values()}),
        verifiers=sorted({row["verifier"] for row in results.benchmark.values()}),
        judged_with=_judged_with(results),
    )


def _judged_with(results: Results) -> dict[str, list[str]]:
    """Compilers and whatever else judged, in words -> the models that were judged with just these."""
    found: dict[str, list[str]] = {}
    for model, row in results.benchmark.items():
        tools = (row.get("provenance") or {}).get("judged_with") or {}
        words = ", ".join(version if name in version else f"{name} {version}" for name, version in tools.items())
        found.setdefault(words, []).append(model)
    found.pop("", None)
    return found


def _plots(results: Results, rows: list[dict[str, Any]]) -> dict[str, Markup | None]:
    """The plots there is data for; None for the others. matplotlib escapes the text it writes into an SVG."""
    from halo_forge.benchmark import plots  # half a second, which nothing else of a stage needs

    colours = plots.model_colours(results.params.models())
    drawn = {
        "ladder": plots.ladder_plot(rows) if rows else None,
        "pass_at_k": plots.pass_at_k_plot(results.benchmark, colours) if rows else None,
        "status": plots.status_plot(results.benchmark) if rows else None,
        "rewards": plots.reward_plot(results.raft) if results.raft else None,
        "loss": plots.loss_plot(results.training, colours) if results.training else None,
    }
    return {name: svg and Markup(svg) for name, svg in drawn.items()}


def _headline(results: Results, rows: list[dict[str, Any]], compared: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The claim of the page: what the best model does, and what RAFT (or else SFT) changed. None without results."""
    if not rows:
        return None
    best = results.best or rows[-1]["model"]
    row = next(row for row in rows if row["model"] == best)
    before = "sft" if results.best else "base"
    change = next((pair for pair in compared if (pair["before"], pair["after"]) == (before, best)), None)
    if change is None:
        verdict = None
    else:
        low, high = change["pass@1"]["low"], change["pass@1"]["high"]
        sure = change["pass@1"]["p"] < 0.05 and (low > 0 or high < 0)
        verdict = ("a gain" if low > 0 else "a loss") if sure else "no change that this benchmark can tell from chance"
    return {"row": row, "change": change, "verdict": verdict}


def _task_table(results: Results) -> dict[str, Any]:
    """Passing share of every task under every model, the most changed between sft and the best first."""
    first, last = results.benchmark.get("sft"), results.benchmark.get(results.best or "sft")
    task_ids = {task: row for summary in results.benchmark.values() for task, row in summary["per_task"].items()}

    def share(summary: dict[str, Any] | None, task: str) -> float | None:
        row = (summary or {"per_task": {}})["per_task"].get(task)
        return row and row["passed"] / row["n"]

    rows = []
    for task, any_row in task_ids.items():
        change = (share(last, task) or 0.0) - (share(first, task) or 0.0) if first and last else 0.0
        shares = {model: share(summary, task) for model, summary in results.benchmark.items()}
        rows.append({"task": task, "family": any_row["family"], "shares": shares, "change": change})
    rows.sort(key=lambda row: (-abs(row["change"]), -row["change"], row["task"]))
    return {"rows": rows[:_TASK_ROWS], "total": len(rows)}


def _groups(results: Results, key: str) -> dict[str, dict[str, Any]]:
    """group -> model -> {"n_tasks", "pass@1", "compile_rate"}"""
    names = sorted({group for summary in results.benchmark.values() for group in summary[key]})
    return {
        group: {model: summary[key][group] for model, summary in results.benchmark.items() if group in summary[key]}
        for group in names
    }


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _range(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}"


def _points(share: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return "–" if share is None else f"{100 * share:+.1f}".replace("-", "−")


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _number(value: float | None, digits: int = 3) -> str:
    """Counts whole and grouped, other numbers in `digits` significant digits."""
    if value is None:
        return "–"
    return f"{value:,}".replace(",", "\u2009") if isinstance(value, int) else f"{value:.{digits}g}"
