"""Tokens a second of the openvino engine with 8-bit weights, against other ways of sampling, in turns in the same run.

    python benchmarks/generation_speed.py [--quick] [--model FOLDER] [--vllm-python PATH] [--rounds 3] [--tokens 128]

All draw answers to the same built-in prompts at the same temperature; real tokens only are counted, up to each answer's
end of turn. Baselines:
- naive: `generate` of transformers, 32 answers at once, padded to the longest prompt, as long as one of them goes on;
- float32: our engine with the weights as they are;
- vLLM: its build for the CPU, in the environment of --vllm-python, through our own engine for it.
Where answers are long enough, a last row counts those a second with `generate.stop: code_block` against the same
answers up to their end of turn.
Prints a table and writes results/perf/generation.json. A ratio is the median of the turns' ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import rows  # noqa: E402

from halo_forge.data.builtin import load_families, variants  # noqa: E402
from halo_forge.generate.code_block import code_block  # noqa: E402
from halo_forge.generate.engine import open_engine  # noqa: E402
from halo_forge.generate.protocol import Request  # noqa: E402
from halo_forge.model.chat import Chat  # noqa: E402
from halo_forge.records import Task  # noqa: E402
from halo_forge.settings.generate import Generate  # noqa: E402

TEMPERATURE, TOP_K = 0.7, 50
AT_ONCE = 128
NAIVE_AT_ONCE = 32
GOALS = {"naive": 8.0, "float32": 1.6, "vLLM": 2.5}
LARGE_BYTES = 1e9
CODE_BLOCK_TOKENS = 128
"""Of shorter answers hardly one gets to the end of its code block."""
RESULT = rows.PERF / "generation.json"


@dataclass(frozen=True)
class Turn:
    tokens: int
    answers: int
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds

    @property
    def answers_per_s(self) -> float:
        return self.answers / self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one turn of short answers")
    parser.add_argument("--model", type=Path, help="a model folder; without it the base model of params.yaml")
    parser.add_argument("--rounds", type=int, help="turns; by the model's size")
    parser.add_argument("--tokens", type=int, help="of an answer at most; by the model's size")
    parser.add_argument("--vllm-python", type=Path, help="the interpreter of an environment that has vLLM")
    parser.add_argument("--serve-vllm", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    base = options.model or base_model()
    tokens, rounds = sizes_for(base, options.quick)
    tokens, rounds = options.tokens or tokens, options.rounds or rounds
    if options.serve_vllm:
        serve_vllm(base, tokens)
        return
    arms = ways(base, tokens, options.vllm_python)
    turns: dict[str, list[Turn]] = {name: [] for name in arms}
    for number in range(rounds):
        for name, draw in arms.items():
            turn = draw(number)
            turns[name].append(turn)
            print(f"turn {number + 1}: {name}: {turn.tokens_per_s:.0f} tokens/s, {turn.answers} answers", flush=True)
    found = [
        row(f"sampling, {AT_ONCE} answers of at most {tokens} tokens, 8-bit weights", turns, "int8", name, goal)
        for name, goal in GOALS.items()
        if name in turns
    ]
    if "int8, code_block" in turns:
        found.append(row("answers up to their code block", turns, "int8, code_block", "int8", None, "answers/s"))
    rows.write(RESULT, found, model=base.name, answers=AT_ONCE, tokens=tokens)
    rows.show(found)


def sizes_for(base: Path, quick: bool) -> tuple[int, int]:
    """(tokens of an answer at most, turns), so that all ways together take some six minutes on two cores, vLLM's start
    included, and a quarter of that if `quick`."""
    large = sum(file.stat().st_size for file in base.glob("*.safetensors")) > LARGE_BYTES
    if quick:
        return (8 if large else 32), 1
    return (64, 1) if large else (128, 2)


def base_model() -> Path:
    from halo_forge.model.base import materialise, resolve
    from halo_forge.settings.params import load_params

    return materialise(resolve(load_params(ROOT / "params.yaml").base_model))


def row(
    name: str, turns: dict[str, list[Turn]], ours: str, baseline: str, goal: float | None, unit: str = "tokens/s"
) -> dict:
    def rates(way: str) -> list[float]:
        return [turn.answers_per_s if unit == "answers/s" else turn.tokens_per_s for turn in turns[way]]

    ratios = [one / other for one, other in zip(rates(ours), rates(baseline), strict=True)]
    return rows.row(
        name,
        statistics.median(rates(ours)),
        unit,
        n=len(ratios),
        baseline=statistics.median(rates(baseline)),
        baseline_name=baseline,
        ratio=statistics.median(ratios),
        goal=goal,
    )


def ways(base: Path, tokens: int, vllm_python: Path | None) -> dict[str, Callable[[int], Turn]]:
    """Name -> what draws the answers of a turn."""
    tasks = built_in()
    found = {"naive": naive(base, tasks, tokens)}
    for weights in ("float32", "int8"):
        found[weights] = engine(Generate(engine="openvino", weights=weights), base, tasks, tokens)
    if tokens >= CODE_BLOCK_TOKENS:
        stopped = Generate(engine="openvino", weights="int8", stop="code_block")
        found["int8, code_block"] = engine(stopped, base, tasks, tokens)
    if vllm_python is not None:
        found["vLLM"] = vllm(vllm_python, base, tokens)
    return found


def built_in() -> list[Task]:
    return [variant.task("cpp") for variant in variants(load_families(ROOT / "data" / "builtin"))]


def requests(
    chat: Chat,
    tasks: Sequence[Task],
    tokens: int,
    turn: int,
    answers: int,
    *,
    stopped: bool = False,
    seeded: bool = True,
) -> list[Request]:
    """Eight answers to each of the prompts, which are spread over the tasks."""
    chosen = tasks[turn :: max(1, len(tasks) // (answers // 8))][: answers // 8]
    return [
        Request(
            chat.prompt_ids(task.prompt),
            1000 * number + index if seeded else None,
            TEMPERATURE,
            TOP_K,
            1.0,
            tokens,
            code_block(task, chat.text) if stopped else None,
        )
        for number, task in enumerate(chosen)
        for index in range(8)
    ]


def engine(
    settings: Generate, base: Path, tasks: Sequence[Task], tokens: int, *, seeded: bool = True
) -> Callable[[int], Turn]:
    chat = Chat.of(str(base))
    opened = open_engine(settings, base, None, chat.end)

    def draw(turn: int) -> Turn:
        stopped = settings.stop == "code_block"
        wanted = requests(chat, tasks, tokens, turn, AT_ONCE, stopped=stopped, seeded=seeded)
        began = time.perf_counter()
        drawn = opened.generate(wanted)
        return Turn(sum(one.n_tokens for one in drawn), len(drawn), time.perf_counter() - began)

    # What is done once, such as the choice of kernels, is no part of the first turn.
    opened.generate([replace(one, max_new_tokens=2) for one in requests(chat, tasks, tokens, 0, 16, seeded=seeded)])
    return draw


def naive(base: Path, tasks: Sequence[Task], tokens: int) -> Callable[[int], Turn]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    chat = Chat.of(str(base))
    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()

    def draw(turn: int) -> Turn:
        prompts = [request.prompt_ids for request in requests(chat, tasks, tokens, turn, NAIVE_AT_ONCE)]
        began = time.perf_counter()
        batch = tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
        with torch.no_grad():
            out = model.generate(
                **batch,
                do_sample=True,
                temperature=TEMPERATURE,
                top_k=TOP_K,
                max_new_tokens=tokens,
                eos_token_id=chat.end,
                pad_token_id=chat.end,
            )
        seconds = time.perf_counter() - began
        answers = [ids.tolist() for ids in out[:, batch["input_ids"].shape[1] :]]
        real = sum(ids.index(chat.end) + 1 if chat.end in ids else len(ids) for ids in answers)
        return Turn(real, len(answers), seconds)

    return draw


def vllm(python: Path, base: Path, tokens: int) -> Callable[[int], Turn]:
    """Another process, which draws when it is told the turn, so that nothing else runs meanwhile."""
    command = [str(python), __file__, "--serve-vllm", "--model", str(base), "--tokens", str(tokens)]
    quiet = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}  # one process, as ours
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "2", **quiet}
    served = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def said(word: str) -> str:
        for line in served.stdout:
            if line.startswith(word):
                return line.removeprefix(word)
        raise SystemExit(f"vLLM ended with {served.wait()}")

    def draw(turn: int) -> Turn:
        print(turn, file=served.stdin, flush=True)
        return Turn(**json.loads(said("turn ")))

    said("ready")  # its start would disturb the others' turns
    return draw


def serve_vllm(base: Path, tokens: int) -> None:
    # Without seeds, which is faster: a seeded generator of a CPU stops vLLM 0.32 where it takes a prompt in parts.
    draw = engine(Generate(engine="vllm", batch_size=AT_ONCE), base, built_in(), tokens, seeded=False)
    print("ready", flush=True)
    for line in sys.stdin:
        print("turn " + json.dumps(vars(draw(int(line)))), flush=True)


if __name__ == "__main__":
    main()
