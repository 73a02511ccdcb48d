"""Tokens and money: what requests cost, counted before and after, and where to stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from halo_forge.settings.generate_data import Prices

BYTES_PER_TOKEN = 3
"""Fewer than tokenizers need for English and code, so that the estimate is above the truth."""


class BudgetReached(Exception):
    """The next request could exceed the budget."""


@dataclass(frozen=True)
class Tokens:
    """Of a prompt and of its answer."""

    input: int = 0
    output: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output)

    @property
    def total(self) -> int:
        return self.input + self.output


def estimate_tokens(text: str) -> int:
    """An upper estimate, from the length in bytes."""
    return len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + 1


def cost(tokens: Tokens, prices: Prices | None) -> float | None:
    """In the currency of the prices; None if they are not known."""
    if prices is None:
        return None
    return (tokens.input * prices.input + tokens.output * prices.output) / 1e6


@dataclass
class Budget:
    """What may be spent, and what was.

    A request is let through only if the budget holds even with the longest answer it may get, and every other request
    under way too: so the limit is kept, not only noticed. `limit` is money, `limit_tokens` prompt and answer tokens.
    """

    prices: Prices | None = None
    limit: float | None = None
    limit_tokens: int | None = None
    spent: Tokens = Tokens()
    reached: bool = False
    _held: list[Tokens] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @contextlib.asynccontextmanager
    async def hold(self, most: Tokens) -> AsyncIterator[None]:
        """Set `most` aside while a request is under way. Raises BudgetReached, then and for every later request."""
        async with self._changed:
            while not self.reached and not self._fits(most):
                if not self._held:
                    self.reached = True
                else:
                    await self._changed.wait()
            if self.reached:
                self._changed.notify_all()
                raise BudgetReached
            self._held.append(most)
        try:
            yield
        finally:
            async with self._changed:
                self._held.remove(most)
                self._changed.notify_all()

    def spend(self, tokens: Tokens) -> None:
        self.spent += tokens

    def _fits(self, most: Tokens) -> bool:
        tokens = sum(self._held, self.spent + most)
        money = cost(tokens, self.prices)
        within = self.limit is None or money is None or money <= self.limit
        return within and (self.limit_tokens is None or tokens.total <= self.limit_tokens)
