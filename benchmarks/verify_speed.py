"""Programs judged a second, against the same programs without a sandbox, in turns in the same run.

    python benchmarks/verify_speed.py [--quick] [--programs 12] [--rounds 2] [--workers 2]

One row a language and kind of isolation; nothing comes from the verdict cache, and all programs are distinct and have
10 tests. Baselines, on as many threads as the judge:
- plain: the compiler with the same flags but no precompiled header, then the program once a test, as subprocesses;
  for Python `python -I main.py` once a test.
- compile only: the same compilation and nothing more, which is what a verifier that pays for compiling does.
Rows go to results/perf/verification.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from rows import PERF, row, show, write  # noqa: E402

from halo_forge.records import Sample, Source, StdioCase, StdioTests, Task  # noqa: E402
from halo_forge.settings.verify import Verify  # noqa: E402
from halo_forge.verify.cpp import gcc  # noqa: E402
from halo_forge.verify.judge import judge_samples  # noqa: E402
from halo_forge.verify.sandbox import cgroup, interpreter  # noqa: E402

TESTS = 10
GOALS = {"C++ <iostream>": 3.0, "C++ <bits/stdc++.h>": 8.0}
"""Against plain, in the strongest isolation."""
CPP = {
    "C++ <iostream>": "#include <iostream>\nusing namespace std;\n",
    "C++ <iostream> and 3 more": (
        "#include <iostream>\n#include <vector>\n#include <string>\n#include <algorithm>\nusing namespace std;\n"
    ),
    "C++ <bits/stdc++.h>": "#include <bits/stdc++.h>\nusing namespace std;\n",
}


def cpp(head: str, number: int) -> str:
    return (
        head
        + f"""
int step(int n) {{ return n * {number} + {number % 7}; }}
int main() {{
    int n, total = 0;
    cin >> n;
    for (int i = 0; i < n; i++) total += step(i);
    cout << total << endl;
}}
"""
    )


def python(number: int) -> str:
    return f"def step(n):\n    return n * {number} + {number % 7}\n\nprint(sum(step(i) for i in range(int(input()))))\n"


def task(language: str, number: int) -> Task:
    cases = [
        StdioCase(stdin=f"{n}\n", stdout=str(sum(i * number + number % 7 for i in range(n)))) for n in range(TESTS)
    ]
    return Task(
        task_id=f"{language}{number}",
        language=language,
        prompt="",
        tests=StdioTests(cases=cases),
        source=Source(dataset="benchmark"),
        family="benchmark",
    )


def judged(language: str, programs: dict[int, str], workers: int, sandbox: str, groups: bool) -> float:
    tasks = {f"{language}{number}": task(language, number) for number in programs}
    samples = [
        Sample.of_reference(tasks[f"{language}{number}"], f"```{language}\n{program}```", str(number))
        for number, program in programs.items()
    ]
    settings = Verify(workers=workers, sandbox=sandbox, cache=False)
    pool = cgroup.pool
    cgroup.pool = pool if groups else lambda: None
    try:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            verdicts = judge_samples(tasks, samples, settings, wip=Path(folder) / "wip")
            seconds = time.perf_counter() - started
    finally:
        cgroup.pool = pool
    assert {verdict.status for verdict in verdicts} == {"pass"}, verdicts[0]
    return seconds


def plain(language: str, programs: dict[int, str], workers: int, *, run: bool = True) -> float:
    def one(number: int, program: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            if language == "python":
                Path(folder, "main.py").write_text(program)
                command = [str(interpreter.executable()), "-I", "main.py"]
            else:
                Path(folder, "main.cpp").write_text(program)
                subprocess.run(["g++", *gcc.GCC.flags("cpp"), "main.cpp", "-o", "main"], cwd=folder, check=True)
                command = ["./main"]
            for case in task(language, number).tests.cases if run else ():
                done = subprocess.run(command, cwd=folder, input=case.stdin, capture_output=True, text=True, check=True)
                assert done.stdout.split() == case.stdout.split()

    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, programs, programs.values()))
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one round of 8 programs")
    options = parser.parse_args()
    amount = options.programs or (8 if options.quick else 12)
    rounds = options.rounds or (1 if options.quick else 2)
    kinds = {name: ("cpp", lambda number, head=head: cpp(head, number)) for name, head in CPP.items()}
    kinds["Python"] = ("python", python)
    boxes = {"bubblewrap+rlimits": ("bubblewrap", False), "none": ("none", False)}
    if cgroup.pool():
        boxes = {"bubblewrap+cgroup": ("bubblewrap", True), **boxes}
    number, rows = 1, []
    for name, (language, program) in kinds.items():
        judged(language, {0: program(0)}, 1, "bubblewrap", False)  # builds the precompiled header
        ours: dict[str, list[float]] = {box: [] for box in boxes}
        theirs, compiled = [], []
        for _ in range(rounds):
            for box, (sandbox, groups) in boxes.items():
                programs = {at: program(at) for at in range(number, number + amount)}
                ours[box].append(amount / judged(language, programs, options.workers, sandbox, groups))
                number += amount
            programs = {at: program(at) for at in range(number, number + amount)}
            theirs.append(amount / plain(language, programs, options.workers))
            if language != "python":
                compiled.append(amount / plain(language, programs, options.workers, run=False))
            number += amount
        for box, rates in ours.items():
            goal = GOALS.get(name) if box == next(iter(boxes)) else None
            rows.append(_row(f"{name}, {box}", rates, theirs, "plain", goal))
            if compiled:
                rows.append(_row(f"{name}, {box}", rates, compiled, "compile only", None))
        print(f"{name}: measured", flush=True)
    write(PERF / "verification.json", rows, programs=amount, tests=TESTS, workers=options.workers)
    show(rows, f"{amount} programs of {TESTS} tests, {options.workers} workers, medians of {rounds} rounds")
    return 0


def _row(name: str, ours: list[float], theirs: list[float], baseline: str, goal: float | None) -> dict:
    """The ratio is the median of those of each round: both sides of one were measured within seconds of each other."""
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    return row(
        name,
        median(ours),
        "programs/s",
        n=len(ours),
        baseline=median(theirs),
        baseline_name=baseline,
        ratio=ratio,
        goal=goal,
    )


if __name__ == "__main__":
    sys.exit(main())
