"""Answer tokens per second of LoRA training, in turns with other ways to make the same optimizer step.

    python benchmarks/training_speed.py [--base FOLDER] [--kept FILE …] [--trl-python PATH] [--quick]

Rows: the reference solutions of the built-in tasks as SFT takes them, or with --kept the answers that RAFT cycles kept.
A step is 8 rows: forward, backward and AdamW. The baselines take 4 rows at a time, ours all 8, for what the rows of a
batch share is computed once within what is taken at a time; --micro-batch says otherwise.

  padded    transformers and PEFT, rows grouped by length and padded to the longest of their micro-batch, logits from
            the first answer token on: this project's own way before rows were packed
  trl       TRL's SFTTrainer: completion only, grouped by length, the same batch, neither packing nor checkpointing; in
            a Python of its own (--trl-python), left out without one
  naive     rows padded to 2048, activation checkpointing, the loss on everything: one row, since all take the same;
            with --quick a row of 512, its seconds taken four times, which flatters it

Beside them stands what the machine multiplies, in turns too: a step's work by that rate is the time of a step made of
nothing but the model's own matrices. Rates are by wall clock; cpu_ratio compares processor seconds, which tell more
where other work disturbs (with OMP_NUM_THREADS=1: threads wait by spinning). Rows {name, ours, baseline, baseline_name,
ratio, goal, unit, n} go to results/perf/training.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import torch  # noqa: E402
from rows import row, show, write  # noqa: E402

from halo_forge.data.builtin import load_families, variants  # noqa: E402
from halo_forge.jsonl import read_records  # noqa: E402
from halo_forge.model.base import materialise, resolve  # noqa: E402
from halo_forge.model.chat import Chat  # noqa: E402
from halo_forge.model.dtype import training_dtype  # noqa: E402
from halo_forge.records import Kept  # noqa: E402
from halo_forge.settings.params import load_params  # noqa: E402
from halo_forge.settings.training import Lora, Training  # noqa: E402
from halo_forge.train.adapter import kept_answers, solutions  # noqa: E402
from halo_forge.train.lora import Run, _Dataset, _model  # noqa: E402
from halo_forge.train.loss import answer_loss  # noqa: E402
from halo_forge.train.order import TogetherByPrompt  # noqa: E402
from halo_forge.train.packing import collate  # noqa: E402
from halo_forge.train.rows import IGNORED, tokenised  # noqa: E402

BATCH, BASELINE_MICRO = 8, 4
NAIVE_LENGTH = 2048
GOALS = {"padded": 1.6, "trl": 1.5, "naive": 40.0}
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="a model folder; left out, the base model of params.yaml")
    parser.add_argument("--kept", type=Path, nargs="+", default=[], help="kept.jsonl of one cycle or more")
    parser.add_argument("--trl-python", type=Path, help="a Python that has trl, transformers and peft")
    parser.add_argument("--steps", type=int, default=2, help="optimizer steps a side")
    parser.add_argument("--against", nargs="+", choices=GOALS, default=list(GOALS), help="the baselines")
    parser.add_argument("--micro-batch", type=int, default=BATCH, help="rows at a time on our side")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "perf" / "training.json")
    parser.add_argument(
        "--dtype", choices=["auto", "float32", "bfloat16"], default="auto", help="of our side; the others are float32"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one step of 4 rows a side, a naive row of a quarter of the length"
    )
    options = parser.parse_args()
    steps = 1 if options.quick else options.steps
    length = NAIVE_LENGTH // 4 if options.quick else NAIVE_LENGTH

    base = options.base or materialise(resolve(load_params(ROOT / "params.yaml").base_model))
    rows = read_rows(Chat.of(str(base)), options.kept)
    size = BATCH // 2 if options.quick else BATCH
    ours, theirs = (
        [batch[:size] for batch in batches(rows, order, steps)] for order in (in_our_order(rows), by_length(rows))
    )
    sides: dict[str, Callable[[list[Row]], None]] = model_sides(base, options.dtype, options.micro_batch, length)
    if "trl" in options.against and (step := trl_side(options.trl_python, base)):
        sides["trl"] = step
    timings: dict[str, list[dict[str, float]]] = {}
    machine = []
    for turn in range(steps):
        machine.append(gemm_gflops())
        measure(timings, "ours", ours[turn], sides["ours"])
        for name in (name for name in options.against if name in sides):
            if name != "naive":
                measure(timings, name, theirs[turn], sides[name])
            elif turn == 0:  # a row takes what several of our steps take, and every row the same
                measure(timings, name, theirs[turn][:1], sides[name], times=NAIVE_LENGTH // length)
    report(timings, statistics.median(machine), len(rows), base, options)


def read_rows(chat: Chat, kept: list[Path]) -> list[Row]:
    if kept:
        pairs = [pair for path in kept for pair in kept_answers(read_records(path, Kept))]
    else:
        tasks = [variant.task("cpp") for variant in variants(load_families(ROOT / "data" / "builtin"))]
        pairs = solutions(task for task in tasks if (task.difficulty or 0) <= 2)
    return tokenised(chat, pairs, 768, "the rows").examples


def in_our_order(rows: list[Row]) -> list[int]:
    torch.manual_seed(0)
    return list(TogetherByPrompt(_Dataset(rows).prompts))


def by_length(rows: list[Row]) -> list[int]:
    """As transformers groups: sorted by length within pools of many batches."""
    torch.manual_seed(0)
    drawn, pool = torch.randperm(len(rows)).tolist(), BATCH * max(1, min(len(rows) // (BATCH * 4), 50))
    pools = [drawn[start : start + pool] for start in range(0, len(drawn), pool)]
    return [row for part in pools for row in sorted(part, key=lambda i: -len(rows[i]["input_ids"]))]


def batches(rows: list[Row], order: list[int], number: int) -> list[list[Row]]:
    """`number` batches from all over the epoch."""
    whole = [order[start : start + BATCH] for start in range(0, len(order) - BATCH + 1, BATCH)]
    chosen = whole[:: max(1, len(whole) // number)][:number]
    return [[rows[row] for row in batch] for batch in (chosen * number)[:number]]


def micro_batches(rows: list[Row], size: int) -> Iterator[list[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def model_sides(
    base: Path, dtype: str, our_micro: int, naive_length: int = NAIVE_LENGTH
) -> dict[str, Callable[[list[Row]], None]]:
    """Optimizer steps of two models in turns: the packed, fused one that training makes, and a plain one in float32."""
    model, plain = (
        _model(Run(base, None, Lora(), Training(dtype=one), 1e-6, 0, Path("unused"))) for one in (dtype, "float32")
    )
    plain.get_base_model().set_attn_implementation("sdpa")
    for module in plain.modules():
        vars(module).pop("forward", None)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=training_dtype(dtype) == "bfloat16")

    def ours(rows: list[Row]) -> None:
        for micro in micro_batches(rows, our_micro):
            with autocast:
                loss = answer_loss(model, collate(micro)) / 1000
            loss.backward()
        finish_ours()

    def padded(rows: list[Row]) -> None:
        for micro in micro_batches(rows, BASELINE_MICRO):
            padded_loss(plain, micro, max(len(row["input_ids"]) for row in micro), everything=False).backward()
        finish_plain()

    def naive(rows: list[Row]) -> None:
        plain.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
        cut = [{name: row[name][:naive_length] for name in ("input_ids", "labels")} for row in rows]
        padded_loss(plain, cut, naive_length, everything=True).backward()
        plain.get_base_model().gradient_checkpointing_disable()
        finish_plain()

    finish_ours, finish_plain = stepping(model.train()), stepping(plain.train())
    with torch.no_grad():  # the weights come from the disk when they are first touched
        model(input_ids=torch.arange(2, 18)[None], position_ids=None, branches=[(0, 16, torch.tensor([]))])
        plain(input_ids=torch.arange(2, 18)[None])
    return {"ours": ours, "padded": padded, "naive": naive}


def stepping(model: Any) -> Callable[[], None]:
    """What a step ends with, once its gradients are there."""
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-6)

    def finish() -> None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return finish


def padded_loss(model: Any, rows: list[Row], length: int, *, everything: bool) -> Any:
    ids, labels = torch.zeros(len(rows), length, dtype=torch.long), torch.full((len(rows), length), IGNORED)
    for place, one in enumerate(rows):
        ids[place, : len(one["input_ids"])] = torch.tensor(one["input_ids"])
        labels[place, : len(one["labels"])] = torch.tensor(one["input_ids" if everything else "labels"])
    mask = (torch.arange(length) < torch.tensor([[len(row["input_ids"])] for row in rows])).long()
    start = 0 if everything else int((labels != IGNORED).any(dim=0).nonzero()[0]) - 1
    kept = torch.arange(start, length - 1)
    logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=kept).logits.float()
    targets = labels[:, kept + 1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / 1000


def trl_side(python: Path | None, base: Path) -> Callable[[list[Row]], dict[str, float]] | None:
    if python is None:
        print("trl: left out, as no --trl-python was given")
        return None
    command = [str(python), str(ROOT / "benchmarks" / "trl_steps.py"), str(base), str(BASELINE_MICRO)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(rows: list[Row]) -> dict[str, float]:
        print(json.dumps(rows), file=child.stdin, flush=True)
        answer = child.stdout.readline()
        if not answer:
            raise SystemExit(f"trl: {python} ended with {child.wait()}; its own words stand above")
        return json.loads(answer)

    return step


def measure(
    timings: dict[str, list], name: str, rows: list[Row], step: Callable[[list[Row]], Any], times: int = 1
) -> None:
    """The seconds of a step, by wall clock and by processor, or those that the step itself returns; `times` as much
    where it does but a part of the work."""
    wall, cpu = time.perf_counter(), time.process_time()
    own = step(rows)
    seconds = own or {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    seconds = {clock: times * value for clock, value in seconds.items()}
    answers = sum(label != IGNORED for row in rows for label in row["labels"])
    tokens = sum(len(row["input_ids"]) for row in rows)
    timings.setdefault(name, []).append({**seconds, "answers": answers, "tokens": tokens, "rows": len(rows)})
    print(
        f"{name:7} {seconds['wall']:6.1f} s {tokens / seconds['wall']:6.1f} tokens/s, of answers "
        f"{answers / seconds['wall']:6.1f}/s, {1000 * seconds['cpu'] / tokens:6.1f} ms of processor a token",
        flush=True,
    )


def gemm_gflops() -> float:
    """What the machine multiplies in float32 at the shape of a layer of half a billion parameters."""
    left, right = torch.randn(1024, 896), torch.randn(4864, 896)
    left @ right.t()
    began = time.perf_counter()
    for _ in range(5):
        left @ right.t()
    return 5 * 2 * 1024 * 896 * 4864 / (time.perf_counter() - began) / 1e9


def report(timings: dict[str, list], gflops: float, rows: int, base: Path, options: argparse.Namespace) -> None:
    def rate(name: str, clock: str, what: str = "answers") -> float:
        return statistics.median(one[what] / one[clock] for one in timings[name])

    table = [row("machine: float32 GEMM", gflops, "GFLOP/s", n=len(timings["ours"]))]
    for name in (name for name in GOALS if name in timings):
        what = "tokens" if name == "naive" else "answers"  # naive learns every token
        ours, baseline = rate("ours", "wall", what), rate(name, "wall", what)
        cpu = rate("ours", "cpu", what) / rate(name, "cpu", what)
        unit, count = ("answer tokens/s" if what == "answers" else "tokens/s"), len(timings[name])
        table.append(
            row("LoRA training", ours, unit, n=count, baseline=baseline, baseline_name=name, ratio=ours / baseline)
            | {"goal": GOALS[name], "cpu_ratio": round(cpu, 2)}
        )
        print(f"ours / {name}: {ours / baseline:.2f} by wall clock, {cpu:.2f} by processor; goal {GOALS[name]:g}")
    setting = {
        "model": base.name,
        "trained_rows": rows,
        "kept": [path.name for path in options.kept],
        "dtype": options.dtype,
    }
    setting |= {"threads": torch.get_num_threads(), "cores": os.cpu_count(), "batch": BATCH}
    setting |= {"micro_batch": options.micro_batch}
    write(options.output, table, **setting, timings=timings)
    show(table)


if __name__ == "__main__":
    main()
