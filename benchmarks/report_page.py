"""How long a browser takes to open the report of many samples, and whether it stays within the page on a phone.

    python benchmarks/report_page.py [--samples 50000] [--turns 5] [--pictures DIR]

Samples of five models, ten a task, are written as stages leave them, the report is made of them, and each turn opens
it in a headless Chromium of its own, network off: on a desktop, and on a phone of 390 px with the processor slowed four
times. The time is from the start of the navigation to the end of the load event, the page's script included
(performance timing); on a busy machine it is mostly waiting, so `cpu_s` has what the page's thread computed, by the
clock of that thread. Rows go to results/perf/report_page.json; `--pictures` leaves pictures, light and dark.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from chromium import Chromium  # noqa: E402
from rows import PERF, row, show, write  # noqa: E402

from halo_forge.benchmark.evaluate import summarise  # noqa: E402
from halo_forge.benchmark.report import write_report  # noqa: E402
from halo_forge.benchmark.results import load_results  # noqa: E402
from halo_forge.files import write_json  # noqa: E402
from halo_forge.jsonl import write_records  # noqa: E402
from halo_forge.records import Sample, Source, StdioCase, StdioTests, Task, Verdict  # noqa: E402
from halo_forge.settings.params import Params  # noqa: E402

PER_TASK = 10
GOAL_S = 3.0
PARAMS = {
    "seed": 14,
    "preset": "page",
    "base_model": {"provider": "local", "id": "none"},
    "raft": {"cycles": {name: {"from": start, "temperature": 0.7, "learning_rate": 1e-4} for name, start in
                        (("c1", "sft"), ("c2", "c1"), ("c3", "c2"))}},
    "benchmark": {"samples_per_task": PER_TASK, "bootstrap": 1000},
}  # fmt: skip
SECTIONS = ("ladder", "raft", "tasks", "changed", "samples")
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"


def make(folder: Path, number: int) -> None:
    """Write `number` samples of five models and what a finished run has of them."""
    params = Params.model_validate(PARAMS)
    tests = StdioTests(cases=[StdioCase(stdin="1\n", stdout="2\n")])
    models = params.models()
    tasks = [
        Task(
            task_id=f"builtin/family_{i // 2}/{i % 2}",
            language="cpp",
            prompt=f"Read one integer n and print n plus {i}.",
            tests=tests,
            source=Source(dataset="builtin"),
            family=f"family_{i // 2}",
            difficulty=1 + i % 4,
        )
        for i in range(number // PER_TASK // len(models))
    ]
    write_records(folder / "data/split/benchmark.jsonl", tasks)
    for skill, model in enumerate(models):
        pairs = [
            _answer(model, skill, place, task, index) for place, task in enumerate(tasks) for index in range(PER_TASK)
        ]
        for at, name in enumerate(("samples", "verdicts")):
            write_records(folder / f"data/benchmark/{model}/{name}.jsonl", (pair[at] for pair in pairs))
        generation = {"engine": "none", "weights": "float32", "seconds": 1.0}
        write_json(
            folder / f"results/benchmark/{model}.json", summarise(model, tasks, pairs, params.benchmark, 0, generation)
        )


def _answer(model: str, skill: int, place: int, task: Task, index: int) -> tuple[Sample, Verdict]:
    passed = (place * 7 + index * 3) % 10 < 2 * skill
    lines = [f"    // step {line}: what an ordinary program says of itself" for line in range(4 + (index + skill) % 5)]
    body = "\n".join(["#include <iostream>", "using namespace std;", "int main() {", "    int n;", *lines])
    code = f"{body}\n    cin >> n;\n    cout << n + {place if passed else index} << endl;\n    return 0;\n}}\n"
    ids = {"sample_id": f"{model}-{place}-{index}", "task_id": task.task_id}
    sample = Sample(
        **ids, prompt="", completion=f"```cpp\n{code}```", model=model, index=index, seed=index, n_tokens=120,
        finish_reason="stop",
    )  # fmt: skip
    verdict = Verdict(
        **ids, status="pass" if passed else "wrong_answer", reward=1.0 if passed else 0.5, tests_passed=int(passed),
        tests_total=1, detail="" if passed else "test 1: expected 2, printed 3", code=code, duration_s=0.1,
        verifier="gcc", isolation="none",
    )  # fmt: skip
    return sample, verdict


def opened(report: Path, turns: int, phone: bool) -> list[tuple[float, float]]:
    """Seconds to open the report and those of its thread, one pair a turn, each in a new browser.

    Raises SystemExit where the page does not hold.
    """
    seconds = []
    for _ in range(turns):
        with Chromium(390 if phone else 1280) as browser:
            if phone:
                browser.ask("Emulation.setCPUThrottlingRate", rate=4)
            browser.ask("Performance.enable", timeDomain="threadTicks")
            browser.open(report)
            loaded = browser.value(LOADED)
            metrics = {one["name"]: one["value"] for one in browser.ask("Performance.getMetrics")["metrics"]}
            seconds.append((loaded, metrics["TaskDuration"]))
            strays = [url for url in browser.requests if not url.startswith(("file:", "about:"))]
            wide = browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            shown = browser.value("document.querySelectorAll('#samples-list article').length")
            if strays or wide > 0 or not shown:
                raise SystemExit(f"asked for {strays}, {wide} px wider than the screen, {shown} samples shown")
    return seconds


def pictures(report: Path, folder: Path) -> None:
    """The sections of the page, on a desktop and on a phone, light and dark."""
    folder.mkdir(parents=True, exist_ok=True)
    for width, device in ((1280, "desktop"), (390, "phone")):
        for dark in (False, True):
            with Chromium(width, 844, dark) as browser:
                browser.open(report)
                for section in SECTIONS:
                    browser.value(f"document.getElementById('{section}').scrollIntoView({{behavior: 'instant'}})")
                    browser.picture(folder / f"{device}_{'dark' if dark else 'light'}_{section}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=50_000, help="a multiple of 50")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--report", type=Path, help="open this file, instead of one made of so many samples")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    parser.add_argument("--output", type=Path, default=PERF / "report_page.json")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        report, made = options.report, options.report or f"{options.samples} samples"
        if report is None:
            folder = Path(scratch)
            make(folder, options.samples)
            report, started = folder / "report.html", time.process_time()
            write_report(load_results(Params.model_validate(PARAMS), folder), report)
            each = 1e6 * (time.process_time() - started) / options.samples
            rows.append(row(f"report of {made}: made", each, "CPU µs a sample", n=1))
        size = report.stat().st_size / 1e6
        for phone, device in ((False, "desktop"), (True, "phone, 390 px, processor slowed 4 times")):
            seconds, computed = zip(*opened(report, options.turns, phone), strict=True)
            name = f"report of {made} ({size:.1f} MB): opened, {device}"
            more = {"baseline": GOAL_S, "baseline_name": "s wanted", "ratio": max(seconds) / GOAL_S, "goal": 1.0}
            more |= {"goal_is": "at most", "slowest": round(max(seconds), 2)}
            more["cpu_s"] = round(statistics.median(computed), 3)
            rows.append(row(name, statistics.median(seconds), "s", n=len(seconds), **more))
        if options.pictures:
            pictures(report, options.pictures)
    write(options.output, rows)
    show(rows)
    print("computed by the page's thread:", ", ".join(f"{one['cpu_s']} s" for one in rows if "cpu_s" in one))


if __name__ == "__main__":
    main()
