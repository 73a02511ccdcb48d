"""The report's plots as inline SVG, and the ladder as a picture: text stays text, ink suits light and dark pages."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from halo_forge.benchmark.curves import Curve

# Colours that no series uses, replaced in the SVG by variables of the page's style sheet.
_INK, _MUTED, _GRID = "#010101", "#020202", "#030303"
_VARIABLES = {_INK: "var(--ink)", _MUTED: "var(--muted)", _GRID: "var(--line)"}

STATUS_COLOURS = {
    "pass": "#2f9e6e",
    "wrong_answer": "#e2b04a",
    "runtime_error": "#dd8a3c",
    "compile_error": "#cf5743",
    "timeout": "#9a70c0",
    "memory_limit": "#b5639c",
    "output_limit": "#8c7b62",
    "no_code": "#8a929e",
    "infra_error": "#596270",
}
_RATE_COLOURS = {"compile_rate": "#8a929e", "pass@1": "#2f9e6e"}
_RAFT, _ARMS = "#2f9e6e", ("#9a70c0", "#3aa3a3", "#b5639c", "#8c7b62")
_REWARDS = ("#cf5743", "#e2b04a", "#2f9e6e")  # 0, halfway, 1

# What the report's page says by its style sheet, for a picture that stands alone.
_PICTURE_STYLE = """<style>
svg { --ink: #1f2328; --muted: #59636e; --line: #d8dee4; background: #ffffff; font-family: system-ui, sans-serif }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6edf3; --muted: #9198a1; --line: #30363d; background: #0d1117 }
}
</style>"""

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "halo-forge",
    "text.parse_math": False,  # a name with two dollar signs is not a formula
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GRID,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
}


def model_colours(models: list[str]) -> dict[str, str]:
    """Grey for base, blue for sft, amber deepening to red along the cycles: readable on white and on black."""
    fixed = {"base": "#8a929e", "sft": "#4a8cc9"}
    cycles = [model for model in models if model not in fixed]
    steps = max(1, len(cycles) - 1)
    ramp = {model: _blend(("#e2a93f", "#c9484f"), i / steps) for i, model in enumerate(cycles)}
    return {model: fixed.get(model) or ramp[model] for model in models}


def ladder_plot(rows: list[dict[str, Any]]) -> str:
    """pass@1 and compile rate of every model with 95 % intervals."""
    figure, axes = _figure(3.0)
    for key, shift, label in (("compile_rate", 0.07, "compiles"), ("pass@1", -0.07, "pass@1")):
        _rates(axes, rows, key, shift, label=label, lw=1.6)
    axes.set_xticks(range(len(rows)), [row["model"] for row in rows])
    axes.set_xlim(-0.4, len(rows) - 0.6)
    axes.grid(axis="x", visible=False)
    _share_axis(axes.yaxis, axes)
    _legend_above(axes, 2)
    return _svg(figure, "pass@1 and compile rate of each model with 95 % intervals; the numbers are in the table")


def ladder_picture(rows: list[dict[str, Any]]) -> str:
    """`ladder_plot` as a file of its own, with its figures written in: an SVG on a ground that is light or dark as the
    reader's system is, for pages that show it as a picture. Without rows it says that nothing is measured yet."""
    figure, axes = _figure(3.3, width=7.6)
    for key, label in (("compile_rate", "compiles"), ("pass@1", "passes all tests (pass@1)")):
        _rates(axes, rows, key, label=label, lw=1.8)
        for i, row in enumerate(rows):
            place = {"textcoords": "offset points", "ha": "right"}  # a ladder rises: left above is free of its line
            axes.annotate(f"{100 * row[key]:.1f} %", (i, row[key]), (-7, 5), color=_INK, **place)
    if rows:
        first, drawn = rows[0], [row["n_samples"] for row in rows]
        of = f"{first['n_tasks']} tasks of {first['n_families']} problem families that no training step has seen"
        answers = " to ".join(f"{n:,}" for n in sorted({min(drawn), max(drawn)}))
        about = f"{of}, {answers} answers a model; 95 % intervals"
    else:
        about = "nothing is measured yet"
    axes.set_xlabel(about, fontsize=9)
    said_of = {"base": "base model", "sft": "after SFT"}
    axes.set_xticks(range(len(rows)), [said_of.get(row["model"], f"RAFT {row['model']}") for row in rows])
    axes.tick_params(axis="x", labelcolor=_INK)
    axes.set_xlim(-0.5, max(len(rows), 1) - 0.7)
    axes.grid(axis="x", visible=False)
    _share_axis(axes.yaxis, axes)
    _legend_above(axes, 2)
    said = "; ".join(f"{row['model']}: {row['pass@1']:.1%} pass@1, {row['compile_rate']:.1%} compile" for row in rows)
    svg = _svg(figure, f"The ladder, {about}. {said}")
    return svg.replace(">", f">{_PICTURE_STYLE}", 1)


def _rates(axes: Any, rows: list[dict[str, Any]], key: str, shift: float = 0.0, **style: Any) -> None:
    """The line of a rate over the models with its 95 % intervals, moved by `shift` to the right."""
    x, y = [i + shift for i in range(len(rows))], [row[key] for row in rows]
    ranges = [[row[key] - row[f"{key}_low"] for row in rows], [row[f"{key}_high"] - row[key] for row in rows]]
    axes.errorbar(x, y, yerr=_not_negative(ranges), color=_RATE_COLOURS[key], marker="o", ms=6, capsize=3, **style)


def curve_plot(curves: Mapping[str, Curve], colours: Mapping[str, str]) -> str:
    """pass@k against k, one line a model with a band for its 95 % intervals; control arms, which have no colour among
    `colours`, in dashes."""
    figure, axes = _figure(3.4)
    arms = [model for model in curves if model not in colours]
    most = max(len(curve.means) for curve in curves.values())
    for model, curve in curves.items():
        ks = range(1, len(curve.means) + 1)
        low, high = zip(*curve.intervals, strict=True)
        colour = colours.get(model) or _ARMS[arms.index(model) % len(_ARMS)]
        axes.fill_between(ks, low, high, color=colour, alpha=0.13, lw=0)
        axes.plot(
            ks, curve.means, color=colour, ls="--" if model in arms else "-", marker="o", ms=3, lw=1.8, label=model
        )
    if most > 20:
        axes.set_xscale("log")
    ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= most]
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    axes.set_xlabel("k")
    _share_axis(axes.yaxis, axes)
    _legend_above(axes, 6)
    return _svg(figure, "pass@k of each model against k, with bands of the 95 % intervals")


def gains_plot(gains: Sequence[tuple[str, Mapping[str, Any]]], measures: Sequence[str]) -> str:
    """What RAFT and each control arm gained, in points with 95 % intervals: a group a measure, a mark a gain."""
    figure, axes = _figure(3.0)
    for place, (what, row) in enumerate(gains):
        colour = _ARMS[place % len(_ARMS)] if place else _RAFT
        shift = 0.7 * ((place + 0.5) / len(gains) - 0.5)
        there = [(i + shift, row[name]) for i, name in enumerate(measures) if name in row]
        x, y = [at for at, _ in there], [100 * one["difference"] for _, one in there]
        ranges = [
            [100 * (one["difference"] - one["low"]) for _, one in there],
            [100 * (one["high"] - one["difference"]) for _, one in there],
        ]
        mark = "osD^v"[place % 5]
        axes.errorbar(
            x, y, yerr=_not_negative(ranges), color=colour, ls="none", marker=mark, ms=5, capsize=3, label=what
        )
    axes.axhline(0, color=_MUTED, lw=1)
    axes.set_xticks(range(len(measures)), [name.replace("compile_rate", "compiles") for name in measures])
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("percentage points")
    _legend_above(axes, 3)
    return _svg(figure, "Gains of RAFT and of the control arms with 95 % intervals; the numbers are in the table")


def coverage_plot(
    models: Sequence[str], raft: Sequence[Mapping[str, Any]], benchmark: Sequence[Mapping[str, Any]]
) -> str:
    """Share of tasks solved at all: of the benchmark's by each model, of RAFT's by each cycle and up to it."""
    figure, axes = _figure(3.0)
    lines = (
        ("benchmark tasks, by the model", _RAFT, "-", benchmark, ("model", "solved", "tasks")),
        ("RAFT tasks, by the cycle's samples", "#e2a93f", "-", raft, ("cycle", "solved", "tasks")),
        ("RAFT tasks, ever so far", "#c9484f", "--", raft, ("cycle", "ever", "known")),
    )
    for label, colour, style, rows, (name, solved, tasks) in lines:
        there = [row for row in rows if row[tasks]]
        at, shares = [models.index(row[name]) for row in there], [row[solved] / row[tasks] for row in there]
        if there:
            axes.plot(at, shares, color=colour, ls=style, marker="o", ms=5, lw=1.8, label=label)
    axes.set_xticks(range(len(models)), models)
    axes.set_xlim(-0.4, len(models) - 0.6)
    axes.grid(axis="x", visible=False)
    _share_axis(axes.yaxis, axes)
    _legend_above(axes, 1)
    return _svg(figure, "Share of tasks that are solved at all, by model and by cycle; the numbers are in the table")


def experiments_plot(rows: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> str:
    """pass@1 of two experiments' models with 95 % intervals, and their compile rates in dots."""
    figure, axes = _figure(3.2)
    for side, name, colour, shift in (("before", names[0], "#4a8cc9", -0.08), ("after", names[1], "#dd8a3c", 0.08)):
        there = [(place + shift, row[side]) for place, row in enumerate(rows) if row[side]]
        x, cards = [at for at, _ in there], [card for _, card in there]
        y = [card["pass_at_k"]["1"] for card in cards]
        limits = [card["intervals"]["pass@1"] for card in cards]
        ranges = [
            [value - low for value, (low, _) in zip(y, limits, strict=True)],
            [high - value for value, (_, high) in zip(y, limits, strict=True)],
        ]
        axes.errorbar(x, y, yerr=_not_negative(ranges), color=colour, marker="o", ms=6, lw=1.6, capsize=3, label=name)
        compiles = [card["compile_rate"] for card in cards]
        axes.plot(x, compiles, color=colour, ls=":", marker=".", lw=1.2, label=f"{name}, compiles")
    axes.set_xticks(range(len(rows)), [row["models"][0] for row in rows])
    axes.set_xlim(-0.4, len(rows) - 0.6)
    axes.grid(axis="x", visible=False)
    _share_axis(axes.yaxis, axes)
    _legend_above(axes, 2)
    return _svg(figure, "pass@1 and compile rate of the models of both experiments; the numbers are in the table")


def reward_plot(raft: dict[str, dict[str, Any]]) -> str:
    """Share of the samples at each reward, one bar a cycle."""
    levels = sorted({level for row in raft.values() for level in row["reward_distribution"]}, key=float)
    parts = {
        f"reward {level}": (
            _blend(_REWARDS, float(level)),
            [row["reward_distribution"].get(level, 0) for row in raft.values()],
        )
        for level in levels
    }
    return _stacked_bars(list(raft), parts, "Rewards of the samples of each cycle, as shares")


def status_plot(benchmark: dict[str, dict[str, Any]]) -> str:
    """Share of the benchmark samples by status, one bar a model."""
    counts = {status: [row["by_status"].get(status, 0) for row in benchmark.values()] for status in STATUS_COLOURS}
    parts = {
        status.replace("_", " "): (STATUS_COLOURS[status], values) for status, values in counts.items() if any(values)
    }
    return _stacked_bars(list(benchmark), parts, "Benchmark samples of each model by status, as shares")


def loss_plot(training: dict[str, dict[str, Any]], colours: dict[str, str]) -> str:
    """Training loss against optimizer step, one line a model."""
    figure, axes = _figure(3.0)
    for model, train_summary in training.items():
        points = [(row["step"], row["loss"]) for row in train_summary["loss"]]
        if points:
            axes.plot(*zip(*points, strict=True), color=colours[model], lw=1.6, label=model)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss on the answer")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_above(axes, 6)
    return _svg(figure, "Training loss of each model against the optimizer step")


def _stacked_bars(names: list[str], parts: dict[str, tuple[str, list[int]]], description: str) -> str:
    figure, axes = _figure(0.42 * len(names) + 1.1)
    totals = [max(1, sum(values[i] for _, values in parts.values())) for i in range(len(names))]
    left = [0.0] * len(names)
    for label, (colour, values) in parts.items():
        shares = [value / total for value, total in zip(values, totals, strict=True)]
        axes.barh(range(len(names)), shares, left=left, height=0.66, color=colour, label=label)
        for i, share in enumerate(shares):
            if share >= 0.08:
                axes.text(
                    left[i] + share / 2, i, f"{100 * share:.0f}", ha="center", va="center", color="#111418", fontsize=9
                )
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    _legend_above(axes, 4)
    return _svg(figure, description)


def _figure(height: float, width: float = 5.4) -> tuple[Figure, Axes]:
    """All on the report's page are of one width (inches), so that text has one size there."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.add_subplot()


def _legend_above(axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        with matplotlib.rc_context(_STYLE):
            axes.figure.legend(
                handles,
                labels,
                loc="outside upper left",
                ncols=min(columns, len(labels)),
                handlelength=1.2,
                columnspacing=1.2,
            )


def _share_axis(axis: Any, axes: Axes) -> None:
    axes.set_ylim(0, 1.02)
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _svg(figure: Figure, description: str) -> str:
    """The figure as an <svg> element that scales with the page and is named for those who cannot see it."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # figure_1, axes_1, …: the same in every plot of the page
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    for sentinel, variable in _VARIABLES.items():
        svg = svg.replace(sentinel, variable)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(description)}" ', 1)


def _not_negative(ranges: list[list[float]]) -> list[list[float]]:
    """A percentile interval can end a rounding error inside its own mean; error bars must not be negative."""
    return [[max(0.0, length) for length in side] for side in ranges]


def _blend(colours: tuple[str, ...], share: float) -> str:
    """The colour at `share` (0..1) of the way along `colours`."""
    place = min(max(share, 0.0), 1.0) * (len(colours) - 1)
    i = min(int(place), len(colours) - 2)
    start, end = to_rgb(colours[i]), to_rgb(colours[i + 1])
    return to_hex([a + (b - a) * (place - i) for a, b in zip(start, end, strict=True)])
