"""Training rows: token ids with the loss on the answer only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from halo_forge.errors import InputError
from halo_forge.model.chat import Chat, Prompt

IGNORED = -100  # PyTorch's ignore_index


@dataclass(frozen=True)
class Rows:
    """`examples`: {input_ids, labels}, of equal length; labels are IGNORED on the prompt, so the loss covers the answer
    and its end-of-turn token. `left_out` counts dropped rows by reason."""

    examples: list[dict[str, Any]]
    left_out: dict[str, int]

    @property
    def tokens(self) -> int:
        return sum(len(example["input_ids"]) for example in self.examples)

    @property
    def answer_tokens(self) -> int:
        return sum(label != IGNORED for example in self.examples for label in example["labels"])


def tokenised(chat: Chat, pairs: Iterable[tuple[Prompt, str]], max_tokens: int, where: str) -> Rows:
    """Rows of (prompt, answer) pairs. Raises InputError if none is left."""
    examples, left_out = [], Counter()
    for prompt, answer in pairs:
        if not answer.strip():
            left_out["empty answer"] += 1
            continue
        before, taught = chat.prompt_ids(prompt), chat.answer_ids(answer)
        if taught.count(chat.end) != 1:
            left_out["its tokenizer reads an end of turn within the answer"] += 1
            continue
        if len(before) + len(taught) > max_tokens:
            left_out[f"longer than {max_tokens} tokens"] += 1
            continue
        examples.append({"input_ids": before + taught, "labels": [IGNORED] * len(before) + taught})
    if not examples:
        reasons = ", ".join(f"{number} {reason}" for reason, number in left_out.items()) or "the file has no rows"
        raise InputError(f"{where}: nothing to train on: {reasons}")
    return Rows(examples, dict(left_out))
