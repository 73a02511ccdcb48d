"""Wall time of one RAFT cycle by stage, against what the existing program does with the same prompts and samples.

    python benchmarks/cycle.py [--quick] [--cycle data/raft/c1] [--model FOLDER] [--rates results/perf]

What the stages have to do is counted in a cycle that the pipeline ran (--cycle, else data/raft/c1 if it is there): its
tokens, its programs, its kept rows. Without one, the reference solutions of built-in tasks stand for samples, every
eighth for a kept row. A whole cycle of naive takes hours, so the seconds of both sides are what each does a second,
measured here in turns on some of the same prompts, programs and rows, times what was counted; the rows' names say so.
Naive:

  sample    `generate` of transformers, 32 answers at once, padded; short answers are drawn here, which flatters it: all
            32 go on nearly to the end
  judge     a fresh `g++ -w -O2` of every sample on 8 threads, copies too, and nothing is run. Ours compiles and runs
            the tests of each distinct program in the sandbox, and looks at what passes under sanitizers
  filter    sort by reward, keep the first half
  train     rows padded to 2048, checkpointing, the loss on everything

--rates takes the rates of sampling and training from what generation_speed.py and training_speed.py have just left
there. Rows {name, ours, baseline, baseline_name, ratio, goal, unit, n} go to results/perf/cycle.json; a ratio is of
naive's seconds to ours.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import generation_speed as sampling
import training_speed as training
from rows import PERF, ROOT, row, show, write

from halo_forge.files import read_json
from halo_forge.jsonl import read_records
from halo_forge.model.chat import Chat, fenced
from halo_forge.pairing import JudgedFiles, Pair
from halo_forge.raft.cycle import close_cycle
from halo_forge.records import Kept, Sample, Task, Verdict
from halo_forge.settings.params import Params, load_params
from halo_forge.train.adapter import kept_answers
from halo_forge.train.rows import tokenised
from halo_forge.verify.judge import judge_samples
from halo_forge.verify.second_look import look_again

GOAL = 15.0
NAIVE_THREADS = 8
GENERATION = {
    "model": "base",
    "temperature": 0.7,
    "engine": "none",
    "weights": "float32",
    "seconds": 0.0,
    "tokens": 0,
    "tokens_per_s": 0.0,
}


@dataclass(frozen=True)
class Cycle:
    """What a cycle had to do."""

    name: str
    tasks: dict[str, Task]
    pairs: list[Pair]
    kept: list[Kept]

    @property
    def tokens(self) -> int:
        return sum(sample.n_tokens for sample, _ in self.pairs)

    def distinct(self, wanted: Callable[[Verdict], bool]) -> list[Pair]:
        """The first sample of each program among those wanted."""
        found = {(v.task_id, v.code): (s, v) for s, v in reversed(self.pairs) if v.code and wanted(v)}
        return list(found.values())[::-1]


@dataclass(frozen=True)
class Rates:
    """Seconds a piece of work takes, by turn."""

    ours: list[float]
    naive: list[float]

    def row(self, name: str, ours: float, naive: float) -> dict:
        """Of so many pieces on either side."""
        ratio = median(naive * b / (ours * a) for a, b in zip(self.ours, self.naive, strict=True))
        seconds = {"ours": ours * median(self.ours), "baseline": naive * median(self.naive)}
        return row(name, unit="s", n=len(self.ours), baseline_name="naive", ratio=ratio, **seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one turn of fewer programs and shorter answers")
    parser.add_argument("--cycle", type=Path, help="data/raft/<cycle> of a pipeline that ran")
    parser.add_argument("--model", type=Path, help="a model folder; without it the base model of params.yaml")
    parser.add_argument("--rates", type=Path, help="a folder with generation.json and training.json of the same model")
    options = parser.parse_args()
    params = load_params(ROOT / "params.yaml")
    base = options.model or sampling.base_model()
    folder = options.cycle or ROOT / "data" / "raft" / "c1"
    cycle = stored(folder) if options.cycle or (folder / "kept.jsonl").exists() else of_references(Chat.of(str(base)))
    samples, rows = len(cycle.pairs), len(cycle.kept) * params.raft.train.epochs
    with_code = sum(bool(verdict.code) for _, verdict in cycle.pairs)
    programs, passing = cycle.distinct(lambda _: True), cycle.distinct(lambda verdict: verdict.passed)

    drawn = stored_sampling(options.rates, base) if options.rates else sampled(cycle, params, base, options.quick)
    judging, looking = judged(cycle, programs, passing, params, options.quick)
    ours_filter, naive_filter = filtered(cycle, params)
    trained = stored_training(options.rates, base) if options.rates else learnt(cycle, base, options.quick)

    table = [
        drawn.row(f"sample: {samples} samples by the rate of tokens, {cycle.tokens} tokens", *[cycle.tokens] * 2),
        judging.row(f"judge: {with_code} samples by the rate of {len(programs)} distinct", len(programs), with_code),
        Rates([ours_filter], [naive_filter]).row(f"filter: {samples} samples", 1, 1),
        trained.row(f"train: {rows} rows by the rate of rows", rows, rows),
    ]
    sanitizers = len(passing) * looking
    table[1] = added(table[1], sanitizers)
    whole = {side: sum(one[side] for one in table) for side in ("ours", "baseline")}
    ratio = whole["baseline"] / whole["ours"]
    name = f"one cycle ({cycle.name}), each stage by its rate"
    least = min(one["n"] for one in table if not one["name"].startswith("filter"))
    table.append(row(name, unit="s", n=least, baseline_name="naive", ratio=ratio, goal=GOAL, **whole))
    write(PERF / "cycle.json", table, model=base.name, cycle=cycle.name, kept=len(cycle.kept), sanitizers_s=sanitizers)
    show(table, "one RAFT cycle by stage; times: naive's seconds by ours")


def added(found: dict, seconds: float) -> dict:
    """The row with so many seconds more on our side."""
    ours = found["ours"] + seconds
    return found | {"ours": float(f"{ours:.4g}"), "ratio": float(f"{found['baseline'] / ours:.4g}")}


def stored(folder: Path) -> Cycle:
    tasks = {task.task_id: task for task in read_records(folder.parents[1] / "split" / "raft.jsonl", Task)}
    pairs = list(JudgedFiles(folder, where=str(folder)))
    if others := {tasks[sample.task_id].language for sample, _ in pairs} - {"cpp"}:
        raise SystemExit(f"{folder}: answers in {', '.join(sorted(others))}; naive is measured for cpp alone")
    kept = read_records(folder / "kept.jsonl", Kept)
    if not kept:
        raise SystemExit(f"{folder}/kept.jsonl: nothing was kept, so nothing was trained; give another cycle")
    return Cycle(folder.name, tasks, pairs, kept)


def of_references(chat: Chat) -> Cycle:
    tasks = [task for task in sampling.built_in() if (task.difficulty or 0) <= 2]
    pairs = []
    for task in tasks:
        completion = fenced(task.solution, task.language)
        tokens = {"n_tokens": len(chat.answer_ids(completion))}
        sample = Sample.of_reference(task, completion, task.task_id).model_copy(update=tokens)
        found = Verdict(
            sample_id=task.task_id,
            task_id=task.task_id,
            status="pass",
            reward=1.0,
            tests_passed=1,
            tests_total=1,
            detail="",
            code=task.solution,
            duration_s=0.0,
            verifier="gcc",
            isolation="none",
        )
        pairs.append((sample, found))
    kept = [
        Kept(sample_id=s.sample_id, task_id=s.task_id, prompt=s.prompt, completion=s.completion, reward=1.0)
        for s, _ in pairs[::8]
    ]
    return Cycle("reference solutions for samples", {task.task_id: task for task in tasks}, pairs, kept)


def sampled(cycle: Cycle, params: Params, base: Path, quick: bool) -> Rates:
    """Seconds a token."""
    tasks, (tokens, turns) = list(cycle.tasks.values()), sampling.sizes_for(base, quick)
    draws = {
        "ours": sampling.engine(params.generate, base, tasks, tokens),
        "naive": sampling.naive(base, tasks, tokens),
    }
    found: dict[str, list[float]] = {side: [] for side in draws}
    for turn in range(turns):
        for side, draw in draws.items():
            found[side].append(1 / draw(turn).tokens_per_s)
            print(f"sample: {side}: {1 / found[side][-1]:.1f} tokens/s", flush=True)
    del draws
    gc.collect()  # the models of both sides, before that of training is read
    return Rates(**found)


def stored_sampling(folder: Path, base: Path) -> Rates:
    found = of_model(folder / "generation.json", base)
    (one,) = (one for one in found["rows"] if one["baseline_name"] == "naive")
    return Rates([1 / one["ours"]], [1 / one["baseline"]])


def of_model(path: Path, base: Path) -> dict:
    found = read_json(path)
    if found["setting"].get("model") != base.name:
        raise SystemExit(f"{path}: of the model {found['setting'].get('model')!r}, not {base.name!r}; measure it again")
    return found


def judged(
    cycle: Cycle, programs: Sequence[Pair], passing: Sequence[Pair], params: Params, quick: bool
) -> tuple[Rates, float]:
    """Seconds a program, and the seconds that the sanitizers take for one that passes."""
    number, turns = (6, 1) if quick else (24, 2)
    settings = params.verify.model_copy(update={"cache": False})

    def ours(pairs: Sequence[Pair]) -> list[Verdict]:
        with tempfile.TemporaryDirectory() as folder:
            return judge_samples(cycle.tasks, [sample for sample, _ in pairs], settings, wip=Path(folder) / "wip")

    ours(programs[:1])  # what is made once on a machine, such as the precompiled headers
    found: dict[str, list[float]] = {"ours": [], "naive": []}
    for turn in range(turns):
        chosen = programs[turn :: max(1, len(programs) // number)][:number]
        for side, judge in {"ours": ours, "naive": compiled}.items():
            began = time.perf_counter()
            judge(chosen)
            found[side].append((time.perf_counter() - began) / len(chosen))
            print(f"judge: {side}: {1 / found[side][-1]:.1f} programs/s", flush=True)
    few = [verdict for _, verdict in passing[:: max(1, len(passing) // (number // 2))][: number // 2]]
    began = time.perf_counter()
    list(look_again(cycle.tasks, few, settings, "auto", "sanitizers"))
    return Rates(**found), (time.perf_counter() - began) / max(1, len(few))


def compiled(pairs: Sequence[Pair]) -> None:
    """As the existing program's verifier for RAFT does: compile, and whether that works is the verdict."""

    def one(code: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "main.cpp").write_text(code, encoding="utf-8")
            command = ["g++", "-w", "-O2", "main.cpp", "-o", "main"]
            subprocess.run(command, cwd=folder, capture_output=True)

    with ThreadPoolExecutor(NAIVE_THREADS) as pool:
        list(pool.map(one, (verdict.code for _, verdict in pairs)))


def filtered(cycle: Cycle, params: Params) -> tuple[float, float]:
    began = time.perf_counter()
    close_cycle(next(iter(params.raft.cycles)), params, cycle.tasks, cycle.pairs, GENERATION, [], [])
    between = time.perf_counter()
    ranked = sorted(cycle.pairs, key=lambda pair: -(pair[1].reward or 0.0))
    above = [pair for pair in ranked if (pair[1].reward or 0.0) >= params.raft.reward_threshold]
    json.dumps([sample.model_dump() for sample, _ in above[: len(above) // 2]])
    return between - began, time.perf_counter() - between


def learnt(cycle: Cycle, base: Path, quick: bool) -> Rates:
    """Seconds a row: ours of whole batches, naive's of one row, which take all the same."""
    rows = tokenised(Chat.of(str(base)), kept_answers(cycle.kept), 1024, "the kept rows").examples
    length = training.NAIVE_LENGTH // 4 if quick else training.NAIVE_LENGTH
    sides = training.model_sides(base, "auto", training.BATCH, length)
    timings: dict[str, list[dict[str, float]]] = {}
    order = training.in_our_order(rows)
    for batch in training.batches(rows, order, 1 if quick else 2) or [rows]:
        training.measure(timings, "ours", batch, sides["ours"])
        if "naive" not in timings:
            times = training.NAIVE_LENGTH // length
            training.measure(timings, "naive", batch[:1], sides["naive"], times=times)
    return of_timings(timings)


def stored_training(folder: Path, base: Path) -> Rates:
    return of_timings(of_model(folder / "training.json", base)["setting"]["timings"])


def of_timings(timings: dict[str, list[dict[str, float]]]) -> Rates:
    """Seconds a row from the steps that were timed."""
    return Rates(*([median(one["wall"] / one["rows"] for one in timings[side])] for side in ("ours", "naive")))


if __name__ == "__main__":
    main()
