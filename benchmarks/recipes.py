"""RAFT recipes side by side: the same SFT model, the same prompts, as many samples; only the recipe differs.

    python benchmarks/recipes.py --base models/pipeline/base [--only plain gate] [--cycles 2] [--jobs 1] [--out FOLDER]

One model is fine-tuned on the SFT tasks' solutions, each recipe trains it by `halo-forge raft train` on the RAFT tasks,
and every model is measured by `halo-forge benchmark run` on tasks of other families: the three sides of data/split,
which the pipeline's stage `split` writes. The differences are paired by task, with 95 % intervals by bootstrap over
families. Everything is a command of this project and is printed before it runs; a run that was stopped goes on.

With several GPUs, or one that is not kept busy by one process, `--jobs` runs so many recipes at once.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from halo_forge.statistics.compare import compare

RECIPES: dict[str, Sequence[str]] = {
    "plain": (),
    "gate 0.8": ("--max-pass-rate", "0.8"),
}
CLI = (sys.executable, "-m", "halo_forge")
RESAMPLES = 10_000


class Arms:
    """The models of one comparison, in a folder of their own."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.out = options, options.out
        self.sft = self.out / "sft" / "final_model"

    def fine_tune(self) -> None:
        say = self.options
        flags = ["--model", say.base, "--data", say.split / "sft.jsonl", "--output", self.out / "sft"]
        flags += ["--epochs", say.sft_epochs, "--learning-rate", say.sft_rate, "--validation-split", "0"]
        flags += ["--warmup-ratio", "0", "--weight-decay", "0", "--max-grad-norm", "1", "--lora-dropout", "0"]
        self._run("sft", ["sft", "train", *flags, *self._batch(), *self._seed()])

    def train(self, name: str) -> Path:
        say, out = self.options, self.out / _folder(name)
        flags = ["--checkpoint", self.sft, "--prompts", say.split / "raft.jsonl", "--output", out]
        flags += ["--cycles", say.cycles, "--samples-per-prompt", say.samples, "--reward-threshold", "1.0"]
        flags += ["--max-keep-per-prompt", say.keep, "--temperature", say.temperature]
        flags += ["--learning-rate", say.rate, "--max-new-tokens", say.max_new_tokens, "--epochs", say.epochs]
        self._run(name, ["raft", "train", *flags, *RECIPES[name], *self._batch(), *self._seed()])
        return out / f"cycle_{say.cycles}_final"

    def measure(self, name: str, model: Path | str) -> dict[str, Any]:
        say, out = self.options, self.out / "results" / f"{_folder(name)}.json"
        flags = ["--model", model, "--prompts", say.split / "benchmark.jsonl", "--output", out]
        flags += ["--samples", say.draws, "--temperature", "0.7", "--max-new-tokens", say.max_new_tokens]
        self._run(name, ["benchmark", "run", *flags, *self._seed()])
        return json.loads(out.read_text())

    def recipe(self, name: str) -> dict[str, Any]:
        """Train by it and measure: its card, with seconds and what its last cycle kept."""
        started = time.monotonic()
        card = self.measure(name, self.train(name))
        cycles = json.loads((self.out / _folder(name) / "raft_statistics.json").read_text())
        return card | {"wall_s": round(time.monotonic() - started), "kept": [row["kept"] for row in cycles]}

    def _run(self, name: str, arguments: Sequence[Any]) -> None:
        words = [*CLI, *map(str, arguments)]
        log = self.out / "logs" / f"{_folder(name)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        print(f"{name}: halo-forge {shlex.join(words[len(CLI) :])}", flush=True)
        with log.open("a") as stream:
            done = subprocess.run(words, stdout=stream, stderr=subprocess.STDOUT)
        if done.returncode:
            raise SystemExit(f"{name}: exit {done.returncode}; the end of {log}:\n{log.read_text()[-2000:]}")

    def _batch(self) -> list[str]:
        size = str(self.options.batch_size)
        bf16 = "--bf16" if self.options.bf16 else "--no-bf16"
        return ["--batch-size", size, "--gradient-accumulation", "1", "--no-gradient-checkpointing", bf16]

    def _seed(self) -> list[str]:
        return ["--seed", str(self.options.seed)]


def _folder(name: str) -> str:
    return name.replace(", ", "-").replace(" ", "_")


def _row(name: str, card: dict[str, Any], sft: dict[str, Any], seed: int) -> dict[str, Any]:
    """The figures of a model, and what it gained over SFT: (estimate, low, high) of each k."""
    row = {
        "name": name,
        "pass_at_k": card["pass_at_k"],
        "compile_rate": card["compile_rate"],
        "n_tasks": card["n_tasks"],
        "n_samples": card["n_samples"],
    }
    row |= {key: card[key] for key in ("kept", "wall_s") if key in card}
    return row if card is sft else row | {"gain_over_sft": compare(sft, card, RESAMPLES, seed)}


def _print(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("recipe", "pass@1", "gain", "pass@10", "gain", "compiles", "kept", "seconds")
    for row in rows:
        cells = []
        for k in ("1", "10"):
            gain = row.get("gain_over_sft", {}).get(f"pass@{k}")
            cells += [f"{row['pass_at_k'].get(k, float('nan')):.1%}", _interval(gain) if gain else ""]
        kept = " ".join(map(str, row.get("kept", ())))
        table.add_row(row["name"], *cells, f"{row['compile_rate']:.1%}", kept, str(row.get("wall_s", "")))
    Console(width=140).print(table)


def _interval(gain: dict[str, Any]) -> str:
    return f"{100 * gain['difference']:+.1f} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base", default="models/pipeline/base", help="folder, hub id or .gguf of the base model")
    parser.add_argument("--split", type=Path, default=Path("data/split"), help="sft.jsonl, raft.jsonl, benchmark.jsonl")
    parser.add_argument("--out", type=Path, default=Path(".state/recipes"))
    parser.add_argument("--output", type=Path, default=Path("results/recipes.json"))
    parser.add_argument("--only", nargs="*", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--jobs", type=int, default=1, help="recipes at once")
    parser.add_argument("--cycles", type=int, default=2)
    parser.add_argument("--samples", type=int, default=6, help="samples of a RAFT prompt a cycle")
    parser.add_argument("--keep", type=int, default=2, help="rows of a prompt that are trained on at most")
    parser.add_argument("--draws", type=int, default=20, help="answers to a prompt of the benchmark")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--max-new-tokens", type=int, default=300)
    parser.add_argument("--sft-epochs", type=int, default=1)
    parser.add_argument("--sft-rate", type=float, default=2e-4)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--with-base", action="store_true", help="measure the base model too")
    parser.add_argument("--seed", type=int, default=14)
    options = parser.parse_args()
    arms = Arms(options)
    arms.fine_tune()
    with ThreadPoolExecutor(options.jobs) as pool:
        base = pool.submit(arms.measure, "base", options.base) if options.with_base else None
        sft = pool.submit(arms.measure, "sft", arms.sft)
        running = {name: pool.submit(arms.recipe, name) for name in options.only}
        before = sft.result()
        cards = ({"base": base.result()} if base else {}) | {"sft": before}
        rows = [_row(name, card, before, options.seed) for name, card in cards.items()]
        for name, future in running.items():
            rows.append(_row(name, future.result(), before, options.seed))
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text(json.dumps(rows, indent=1) + "\n")
    _print(rows)


if __name__ == "__main__":
    main()
