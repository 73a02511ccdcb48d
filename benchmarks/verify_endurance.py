"""Does judging leave anything behind, and do honest programs keep their verdicts beside fork bombs?

    PYTHONPATH=src python benchmarks/verify_endurance.py [--verdicts 10000] [--bombs 200] [--workers 2] [--at-once 32]

First as many verdicts as asked for in a row, of right, wrong, crashing and forking answers to stdio, call and assert
tests; open files, threads, processes below this one, entries of the temporary folder and resident memory are printed
as it goes, and the end is compared with the state after a tenth. Then fork bombs, each beside an honest program, many
at once. Exit code 1 if something grew, was left, or if a verdict was another than it should be.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from halo_forge.records import CallCase, CallTests, PythonTests, Sample, Source, StdioCase, StdioTests, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify.judge import judge_samples
from halo_forge.verify.selfcheck.leftovers import Watch

MEMORY_MB = 32
"""How much resident memory may grow between the tenth and the last verdict: the records, and the allocator."""
TESTS = {
    "stdio": StdioTests(cases=[StdioCase(stdin="4\n", stdout="8\n")]),
    "calls": CallTests(entry_point="f", cases=[CallCase(args=[4], expected=8)]),
    "asserts": PythonTests(code="assert f(4) == 8", entry_point="f"),
}
ANSWERS = {
    "pass": "def f(x):\n    return 2 * x\nif __name__ == '__main__':\n    print(f(int(input())))\n",
    "wrong_answer": "def f(x):\n    return 3 * x\nif __name__ == '__main__':\n    print(f(int(input())))\n",
    "runtime_error": "def f(x):\n    return x // 0\nif __name__ == '__main__':\n    print(f(int(input())))\n",
}
FORKING = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(99)\n"
BOMB = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"


def sample(task: str, number: int, program: str) -> Sample:
    fields = {"prompt": "", "model": "m", "index": number, "seed": 0, "n_tokens": 1, "finish_reason": "stop"}
    completion = f"```python\n{program}# {number}\n```"  # no two are the same, so none is taken from another
    return Sample(sample_id=f"{task}/{number}", task_id=task, completion=completion, **fields)


def tasks() -> dict[str, Task]:
    fields = {"language": "python", "prompt": "", "source": Source(dataset="benchmark"), "family": "benchmark"}
    return {name: Task(task_id=name, tests=tests, **fields) for name, tests in TESTS.items()}


def state(folder: str) -> dict[str, float]:
    own = psutil.Process()
    return {
        "descriptors": own.num_fds(),
        "threads": own.num_threads(),
        "processes": len(own.children(recursive=True)),
        "temporary files": len(os.listdir(folder)),
        "memory_mb": own.memory_info().rss / 2**20,
    }


def endure(number: int, workers: int, folder: str) -> list[str]:
    """What grew between the first tenth and the end, and verdicts that are not what they should be."""
    known, expected, samples = tasks(), {}, []
    for at in range(number):
        kind, status = list(TESTS)[at % 3], list(ANSWERS)[at // 3 % 3]
        forking = FORKING if kind == "stdio" and at % 2 else ""
        samples.append(sample(kind, at, forking + ANSWERS[status]))
        expected[samples[-1].sample_id] = status
    started, seen, wrong, first = time.perf_counter(), 0, Counter(), {}

    def count(verdict: Verdict) -> None:
        nonlocal seen, first
        seen += 1
        if verdict.status != expected[verdict.sample_id]:
            wrong[f"{expected[verdict.sample_id]} judged {verdict.status}"] += 1
        if seen % max(1, number // 10) == 0:
            now = state(folder)
            first = first or now
            rate = seen / (time.perf_counter() - started)
            print(f"{seen:7} verdicts, {rate:5.1f}/s: " + ", ".join(f"{v:.0f} {k}" for k, v in now.items()), flush=True)

    settings = Verify(workers=workers, cache=False)
    judge_samples(known, samples, settings, wip=Path(folder) / "wip.jsonl", progress=count)
    time.sleep(1)
    last = state(folder)
    print("afterwards: " + ", ".join(f"{value:.0f} {name}" for name, value in last.items()))
    allowed = {"memory_mb": MEMORY_MB}
    grown = [
        f"{name}: {first[name]:.0f} → {last[name]:.0f}"
        for name in last
        if last[name] > first[name] + allowed.get(name, 0)
    ]
    return grown + [f"{count} × {text}" for text, count in wrong.items()]


def bombs(number: int, at_once: int, folder: str) -> list[str]:
    """Honest programs that lost their verdict beside `number` fork bombs, bombs that passed, and what is left."""
    known = {"stdio": tasks()["stdio"]}
    pairs = [(sample("stdio", 2 * at, BOMB), sample("stdio", 2 * at + 1, ANSWERS["pass"])) for at in range(number)]
    samples = [one for pair in pairs for one in pair]
    honest = {pair[1].sample_id for pair in pairs}
    with Watch() as watch:
        settings = Verify(workers=at_once, cache=False, run_timeout_s=0.5)  # a bomb takes what it is given
        started = time.perf_counter()
        verdicts = judge_samples(known, samples, settings, wip=Path(folder) / "bombs.jsonl")
        seconds = time.perf_counter() - started
        left = watch.new()
    statuses = Counter(("honest" if verdict.sample_id in honest else "bomb", verdict.status) for verdict in verdicts)
    print(f"{number} fork bombs beside {number} honest programs, {at_once} at once, {seconds:.0f} s: {dict(statuses)}")
    bad = [
        f"{count} × {who}: {status}"
        for (who, status), count in statuses.items()
        if (who == "honest") != (status == "pass")
    ]
    return left + bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--verdicts", type=int, default=10_000)
    parser.add_argument("--bombs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        found = endure(options.verdicts, options.workers, folder) if options.verdicts else []
        found += bombs(options.bombs, options.at_once, folder) if options.bombs else []
    tempfile.tempdir = None
    print("\n".join(found) or "nothing grew, nothing was left, every verdict was right")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
