"""An exported model against the adapter that it was made of: the same greedy answers? `make drill-export`.

    python benchmarks/export_check.py --model models/pipeline/best [--prompts 50] [--tokens 64] [--gguf f16 q4_k_m]

Asked are built-in C++ problems, spread over all of them. Reference: the base model with its adapter, in float32.
Compared: the merged weights in float32 and as exported, in bfloat16; every GGUF file, by llama.cpp where
llama-cpp-python is installed, else as transformers reads it. Where an answer first differs, the reference says how much
surer it was of its own token than of the other, in logits: below the tie of the form (TIES) rounding decides, which no
export can keep. Ends with 1 if an answer of a form that is held to ties differs otherwise. Of other quantisations the
differences are only shown.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from halo_forge.data.builtin import load_families, variants
from halo_forge.export.evidence import evidence_of
from halo_forge.export.export import KINDS, Export, export
from halo_forge.export.sampling import sampling_of
from halo_forge.files import write_json
from halo_forge.generate.protocol import Request
from halo_forge.generate.transformers import TransformersEngine
from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.model.reference import find_checkpoint
from halo_forge.progress import print_table
from halo_forge.settings.generate import Generate

TIES = {"merged float32": 1e-3, "F16": 0.02, "merged bfloat16": 0.25}
"""Logits; of a form that is not here the differences are only shown."""


def main() -> int:
    asked = arguments()
    model = find_checkpoint(asked.model)
    chat = Chat.of(str(model.base), model.lock["system_prompt"])
    texts = prompts(asked.prompts)
    ids = [chat.prompt_ids(text) for text in texts]
    reference = by_engine(model.base, model.adapter, chat, ids, asked.tokens)
    rows, wrong = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        forms = exported(model, Path(scratch), asked.gguf, chat, ids, asked.tokens)
        gaps = Gaps(model, ids)
        for name, how, answer in forms:
            started = time.monotonic()
            answers = answer()
            different = [
                (i, gaps.of(i, reference[i], given)) for i, given in enumerate(answers) if given != reference[i]
            ]
            limit = TIES.get(name)
            beyond = [gap for _, gap in different if limit is not None and gap > limit]
            wrong += len(beyond)
            rows.append(
                {
                    "form": name,
                    "by": how,
                    "answers": len(answers),
                    "same": len(answers) - len(different),
                    "ties": None if limit is None else len(different) - len(beyond),
                    "tie": limit,
                    "beyond": None if limit is None else len(beyond),
                    "largest_gap": max((gap for _, gap in different), default=0.0),
                    "seconds": round(time.monotonic() - started, 1),
                }
            )
            print(json.dumps(rows[-1]), file=sys.stderr)
    headers = ["form", "by", "answers", "same", "ties", "tie", "beyond", "largest gap", "s"]
    print_table(headers, [[f"{one:.3g}" if isinstance(one, float) else one for one in row.values()] for row in rows])
    if asked.output:
        write_json(asked.output, {"model": asked.model, "tokens": asked.tokens, "forms": rows})
    return 1 if wrong else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="models/pipeline/best")
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer, at most")
    parser.add_argument("--gguf", nargs="*", choices=KINDS, default=["f16", "q8_0"])
    parser.add_argument("--output", type=Path, help="the table as JSON")
    return parser.parse_args()


def prompts(count: int) -> list[str]:
    root = Path(__file__).resolve().parents[1]
    tasks = [variant.task("cpp") for variant in variants(load_families(root / "data/builtin"))]
    step = max(1, len(tasks) // count)
    return [task.prompt for task in tasks[::step][:count]]


def exported(
    model: Checkpoint, scratch: Path, kinds: Sequence[str], chat: Chat, ids: list[list[int]], tokens: int
) -> list[tuple[str, str, Callable[[], list[list[int]]]]]:
    """(form, program, function that asks it) of everything that is compared."""
    whole, plain = scratch / "model", scratch / "float32"
    evidence, sampling = evidence_of(model, []), sampling_of(None)
    export(model, Export(whole, kinds), evidence, sampling, "")
    export(model, Export(plain, dtype="float32"), evidence, sampling, "")
    forms: list[tuple[str, str, Callable[[], list[list[int]]]]] = [
        (f"merged {name}", "transformers", lambda folder=folder: by_engine(folder, None, chat, ids, tokens))
        for name, folder in (("float32", plain), ("bfloat16", whole))
    ]
    native = importlib.util.find_spec("llama_cpp") is not None
    for kind in kinds:
        path = whole / f"{whole.name}-{kind.upper()}.gguf"
        ask = by_llama if native else by_reading
        forms.append(
            (
                kind.upper(),
                "llama.cpp" if native else "transformers",
                lambda path=path, ask=ask: ask(path, chat, ids, tokens),
            )
        )
    return forms


def by_engine(base: Path, adapter: Path | None, chat: Chat, ids: list[list[int]], tokens: int) -> list[list[int]]:
    engine = TransformersEngine(Generate(engine="transformers", dtype="float32"), base, adapter, chat.end)
    found = engine.generate([Request(one, 0, 0.0, 0, 1.0, tokens) for one in ids])
    return [[*one.ids, chat.end] if one.finish_reason == "stop" else one.ids for one in found]


def by_reading(path: Path, chat: Chat, ids: list[list[int]], tokens: int) -> list[list[int]]:
    """By transformers, which turns the file back into float32."""
    from halo_forge.model.gguf import gguf_to_folder

    folder = path.parent / f"{path.stem}.read"
    gguf_to_folder(path, folder)
    return by_engine(folder, None, chat, ids, tokens)


def by_llama(path: Path, chat: Chat, ids: list[list[int]], tokens: int) -> list[list[int]]:
    """By llama.cpp, which is also asked how it cuts the prompts into tokens."""
    import llama_cpp.llama as loader

    plain = loader.llama_cpp.llama_model_default_params()
    plain.use_extra_bufts = False  # weights repacked for AMX crash a build for such a processor at the first token
    loader.llama_cpp.llama_model_default_params = lambda: plain
    longest = max(map(len, ids)) + tokens
    llama = loader.Llama(str(path), n_ctx=longest, logits_all=False, verbose=False)
    answers = []
    for prompt in ids:
        text = chat.tokenizer.decode(prompt)
        theirs = llama.tokenize(text.encode(), add_bos=False, special=True)
        if theirs != prompt:
            raise SystemExit(f"llama.cpp cuts a prompt otherwise: {theirs} instead of {prompt}")
        answer: list[int] = []
        for token in llama.generate(prompt, temp=0.0, repeat_penalty=1.0):
            answer.append(token)
            if token == chat.end or len(answer) == tokens:
                break
        answers.append(answer)
    return answers


class Gaps:
    """How sure the reference was of its own token where another answer first leaves it."""

    def __init__(self, model: Checkpoint, ids: list[list[int]]):
        from halo_forge.export.merge import merged

        self.ids, self.model = ids, merged(model)

    def of(self, number: int, own: list[int], other: list[int]) -> float:
        """Difference of two logits; endless where one answer is a part of the other."""
        import torch

        place = next((i for i, (a, b) in enumerate(zip(own, other, strict=False)) if a != b), None)
        if place is None:
            return float("inf")
        with torch.inference_mode():
            logits: Any = self.model(torch.tensor([self.ids[number] + own[:place]])).logits[0, -1]
        return (logits[own[place]] - logits[other[place]]).item()


if __name__ == "__main__":
    sys.exit(main())
