"""The same questions to openvino, transformers, vllm in process and `vllm serve` over HTTP, on a real model.

    make drill-vllm [ARGS="--prompts 12"]

On the embedded model (SmolLM2-135M) and a random LoRA adapter on it, float32, CPU. vLLM runs in an environment of its
own: that of VLLM_PYTHON, else .venv-vllm, which is made first. Where a greedy answer is not that of transformers, the
gap between the two best logits at the place where they part is told: below 0.001 it is a tie. Ends with one line that
says what was equal; exit code 1 if anything else was not, 77 where the environment cannot be made.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks")]

from engines import conformance  # noqa: E402
from engines.answers import read_answers  # noqa: E402
from engines.vllm_environment import ENVIRONMENT, NotMade, serving, vllm_python  # noqa: E402

REFERENCE, MODEL = "transformers", "smollm2"
NEW, LONGEST, AT_ONCE, RANK = 48, 1500, 16, 8
TIE = 1e-3
STD = 0.05
SAID = [("Say hello.", "Hello!"), ("What is 2 + 2?", "2 + 2 = 4."), ("Thank you.", "You're welcome!")]
CANNOT = 77


@dataclass
class Drill:
    """`found` is what the engines answered, by (engine, "base" or "adapter")."""

    folder: Path
    base: Path
    chat: Any
    adapter: Path
    python: Path
    questions: dict[str, list]
    found: dict[tuple[str, str], conformance.Answers] = field(default_factory=dict)

    def ask(self, engine: str, tuned: str, python: Path, **settings: Any) -> None:
        job = self._job(engine, tuned, settings, self.questions)
        began = time.monotonic()
        done = self._run(python, job)
        if done.wait():
            raise SystemExit(f"{engine}, {tuned}: ended with {done.returncode}:\n{_tail(job.with_suffix('.log'))}")
        self.found[engine, tuned] = read_answers(job.with_suffix(".answers"))
        print(f"{engine}, {tuned}: answered in {time.monotonic() - began:.0f} s", flush=True)

    def ask_until_killed(self, process: int, **settings: Any) -> str:
        """Kill the server two seconds after it was asked for long answers; what the engine then says."""
        longer = {"greedy": [{**asdict(one), "max_new_tokens": 1000} for one in self.questions["greedy"]]}
        job = self._job("server", "killed", settings, longer)
        done = self._run(Path(sys.executable), job)
        deadline = time.monotonic() + 60
        while "asking" not in _tail(job.with_suffix(".log")) and time.monotonic() < deadline and done.poll() is None:
            time.sleep(0.2)
        time.sleep(2)
        os.killpg(process, signal.SIGKILL)
        code = done.wait()
        said = _tail(job.with_suffix(".log")).strip().splitlines()[-1]
        return said if code == 3 else f"WRONG: the killed server ended the run with {code}: {said}"

    def _job(self, engine: str, tuned: str, settings: dict[str, Any], questions: dict[str, list]) -> Path:
        rows = {
            name: [one if isinstance(one, dict) else asdict(one) for one in requests]
            for name, requests in questions.items()
        }
        path = self.folder / f"{engine}-{tuned}.json"
        job = {
            "settings": {"engine": engine, "batch_size": AT_ONCE, **settings},
            "base": str(self.base),
            "adapter": str(self.adapter) if tuned == "adapter" else None,
            "end": self.chat.end,
            "questions": rows,
            "output": str(path.with_suffix(".answers")),
        }
        path.write_text(json.dumps(job))
        return path

    def _run(self, python: Path, job: Path) -> subprocess.Popen:
        command = [str(python), str(ROOT / "benchmarks" / "engines" / "answers.py"), str(job)]
        with job.with_suffix(".log").open("w") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **ENVIRONMENT})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=50, help="12 at least, of which some are drawn")
    options = parser.parse_args()
    try:
        python = vllm_python(ROOT / ".venv-vllm")
    except NotMade as error:
        print(f"drill-vllm: the environment cannot be made: {error}")
        return CANNOT
    with tempfile.TemporaryDirectory() as folder:
        drill = prepared(Path(folder), python, options.prompts)
        for tuned in ("base", "adapter"):
            drill.ask("openvino", tuned, Path(sys.executable), weights="float32")
            drill.ask("transformers", tuned, Path(sys.executable))
            drill.ask("vllm", tuned, python)
        with serving(python, drill.base, MODEL, RANK, AT_ONCE, Path(folder) / "serve.log") as (url, process):
            server = {"model": MODEL, "url": url, "patience_s": 3.0}
            for tuned in ("base", "adapter"):
                drill.ask("server", tuned, Path(sys.executable), server=server)
            killed = drill.ask_until_killed(process, server=server)
        return verdict(drill, killed)


def prepared(folder: Path, python: Path, prompts: int) -> Drill:
    from halo_forge.data.builtin import load_families, variants
    from halo_forge.model.base import materialise, resolve
    from halo_forge.model.chat import Chat
    from halo_forge.model.reference import EMBEDDED

    base = materialise(resolve(EMBEDDED))
    chat = Chat.of(str(base))
    tasks = variants(load_families(ROOT / "data" / "builtin"))
    chosen = [task.prompt("cpp") for task in tasks[:: len(tasks) // prompts][:prompts]]
    asked = conformance.questions(chat, chosen, SAID, NEW, LONGEST)
    return Drill(folder, base, chat, random_adapter(base, folder / "adapter"), python, asked)


def random_adapter(base: Path, folder: Path) -> Path:
    """Matrices that change every answer, and leave it a language."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, matrix in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(matrix, std=STD)
    model.save_pretrained(folder)
    return folder


def verdict(drill: Drill, killed: str) -> int:
    """Print every difference and the line at the end; 1 if there is one that is no tie."""
    wrong = [killed] if killed.startswith("WRONG") else []
    ties: list[float] = []
    engines = list(dict.fromkeys(engine for engine, _ in drill.found))
    for tuned in ("base", "adapter"):
        reference = drill.found[REFERENCE, tuned]
        for engine in engines:
            ours, name = drill.found[engine, tuned], f"{engine}, {tuned}"
            faults = conformance.form_faults(ours, drill.chat.end, NEW) + conformance.seed_faults(ours)
            wrong += [f"{name}: {fault}" for fault in faults]
            for question, at in conformance.differing(ours, reference):
                one, other = ours[question][at], reference[question][at]
                gap = parting(drill, tuned, drill.questions[question][at], one, other)
                print(f"{name}: {question} {at}: another answer, the two best logits are {gap:.2g} apart")
                if gap < TIE:
                    ties.append(gap)
                else:
                    wrong.append(f"{name}: {question} {at}: {one} and {other}")
        if not any(not one.ids for one in reference["nothing"]):
            wrong.append(f"{tuned}: no question has an answer of 0 tokens")
    plain, tuned = (drill.found[REFERENCE, tuned]["greedy"] for tuned in ("base", "adapter"))
    changed = sum(one.ids != other.ids for one, other in zip(plain, tuned, strict=True))
    if not changed:
        wrong.append("the adapter changes no answer")
    for line in wrong:
        print(f"WRONG {line}")
    n = 2 * sum(len(drill.questions[name]) for name in conformance.COMPARED)
    at_ties = f"{len(ties)} of {n * (len(engines) - 1)} part at a tie" + (
        f" of at most {max(ties):.1g}" if ties else ""
    )
    print(
        f"drill-vllm: {'equal' if not wrong else f'NOT equal ({len(wrong)} faults)'}: greedy answers to "
        f"{len(plain)} prompts, whole and truncated, a prompt of {LONGEST} tokens and answers of 0, with and without "
        f"adapter (it changes {changed}), over {', '.join(engines)}; {at_ties}; draws kept their seeds in any order; a "
        f"killed server: {killed[:160]}"
    )
    return 1 if wrong else 0


def parting(drill: Drill, tuned: str, request: Any, one: Any, other: Any) -> float:
    """The gap of the reference's two best logits where two answers part; infinite if they are the same tokens."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    pairs = zip([*one.ids, drill.chat.end], [*other.ids, drill.chat.end], strict=False)
    same = next((at for at, (ours, theirs) in enumerate(pairs) if ours != theirs), None)
    if same is None:
        return float("inf")
    model = AutoModelForCausalLM.from_pretrained(drill.base, dtype=torch.float32)
    if tuned == "adapter":
        model = PeftModel.from_pretrained(model, drill.adapter)
    with torch.inference_mode():
        logits = model(torch.tensor([request.prompt_ids + other.ids[:same]])).logits[0, -1]
    best = logits.topk(2).values
    return float(best[0] - best[1])


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-3000:]


if __name__ == "__main__":
    sys.exit(main())
