"""Many requests at once: no more than the server is to bear, waiting when it says so, within the budget."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from halo_forge.data.llm.backends import Backend
from halo_forge.data.llm.budget import Budget, BudgetReached, Tokens
from halo_forge.data.llm.cache import Reply, ReplyCache
from halo_forge.data.llm.requests import Request
from halo_forge.errors import HaloForgeError, InfrastructureError
from halo_forge.retry import Again
from halo_forge.settings.generate_data import GenerateData


@dataclass
class Traffic:
    """Requests `sent` (every try counts), `answered`, and `kept` replies that were in the cache."""

    sent: int = 0
    answered: int = 0
    kept: int = 0


class Sender:
    """Answers requests from the cache, else from the backend. A reply is in the cache before anyone sees it."""

    def __init__(self, backend: Backend, replies: ReplyCache, budget: Budget, settings: GenerateData):
        self.backend, self.replies, self.budget, self.settings = backend, replies, budget, settings
        self.traffic = Traffic()
        self.failure: HaloForgeError | None = None
        """What stopped the sending; no further request is sent then."""
        self._places = asyncio.Semaphore(backend.endpoint.concurrency)
        self._closed_until = 0.0
        self._unanswered = 0

    def look_up(self, requests: Sequence[Request]) -> dict[Request, Reply]:
        """The replies in the cache. They were paid for, so the budget counts them."""
        found = {}
        for request in requests:
            reply = self.replies.get(request.key(self.backend.endpoint))
            if reply is not None:
                self.budget.spend(reply.tokens)
                self.traffic.kept += 1
                found[request] = reply
        return found

    async def reply(self, request: Request) -> Reply | None:
        """None if there is none to be had: the budget is reached, the sending stopped, or every try failed."""
        async with self._places:
            if self.failure or self.budget.reached:
                return None
            try:
                reply = await self._until_answered(request)
            except BudgetReached:
                return None
            except Again as error:
                self._give_up(error)
                return None
            except HaloForgeError as error:
                self.failure = self.failure or error
                return None
            self._unanswered = 0
            self.traffic.answered += 1
            return reply

    async def _until_answered(self, request: Request) -> Reply:
        """Raises Again when all tries are used up, BudgetReached when there is no money for one.

        A try that the server answers with how long to wait is none of them, so that a strict limit on requests only
        takes time; the waits of one request together may take `max_pause_s`.
        """
        most = request.most(self.backend.endpoint)
        tries, waited_s = 0, 0.0
        while True:
            try:
                async with self.budget.hold(most):
                    return await self._try(request, most)
            except Again as error:
                if error.after_s is None:
                    tries += 1
                else:
                    waited_s += max(error.after_s, self.settings.first_pause_s)
                patient = tries < self.settings.tries and waited_s <= self.settings.max_pause_s
                if not patient or self.failure or self._never_there(error, tries):
                    raise
                await self._pause(error, tries)

    async def _try(self, request: Request, most: Tokens) -> Reply:
        await self._open()
        if self.failure:  # others failed for good while this one waited
            raise self.failure
        self.traffic.sent += 1
        try:
            reply = await self.backend.complete(request)
        except Again as error:
            if error.billed:  # nobody will say how much, so it counts as the longest answer
                self.budget.spend(most)
            raise
        self.budget.spend(reply.tokens)
        self.replies.put(request.key(self.backend.endpoint), reply)
        return reply

    def _never_there(self, error: Again, attempt: int) -> bool:
        """A server that was never reached is not waited for: most likely nobody started it."""
        return not error.answering and not self.traffic.answered and attempt >= 2

    async def _pause(self, error: Again, tries: int) -> None:
        """Wait as long as the server asks, which holds all requests back; else longer every time, each by itself."""
        if error.after_s is not None:
            self._closed_until = max(self._closed_until, time.monotonic() + error.after_s)
            return
        pause = min(self.settings.first_pause_s * 2 ** (tries - 1), self.settings.max_pause_s)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _open(self) -> None:
        """Wait until the server wants requests again; not all of them come in the same instant."""
        while (left := self._closed_until - time.monotonic()) > 0:
            await asyncio.sleep(left * random.uniform(1.0, 1.2))

    def _give_up(self, error: Again) -> None:
        """One request failed for good. A few of them are left out; more in a row stop the sending."""
        self._unanswered += 1
        if error.after_s is not None and error.after_s > self.settings.max_pause_s:
            words = f"{error}; it asks to wait {error.after_s:.0f} s, more than max_pause_s; run again later"
        elif not error.answering and not self.traffic.answered:
            words = str(error)
        elif self._unanswered > self.settings.max_unanswered:
            words = f"{error}; {self._unanswered} requests in a row were not answered, all their tries in vain"
        else:
            return
        self.failure = self.failure or InfrastructureError(words)


async def collect(sender: Sender, requests: Sequence[Request], known: dict[Request, Reply]) -> list[Reply | None]:
    """The replies to `requests`, in their order: those in `known`, the others by sending.

    What is under way when this is cancelled is lost; what has arrived is in the cache.
    """

    async def one(request: Request) -> Reply | None:
        return known.get(request) or await sender.reply(request)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(request)) for request in requests]
    return [task.result() for task in tasks]
