"""One optimizer step's rows, dealt out to processes that train together: the batches are those of one process."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler


class Shares(Sampler):
    """The micro-batches of process `rank` of `ranks`: lists of rows, `steps` of them a whole batch.

    Every process draws the same order and takes its neighbouring part of every batch. All have as many micro-batches,
    since each waits for the others at every one of them: where a last, smaller batch leaves nothing for a process, its
    list is empty.
    """

    def __init__(self, order: Sampler, batch: int, micro_batch: int, rank: int = 0, ranks: int = 1):
        """`batch` rows a step, a multiple of `ranks`; `micro_batch`, a divisor of batch / ranks, at a time."""
        self.order, self.batch, self.micro_batch, self.rank, self.ranks = order, batch, micro_batch, rank, ranks

    def __len__(self) -> int:
        whole, rest = divmod(len(self.order), self.batch)
        return whole * self._micro_batches(self.batch) + self._micro_batches(rest)

    def __iter__(self) -> Iterator[list[int]]:
        rows = _of_first(list(self.order))
        for start in range(0, len(rows), self.batch):
            batch = rows[start : start + self.batch]
            first, end = (len(batch) * rank // self.ranks for rank in (self.rank, self.rank + 1))
            own = batch[first:end]
            for number in range(self._micro_batches(len(batch))):
                yield own[number * self.micro_batch : (number + 1) * self.micro_batch]

    def _micro_batches(self, rows: int) -> int:
        """Of each process, for a batch of so many rows."""
        most = -(-rows // self.ranks)
        return -(-most // self.micro_batch)


def _of_first(rows: list[int]) -> list[int]:
    """The order that the first process drew: with dropout the others have drawn other numbers since the start."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return rows
    told = [rows]
    distributed.broadcast_object_list(told)
    return told[0]


def micro_batch_of(batch: int, micro_batch: int, ranks: int) -> int:
    """The most rows that a process can take at a time: at most `micro_batch`, and a divisor of its share of a batch."""
    share = batch // ranks
    return max(rows for rows in range(1, min(micro_batch, share) + 1) if share % rows == 0)
