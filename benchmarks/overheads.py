"""What the program costs before it does anything: start, import of each stage, a graph in which nothing is to be done.

    python benchmarks/overheads.py [--quick]

Seconds of processor time, since these are what a busy machine leaves unchanged; medians. The baseline is Python itself
(`python -c pass`). Rows go to results/perf/overheads.json.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from rows import PERF, row, show, write  # noqa: E402

HELP_GOAL_S = 0.5


def seconds(command: Sequence[str], times: int) -> float:
    """Processor seconds of a command and its children: the median of so many runs. Raises if it fails."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"DVC_NO_ANALYTICS": "1"}
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-1000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return statistics.median(once() for _ in range(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one run of each, not three")
    options = parser.parse_args()
    times = 1 if options.quick else 3
    plain = seconds([sys.executable, "-c", "pass"], times)
    commands = {"halo-forge --help": ([sys.executable, "-m", "halo_forge", "--help"], HELP_GOAL_S)}
    for path in sorted((ROOT / "stages").glob("*.py")):
        if path.stem != "begin":
            commands[f"stages/{path.name} --help"] = [sys.executable, f"stages/{path.name}", "--help"], None
    commands["dvc status"] = [sys.executable, "-m", "dvc", "status", "--quiet"], None
    rows = []
    for name, (command, goal) in commands.items():
        if name == "dvc status":
            command = ["sh", "-c", f"{' '.join(command)}; [ $? -le 1 ]"]  # 1: something is to be done
        own = seconds(command, times)
        rows.append(
            row(name, own, "CPU s", n=times, baseline=plain, baseline_name="python", ratio=own / plain)
            | {"goal": goal and goal / plain, "goal_is": "at most"}
        )
    write(PERF / "overheads.json", rows, cores=os.cpu_count())
    show(rows)


if __name__ == "__main__":
    main()
