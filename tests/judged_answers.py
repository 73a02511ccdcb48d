"""A few thousand judged answers of all kinds in the files of a run, the same on every machine."""

from __future__ import annotations

import random
from pathlib import Path

from halo_forge.jsonl import write_records
from halo_forge.records import Sample, Source, StdioCase, StdioTests, Task, Verdict

GENERATION = {
    "model": "sft",
    "temperature": 0.7,
    "engine": "none",
    "weights": "float32",
    "seconds": 2.0,
    "tokens": 9_000,
    "tokens_per_s": 4_500.0,
}
_FAILED = {
    "wrong_answer": 0.7,
    "runtime_error": 0.5,
    "timeout": 0.5,
    "compile_error": 0.0,
    "no_code": 0.0,
    "infra_error": None,
}
_SANITIZERS = [None, None, "clean", "clean", "heap-buffer-overflow", "missing-return", "unknown: too late"]


def write_answers(folder: Path, tasks: int = 150, per_task: int = 16, seed: int = 5) -> list[Task]:
    """tasks.jsonl, samples.jsonl and verdicts.jsonl; the tasks.

    There are copies in other layout, answers without code, code that no parser takes, faults that sanitizers
    found, answers that could not be judged, and tasks that everything or nothing passes.
    """
    draw = random.Random(seed)
    made = [_task(number) for number in range(tasks)]
    answers = [(task, index) for index in range(per_task) for task in made]
    pairs = [_judged(task, index, draw) for task, index in answers]
    write_records(folder / "tasks.jsonl", made)
    write_records(folder / "samples.jsonl", [sample for sample, _ in pairs])
    write_records(folder / "verdicts.jsonl", [verdict for _, verdict in pairs])
    return made


def _task(number: int) -> Task:
    return Task(
        task_id=f"task/{number:03}",
        language=("cpp", "python")[number % 2],
        prompt=f"Read n and print n + {number}.",
        tests=StdioTests(cases=[StdioCase(stdin="1\n", stdout=f"{1 + number}\n")]),
        source=Source(dataset="builtin"),
        family=f"family/{number // 4}",
        difficulty=None if number % 5 == 0 else number % 3,
    )


def _judged(task: Task, index: int, draw: random.Random) -> tuple[Sample, Verdict]:
    ids = {"sample_id": f"{task.task_id}/{index}", "task_id": task.task_id}
    skill = int(task.task_id[-3:]) % 7 / 6  # of some tasks all pass, of some none
    right = draw.random() < skill
    status = "pass" if right else draw.choice(list(_FAILED))
    code = "" if status == "no_code" else _code(task.language, draw)
    sample = Sample(
        **ids,
        prompt=task.prompt,
        completion=f"Here: é\u2028\n```{task.language}\n{code}```",
        model="sft",
        cycle="c1",
        index=index,
        seed=draw.randrange(2**31),
        n_tokens=draw.randrange(5, 400),
        finish_reason=draw.choice(["stop", "stop", "length"]),
    )
    verdict = Verdict(
        **ids,
        status=status,
        reward=1.0 if right else _FAILED[status],
        tests_passed=int(right),
        tests_total=1,
        detail="" if right else f"test 1: expected {index}",
        code=code,
        duration_s=round(draw.uniform(0.01, 0.9), 4),
        verifier="gcc" if task.language == "cpp" else "python",
        isolation="bubblewrap+rlimits",
        sanitizers=draw.choice(_SANITIZERS) if right else None,
    )
    return sample, verdict


def _code(language: str, draw: random.Random) -> str:
    """One of few programs, in one of several layouts; now and then one that cannot be parsed."""
    number, note = draw.randrange(6), draw.choice(["", "one", "two"])
    if language == "cpp":
        gap = draw.choice([" ", "\n", "  "])
        return f'// {note}\nint main() {{{gap}std::cout <<{gap}"a  b" << {number};{gap}return 0; }}\n'
    if draw.random() < 0.1:
        return f"print('{number}\n"
    return f"# {note}\nn = int(input())\nif n:\n{draw.choice(['  ', '    '])}print(n + {number})\n"
