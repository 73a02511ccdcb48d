"""Seeded draws from logits, a whole batch at a time on any device.

The draw of a row depends on its logits, its seed and how many tokens it has: not on its neighbours, the size of the
batch, or whether the run was resumed, and not on the device, given the same logits. The noise has no state: it is a
hash of (seed, step, token), as in counter-based generators (Salmon et al. 2011, "Parallel random numbers: as easy as
1, 2, 3"). Added to the logits it makes their argmax a sample of the softmax (Gumbel-max; Maddison et al. 2014, arXiv
1411.0030).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from halo_forge.generate.protocol import Request

GROUP = 64
"""Neighbouring tokens whose greatest logit is looked at first."""
ELEMENTS = 1 << 26
"""Logits worked on at a time: what is made of them takes up to 60 bytes each."""


def _signed(number: int) -> int:
    """The 64 bits of `number` as torch's int64 has them."""
    return number - (1 << 64) if number >= 1 << 63 else number


_WEYL, _FIRST, _SECOND = map(_signed, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))  # of SplitMix64


@dataclass(frozen=True)
class Settings:
    """How each of n rows draws: tensors of shape (n,) on the device of the logits."""

    seeds: Tensor
    temperatures: Tensor
    top_k: Tensor
    top_p: Tensor
    widest_k: int
    """The greatest top_k among them; 0 if a row that draws has none."""
    any_top_k: bool
    any_top_p: bool
    any_drawn: bool

    @classmethod
    def of(cls, requests: Sequence[Request], device: torch.device) -> Settings:
        drawn = [request for request in requests if request.temperature]
        unlimited = any(request.top_k == 0 for request in drawn)
        return cls(
            torch.tensor([request.seed for request in requests], dtype=torch.int64, device=device),
            torch.tensor([request.temperature for request in requests], dtype=torch.float64, device=device),
            torch.tensor([request.top_k for request in requests], dtype=torch.int64, device=device),
            torch.tensor([request.top_p for request in requests], dtype=torch.float64, device=device),
            0 if unlimited else max((request.top_k for request in drawn), default=0),
            any(request.top_k for request in drawn),
            any(request.top_p < 1 for request in drawn),
            bool(drawn),
        )

    def rows(self, part: slice) -> Settings:
        tensors = (self.seeds[part], self.temperatures[part], self.top_k[part], self.top_p[part])
        return Settings(*tensors, self.widest_k, self.any_top_k, self.any_top_p, self.any_drawn)


def draw(logits: Tensor, settings: Settings, steps: Tensor) -> Tensor:
    """The next token of each row, (n,) int64. `logits` (n, vocabulary); `steps` (n,): the tokens each row has drawn.

    Of equal logits the token with the lower id comes first, so that a cut at top_k falls alike on every device.
    """
    n, vocabulary = logits.shape
    rows = max(1, ELEMENTS // vocabulary)
    parts = [slice(start, start + rows) for start in range(0, n, rows)]
    return torch.cat([_draw(logits[part], settings.rows(part), steps[part]) for part in parts])


def _draw(logits: Tensor, settings: Settings, steps: Tensor) -> Tensor:
    likeliest = _ranked(logits, 1)[:, 0]
    if not settings.any_drawn:
        return likeliest
    vocabulary = logits.shape[1]
    temperatures = settings.temperatures.where(settings.temperatures > 0, 1.0)[:, None]
    if not settings.any_top_k and not settings.any_top_p:
        ids = torch.arange(vocabulary, device=logits.device).expand_as(logits)
        scores = logits.double() / temperatures
    else:
        ids = _ranked(logits, settings.widest_k or vocabulary)
        scores = logits.gather(1, ids).double() / temperatures
        rank = torch.arange(ids.shape[1], device=logits.device)
        top_k = settings.top_k.where(settings.top_k > 0, vocabulary)[:, None]
        scores = scores.masked_fill(rank >= top_k, -torch.inf)
        if settings.any_top_p:
            shares = scores.softmax(-1)
            before = shares.cumsum(-1) - shares
            top_p = settings.top_p[:, None]
            scores = scores.masked_fill((before >= top_p) & (top_p < 1), -torch.inf)
    best = (scores + _gumbel(settings.seeds, steps, ids)).argmax(-1, keepdim=True)
    return torch.where(settings.temperatures > 0, ids.gather(1, best)[:, 0], likeliest)


def _ranked(logits: Tensor, k: int) -> Tensor:
    """The ids (n, k) of the k greatest logits of each row, the greatest first, of equal ones the lower id first.

    The k are in the k groups of neighbours with the greatest maxima (of equal ones the first): a token outside them
    has k before it. So the vocabulary is read once, and ranked is a fiftieth of it.
    """
    n, vocabulary = logits.shape
    k = min(k, vocabulary)
    padded = torch.nn.functional.pad(logits, (0, -vocabulary % GROUP), value=-torch.inf)
    groups = padded.view(n, -1, GROUP)
    chosen = _order(groups.amax(-1)).topk(min(k, groups.shape[1])).indices.sort().values  # (n, groups)
    ids = (chosen[:, :, None] * GROUP + torch.arange(GROUP, device=logits.device)).flatten(1)
    best = _order(padded.gather(1, ids)).topk(k).indices  # `ids` rise, so the lower place is the lower id
    return ids.gather(1, best)


def _order(values: Tensor) -> Tensor:
    """Distinct int64 in the order of `values` (n, m), of equal ones the first the greatest."""
    bits = values.float().view(torch.int32).long()
    rising = bits ^ ((bits >> 63) & 0x7FFFFFFF)
    places = torch.arange(values.shape[1], 0, -1, device=values.device)
    return rising * (1 << 32) + places


def _gumbel(seeds: Tensor, steps: Tensor, ids: Tensor) -> Tensor:
    """Gumbel(0, 1) noise (n, m) in float64 for the tokens `ids` (n, m)."""
    row = _mixed(_mixed(seeds * _WEYL + _FIRST) + steps * _WEYL)
    hashed = _mixed(row[:, None] + (ids + 1) * _WEYL)
    uniform = (_shifted(hashed, 11).double() + 0.5) * 2.0**-53  # never 0 or 1
    return -(-uniform.log()).log()


def _mixed(bits: Tensor) -> Tensor:
    """SplitMix64's finaliser: every bit that comes in turns half of those that go out."""
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """A shift to the right that fills with zeros; torch's own repeats the sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
