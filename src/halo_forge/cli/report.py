"""`halo-forge report`: the report of this folder, or two experiments side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halo_forge.cli.options import say
from halo_forge.errors import InputError


def report(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="A B", help="Two folders with results, Git revisions or names of `dvc exp`, the reference first."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="HTML file. [default: results/report.html; of two results/compare.html]"),
    ] = None,
) -> None:
    """Write the report, or compare two experiments.

    Without names the report shows what is in this folder now, finished or not; no stage runs and no other file is
    written. With two, both are shown side by side, paired task by task where they were asked the same tasks.
    """
    if not experiments:
        _of_here(output or Path("results/report.html"))
    elif len(experiments) == 2:
        _of_two(*experiments, output or Path("results/compare.html"))
    else:
        raise InputError(
            f"report: {len(experiments)} experiments named; name two, the reference first, or none for this folder's"
        )


def _of_here(output: Path) -> None:
    from halo_forge.benchmark.report import write_report
    from halo_forge.benchmark.results import load_results
    from halo_forge.settings.params import load_params

    results = load_results(load_params(), Path())
    if results.missing:
        say(f"not there yet: {', '.join(results.missing)}")
    write_report(results, output)
    print(output)


def _of_two(first: str, second: str, output: Path) -> None:
    from halo_forge.benchmark.experiments.experiment import find_experiment
    from halo_forge.benchmark.experiments.side_by_side import write_comparison
    from halo_forge.statistics.compare import print_comparisons

    before, after = find_experiment(first), find_experiment(second)
    best = write_comparison(before, after, output)
    if best["change"]:
        names = {"before": f"{first}: {before.best}", "after": f"{second}: {after.best}"}
        print_comparisons([best["change"] | names])
    else:
        say(f"{first}: {before.best} and {second}: {after.best}: {best['why']}")
    print(output)
