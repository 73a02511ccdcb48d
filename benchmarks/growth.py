"""How time and memory grow with the number of samples: 1, 4, 16 and 64 times as many through each step after sampling.

    python benchmarks/growth.py [--quick] [--samples 500] [--steps judge filter score report]

Every measurement is a process of its own over files on disk, as the stages are: `judge` (`verify_file`, with all
programs in a verdict cache of its own), `filter` (`close_cycle`), `score` (`summarise`), `report` (`write_report`, of
one model).
The programs are all different, half of them right. A step is linear when its seconds a sample do not rise: those of the
processor, which a busy machine leaves unchanged. Memory is the peak of the process (ru_maxrss), libraries included.
Rows go to results/perf/growth.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from rows import PERF, row, show, write  # noqa: E402

from halo_forge.files import write_json  # noqa: E402
from halo_forge.jsonl import read_records, write_records  # noqa: E402
from halo_forge.pairing import JudgedFiles  # noqa: E402
from halo_forge.records import Sample, Source, StdioCase, StdioTests, Task, Verdict  # noqa: E402
from halo_forge.settings.params import Params  # noqa: E402

STEPS = ("judge", "filter", "score", "report")
FILL = "fill"
TASKS, ANSWERS, CARD = Path("data/split/benchmark.jsonl"), Path("data/benchmark/c1"), Path("results/benchmark/c1.json")
TIMES = (1, 4, 16, 64)
PER_TASK = 10
GENERATION = {
    "model": "sft",
    "temperature": 0.7,
    "engine": "none",
    "weights": "float32",
    "seconds": 1.0,
    "tokens": 1,
    "tokens_per_s": 1.0,
}
PARAMS = {
    "seed": 14,
    "preset": "growth",
    "base_model": {"provider": "local", "id": "none"},
    "raft": {"cycles": {"c1": {"from": "sft", "temperature": 0.7, "learning_rate": 1e-4}}},
    "benchmark": {"samples_per_task": PER_TASK},
}


def make(folder: Path, number: int) -> None:
    """Write the tasks, and so many samples and verdicts of theirs; ten of a task, four tasks of a family.

    None is held: the peak of a process counts in that of the processes that it starts.
    """
    tests = StdioTests(cases=[StdioCase(stdin="1\n", stdout="2\n")])
    tasks = (
        Task(
            task_id=f"t{i}",
            language="python",
            prompt=f"Read one integer n and print n plus one, way {i}.",
            tests=tests,
            source=Source(dataset="builtin"),
            family=f"f{i // 4}",
            difficulty=1 + i % 3,
        )
        for i in range(number // PER_TASK)
    )
    write_records(folder / TASKS, tasks)
    write_records(folder / ANSWERS / "samples.jsonl", map(_sample, range(number)))
    write_records(folder / ANSWERS / "verdicts.jsonl", map(_verdict, range(number)))


def _code(number: int) -> str:
    padding = "\n".join(f"# line {line} of a program of ordinary length" for line in range(12))
    return f"{padding}\nprint(int(input()) + {1 + number % 2})  # {number}"


def _sample(number: int) -> Sample:
    return Sample(
        sample_id=f"s{number}",
        task_id=f"t{number // PER_TASK}",
        prompt="",
        completion=f"```python\n{_code(number)}\n```",
        model="c1",
        index=number % PER_TASK,
        seed=number,
        n_tokens=120,
        finish_reason="stop",
    )


def _verdict(number: int) -> Verdict:
    right = number % 2 == 0
    return Verdict(
        sample_id=f"s{number}",
        task_id=f"t{number // PER_TASK}",
        status="pass" if right else "wrong_answer",
        reward=1.0 if right else 0.5,
        tests_passed=int(right),
        tests_total=1,
        detail="" if right else "test 1: expected 2, printed 3",
        code=_code(number),
        duration_s=0.1,
        verifier="python",
        isolation="none",
    )


def fill(tasks: Sequence[Task], folder: Path, params: Params) -> None:
    """Put what was found of every program where the judge will look for it."""
    from halo_forge.verify.core.protocol import Judgement
    from halo_forge.verify.identity import identity
    from halo_forge.verify.registry import get_verifier
    from halo_forge.verify.verdict_cache import key_of, open_cache

    verifier = get_verifier("python", params.verify)
    judge, known = identity(verifier), {task.task_id: task for task in tasks}
    with open_cache(True) as cache:
        for sample, verdict in JudgedFiles(folder / ANSWERS, where=FILL):
            task = known[sample.task_id]
            code = verifier.extract(task, sample.completion)
            key = key_of(judge, task, task.tests.model_dump_json(), code)
            cache.put(key, Judgement.of(verdict), verdict.duration_s)


def run(step: str, folder: Path) -> None:
    """One step over the files of `folder`, in this process."""
    params = Params.model_validate(PARAMS)
    if step == "report":
        from halo_forge.benchmark.report import write_report
        from halo_forge.benchmark.results import load_results

        write_report(load_results(params, folder), folder / "report.html")
        return
    if step == "judge":
        from halo_forge.verify.run import verify_file

        verify_file(params.verify, folder / TASKS, folder / ANSWERS, "growth")
        return
    tasks = read_records(folder / TASKS, Task)
    if step == FILL:
        fill(tasks, folder, params)
        return
    pairs = JudgedFiles(folder / ANSWERS, where=step)
    if step == "filter":
        from halo_forge.raft.cycle import close_cycle

        outcome = close_cycle("c1", params, {task.task_id: task for task in tasks}, pairs, GENERATION, [], [])
        write_records(folder / "kept.jsonl", outcome.rows)
    else:
        from halo_forge.benchmark.evaluate import summarise

        card = summarise("c1", tasks, pairs, params.benchmark, params.seed, GENERATION)
        write_json(folder / CARD, card)


def measured(step: str, folder: Path) -> dict[str, float]:
    """{seconds of the processor, peak_mb} of the step in a process of its own."""
    command = [sys.executable, __file__, "--one", step, "--folder", str(folder)]
    own = {"HALO_FORGE_CACHE": str(folder / "cache"), "DVC_ROOT": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | own)
    if done.returncode:
        raise SystemExit(f"{step}: exit {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=500, help="of the smallest size, a multiple of 10")
    parser.add_argument("--steps", nargs="*", choices=STEPS, default=list(STEPS))
    parser.add_argument("--quick", action="store_true", help="1 and 16 times alone")
    parser.add_argument("--output", type=Path, default=PERF / "growth.json")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        started = time.process_time()
        run(options.one, options.folder)
        seconds = time.process_time() - started
        print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    rows, smallest = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        for times in TIMES[::2] if options.quick else TIMES:
            number = times * options.samples
            folder = Path(scratch) / str(number)
            folder.mkdir()
            make(folder, number)
            for step in options.steps:
                if first := {"judge": FILL, "report": "score"}.get(step):
                    measured(first, folder)  # fills the cache, writes the card that is shown
                found = measured(step, folder)
                each = 1e6 * found["seconds"] / number
                least = smallest.setdefault(step, each)
                more = {"ratio": each / least, "goal": 1.2, "goal_is": "at most", "peak_mb": round(found["peak_mb"])}
                name = f"{step}, {number} samples, peak {found['peak_mb']:.0f} MB"
                rows.append(
                    row(name, each, "CPU µs a sample", n=1, baseline=least, baseline_name="the smallest") | more
                )
    write(options.output, rows)
    show(
        rows,
        "time and memory by the number of samples; a ratio above 1 grows faster than they do; 1.2 allows for noise",
    )


if __name__ == "__main__":
    main()
