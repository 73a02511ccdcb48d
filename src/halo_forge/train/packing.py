"""Rows of one batch as one sequence in which every token is computed once, however many rows begin with it.

A causal model's state at a token depends on the tokens before it alone. So rows that begin alike (the system prompt,
several answers to one prompt, answers that begin with the same lines) share the states of what they share, as the paths
of a tree share its branches, and no row is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from halo_forge.train.rows import IGNORED

_NOTHING = {"input_ids": [0, 0], "labels": [IGNORED, IGNORED]}


class Branch(NamedTuple):
    """What one row adds to the sequence: the tokens `start` to `start + length`, which continue the `shared` tokens
    that other rows have brought, in order."""

    start: int
    length: int
    shared: list[int]


@dataclass(frozen=True)
class Packed:
    """`tokens` and their `positions` in their rows; `branches` cover the tokens in order.

    The loss is over `labels`; `predicted_at` are the places of the tokens that predict them, one place several times
    where rows part.
    """

    tokens: list[int]
    positions: list[int]
    branches: list[Branch]
    labels: list[int]
    predicted_at: list[int]


def packed(rows: Sequence[dict[str, Any]]) -> Packed:
    """Rows of {input_ids, labels} as one sequence. The last token of a row predicts nothing and is left out."""
    sequence = Packed([], [], [], [], [])
    before: list[int] = []  # the row before, and where its tokens lie
    path: list[int] = []
    for row in sorted(rows, key=lambda row: row["input_ids"]):  # then the row before shares the most
        ids = row["input_ids"][:-1]
        shared = path[: _common(before, ids)]
        start = len(sequence.tokens)
        own = len(ids) - len(shared)
        path = shared + list(range(start, start + own))
        sequence.tokens.extend(ids[len(shared) :])
        sequence.positions.extend(range(len(shared), len(ids)))
        if own:
            sequence.branches.append(Branch(start, own, shared))
        for place, label in zip(path, row["labels"][1:], strict=True):
            if label != IGNORED:
                sequence.labels.append(label)
                sequence.predicted_at.append(place)
        before = ids
    return sequence


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))


def collate(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a batch of rows is to the model and to the loss: see `attention.branch_attention` and `loss.answer_loss`.

    `kept` are the places whose logits are wanted, each once; `predicted_at` counts within them. Without rows it is what
    a process computes that has none of a batch, as the others wait for its gradients: they are 0.
    """
    import torch

    sequence = packed(rows or [_NOTHING])
    kept, predicted_at = torch.tensor(sequence.predicted_at, dtype=torch.long).unique(return_inverse=True)
    return {
        "input_ids": torch.tensor([sequence.tokens]),  # (1, tokens)
        "position_ids": torch.tensor([sequence.positions]),
        "branches": [(start, length, torch.tensor(shared)) for start, length, shared in sequence.branches],
        "kept": kept,
        "labels": torch.tensor(sequence.labels, dtype=torch.long),  # (answer tokens of all rows)
        "predicted_at": predicted_at,
    }
