"""The order of rows in an epoch: drawn anew, with the answers to one prompt beside each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

import torch
from torch.utils.data import Sampler


class TogetherByPrompt(Sampler):
    """Draws the prompts' order, and that of each one's rows, from torch's default generator.

    Rows that share a prompt come into one batch, where the prompt is computed once. Lengths do not matter: nothing is
    padded.
    """

    def __init__(self, prompts: Sequence[Hashable]):
        """`prompts` has the prompt of every row."""
        rows = defaultdict(list)
        for row, prompt in enumerate(prompts):
            rows[prompt].append(row)
        self.groups = list(rows.values())

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    def __iter__(self) -> Iterator[int]:
        for group in torch.randperm(len(self.groups)).tolist():
            rows = self.groups[group]
            yield from (rows[place] for place in torch.randperm(len(rows)).tolist())
