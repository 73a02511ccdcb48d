"""Programs judged a second, against the same programs run as plain subprocesses, in turns in the same run.

    PYTHONPATH=src python benchmarks/verify_speed.py [--programs 24] [--rounds 3] [--workers 2]

C++ baselines: `g++ -O0` with the same flags, then the binary once a test, no sandbox, no precompiled header.
Python baseline: `python -I main.py` once a test, no sandbox. All programs are distinct and have 10 tests.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from halo_forge.config import Verify
from halo_forge.records import Sample, Source, StdioCase, StdioTests, Task
from halo_forge.verify import gcc, interpreter
from halo_forge.verify.judge import judge_samples

TESTS = 10
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


def judged(language: str, programs: dict[int, str], workers: int) -> float:
    tasks = {f"{language}{number}": task(language, number) for number in programs}
    samples = [
        Sample(
            sample_id=str(number),
            task_id=f"{language}{number}",
            prompt="",
            completion=f"```{language}\n{program}```",
            model="m",
            index=0,
            seed=0,
            n_tokens=1,
            finish_reason="stop",
        )
        for number, program in programs.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        verdicts = judge_samples(tasks, samples, Verify(workers=workers), wip=Path(folder) / "wip")
        seconds = time.perf_counter() - started
    assert {verdict.status for verdict in verdicts} == {"pass"}, verdicts[0]
    return seconds


def plain(language: str, programs: dict[int, str], workers: int) -> float:
    def one(number: int, program: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            if language == "python":
                Path(folder, "main.py").write_text(program)
                command = [str(interpreter.executable()), "-I", "main.py"]
            else:
                Path(folder, "main.cpp").write_text(program)
                subprocess.run(["g++", *gcc.FLAGS["cpp"], "main.cpp", "-o", "main"], cwd=folder, check=True)
                command = ["./main"]
            for case in task(language, number).tests.cases:
                done = subprocess.run(command, cwd=folder, input=case.stdin, capture_output=True, text=True, check=True)
                assert done.stdout.split() == case.stdout.split()

    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, programs, programs.values()))
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    kinds = {name: ("cpp", lambda number, head=head: cpp(head, number)) for name, head in CPP.items()}
    kinds["Python"] = ("python", python)
    print(f"{options.programs} programs of {TESTS} tests, {options.workers} workers, median of {options.rounds} rounds")
    print(f"{'':28}{'judged/s':>10}{'plain/s':>10}{'ratio':>8}")
    for name, (language, write) in kinds.items():
        judged(language, {0: write(0)}, 1)  # builds the precompiled header
        ours, theirs = [], []
        for turn in range(options.rounds):
            first = 1 + turn * options.programs
            programs = {number: write(number) for number in range(first, first + options.programs)}
            ours.append(options.programs / judged(language, programs, options.workers))
            theirs.append(options.programs / plain(language, programs, options.workers))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        print(f"{name:28}{statistics.median(ours):10.2f}{statistics.median(theirs):10.2f}{ratio:8.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
