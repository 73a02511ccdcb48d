"""results/report.html: everything a run showed, in one file that needs nothing from outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from halo_forge.benchmark.answers import TASKS, changed_answers, compared_models
from halo_forge.benchmark.browser import Browser, as_script_data
from halo_forge.benchmark.coverage import benchmark_coverage, raft_coverage
from halo_forge.benchmark.curves import curves_of
from halo_forge.benchmark.judged import JudgedAnswers, judged_answers
from halo_forge.benchmark.ladder import comparisons, control_gains, control_rows, ladder
from halo_forge.benchmark.page import render_page, tools_of
from halo_forge.benchmark.public import set_rows
from halo_forge.benchmark.results import Results
from halo_forge.benchmark.variety import Programs, variety
from halo_forge.files import whole_file
from halo_forge.provenance import provenance
from halo_forge.raft.statistics import raft_statistics
from halo_forge.statistics.compare import families_needed

_TEMPLATE = Path(__file__).with_name("templates") / "report.html.j2"
_SCRIPTS = ("page.js", "samples.js", "answers.js")
_TASK_ROWS = 300
"""Rows of the per-task table, the most changed tasks first."""


def write_report(results: Results, path: str | Path) -> None:
    """Write the report of `results` to `path` (under 4 MB). Results that are not there yet are named as missing.

    Raises InputError when the models were benchmarked on different tasks or a samples file is broken.
    """
    with whole_file(path) as file:
        file.write(render(results))


def render(results: Results) -> str:
    """The report as HTML text."""
    rows, compared, curves = ladder(results), comparisons(results), curves_of(results)
    gains, tasks = control_gains(results, compared), _task_table(results)
    coverage = {"raft": raft_coverage(results), "benchmark": benchmark_coverage(results)}
    measures = [*(f"pass@{k}" for k in sorted({1, *results.params.benchmark.k})), "compile_rate"]
    judged = judged_answers(results)
    samples, answers, spread = _shown_answers(results, judged, [row["task"] for row in tasks["rows"]])
    carried = {"samples": samples["samples"], "prompts": samples["prompts"], "answers": answers}
    return render_page(
        _TEMPLATE,
        _SCRIPTS,
        results=results,
        params=results.params,
        models=results.params.models(),
        ladder=rows,
        controls=control_rows(results),
        gains=gains,
        families_needed=families_needed,
        sets=set_rows(results),
        ks=measures[:-1],
        headline=_headline(results, rows, compared),
        comparisons=[row for row in compared if not {row["before"], row["after"]} & results.controls.keys()],
        best=results.best,
        statistics=raft_statistics(results.params, results.root),
        coverage=coverage,
        variety=[row | {"tokens": results.entropy.get(row["model"], {})} for row in spread],
        tasks=tasks,
        flips=next((row for row in compared if (row["before"], row["after"]) == ("sft", results.best)), None),
        difficulties=_groups(results, "by_difficulty"),
        languages=_groups(results, "by_language"),
        plots=_plots(results, rows, curves, gains, measures, coverage),
        samples=samples,
        answers=answers,
        answered={row["task"] for row in answers},
        missing_answers=judged.missing,
        carried=Markup(as_script_data(carried)),
        provenance=provenance(results.params, []),
        settings_json=json.dumps(results.params.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False),
        base_json=None if results.base is None else json.dumps(results.base, indent=2, ensure_ascii=False),
        split_json=None if results.split is None else json.dumps(results.split, indent=2, ensure_ascii=False)[:20_000],
        isolation=sorted({row["isolation"] for row in results.benchmark.values()}),
        verifiers=sorted({row["verifier"] for row in results.benchmark.values()}),
        judged_with=_judged_with(results),
    )


def _shown_answers(
    results: Results, judged: JudgedAnswers, tasks: list[str]
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """What `Browser.carried`, `changed_answers` and `variety` make of the judged answers, gone through once; `tasks`
    are those whose answers may stand side by side, the first of them first."""
    models, shown = compared_models(results), set(tasks[:TASKS])
    browser = Browser(list(results.benchmark), judged.tasks)
    programs = {model: Programs(judged.tasks, shown if model in models else ()) for model in judged.of_model}
    for model, sample, verdict in judged:
        browser.add(model, sample, verdict)
        programs[model].add(sample, verdict)
    there = [model for model in models if model in programs]
    settings, families = results.params, {task.task_id: task.family for task in judged.tasks.values()}
    spread = variety(programs, families, settings.benchmark.bootstrap, settings.seed) if judged.tasks else []
    return browser.carried(), changed_answers(programs, there, tasks[:TASKS]), spread


def _judged_with(results: Results) -> dict[str, list[str]]:
    """Compilers and whatever else judged, in words -> the models that were judged with just these."""
    found: dict[str, list[str]] = {}
    for model, row in results.benchmark.items():
        found.setdefault(tools_of(row), []).append(model)
    found.pop("", None)
    return found


def _plots(
    results: Results,
    rows: list[dict[str, Any]],
    curves: dict[str, Any],
    gains: list[tuple[str, dict[str, Any]]],
    measures: list[str],
    coverage: dict[str, Any],
) -> dict[str, Markup | None]:
    """The plots there is data for; None for the others. matplotlib escapes the text it writes into an SVG."""
    from halo_forge.benchmark import plots  # half a second, which nothing else of a stage needs

    models = results.params.models()
    colours = plots.model_colours(models)
    drawn = {
        "ladder": plots.ladder_plot(rows) if rows else None,
        "pass_at_k": plots.curve_plot(curves, colours) if curves else None,
        "gains": plots.gains_plot(gains, measures) if gains else None,
        "coverage": plots.coverage_plot(models, coverage["raft"]["rows"], coverage["benchmark"]) if rows else None,
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
