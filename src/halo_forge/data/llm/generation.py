"""From a topic to checked tasks: rounds of requests, each for the problems that are still missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from halo_forge.data.llm.backends import Backend
from halo_forge.data.llm.budget import Budget, Tokens, cost
from halo_forge.data.llm.cache import Reply, open_replies
from halo_forge.data.llm.checking import Checked, Checker
from halo_forge.data.llm.requests import Request, request_for
from halo_forge.data.llm.sending import Sender, collect
from halo_forge.data.llm.topics import Slot, TopicSpec
from halo_forge.errors import HaloForgeError
from halo_forge.progress import Progress
from halo_forge.records import Task
from halo_forge.settings.verify import Verify

_STOPS = {"budget": "stopped at the budget", "patience": "stopped because none of the first answers could be kept"}


@dataclass
class Report:
    """How a generation went. `cost` is in `currency`, None if the model's prices are not known.

    `sent` counts every try of this run, `from_cache` the answers that earlier runs had paid for; `tokens` and `cost`
    count both. `rejected` counts answers by the reason, `examples` has one detail of each.
    """

    topic: str
    model: str
    asked: int
    kept: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    sent: int = 0
    from_cache: int = 0
    tokens: Tokens = Tokens()
    cost: float | None = None
    currency: str = ""
    stopped: str | None = None

    def reject(self, reason: str, detail: str, number: int = 1) -> None:
        if number:
            self.rejected[reason] = self.rejected.get(reason, 0) + number
            self.examples.setdefault(reason, detail)

    def as_json(self) -> dict[str, Any]:
        """The same for the same answers, whether they came from the cache or not."""
        fields = asdict(self)
        del fields["sent"], fields["from_cache"]
        return {**fields, "rejected": dict(sorted(self.rejected.items()))}

    def __str__(self) -> str:
        """A line for people: what was kept, what was rejected and why, what it cost."""
        parts = [f"{self.topic}: kept {self.kept} of {self.asked}"]
        if self.rejected:
            parts.append("rejected " + ", ".join(f"{number} {why}" for why, number in sorted(self.rejected.items())))
        parts.append(f"{self.sent} requests sent, {self.from_cache} answers from the cache")
        money = "" if self.cost is None else f", {self.cost:.4f} {self.currency}"
        parts.append(f"{self.tokens.input} + {self.tokens.output} tokens{money}")
        if self.stopped:
            parts.append(_STOPS[self.stopped])
        return "; ".join(parts)


class Generation:
    """One run for one topic. `kept` and `report` hold what is done so far, whatever ends the run."""

    def __init__(self, backend: Backend, spec: TopicSpec, verify: Verify):
        self.backend, self.spec = backend, spec
        self.settings = settings = backend.settings
        self.kept: dict[int, Task] = {}
        """Task by the number of its slot."""
        self.report = Report(spec.name, backend.endpoint.model, settings.count or spec.total)
        self._budget = Budget(backend.endpoint.prices, settings.budget, settings.budget_tokens)
        self._checker = Checker(spec, verify, settings.near_duplicate)

    async def run(self, replies_path: Path | None) -> None:
        """Fill `kept`. Raises what stopped the sending or the checking; reaching the budget is no error."""
        await asyncio.to_thread(self._checker.probe)
        slots = list(self.spec.slots(self.report.asked))
        with open_replies(replies_path) as replies, Progress(len(slots), self.spec.name) as progress:
            async with self.backend as backend:
                sender = Sender(backend, replies, self._budget, self.settings)
                try:
                    await self._rounds(sender, slots, progress)
                finally:
                    self._close(sender)
        if sender.failure:
            raise sender.failure

    @property
    def tasks(self) -> list[Task]:
        return [self.kept[number] for number in sorted(self.kept)]

    async def _rounds(self, sender: Sender, slots: Sequence[Slot], progress: Progress) -> None:
        for attempt in range(1, self.settings.attempts + 1):
            requests = [request_for(self.spec, slot, attempt) for slot in slots]
            await self._round(sender, requests, progress, last=attempt == self.settings.attempts)
            slots = [slot for slot in slots if slot.number not in self.kept]
            if not slots or self.report.stopped or self._stopped(sender):
                return

    async def _round(self, sender: Sender, requests: Sequence[Request], progress: Progress, *, last: bool) -> None:
        """Send one request for each empty slot; while a batch is judged, the next is under way."""
        known = sender.look_up(requests)
        size = max(2 * self.backend.endpoint.concurrency, 8)
        batches = [requests[start : start + size] for start in range(0, len(requests), size)]
        coming = asyncio.create_task(collect(sender, batches[0], known))
        try:
            for number, batch in enumerate(batches, 1):
                replies = await coming
                if number < len(batches):
                    coming = asyncio.create_task(collect(sender, batches[number], known))
                done = await self._take(sender, batch, replies)
                progress.advance(len(batch) if last else done, **self._figures())
                if not self.kept and sum(self.report.rejected.values()) >= self.settings.patience:
                    self.report.stopped = "patience"
                    return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _take(self, sender: Sender, batch: Sequence[Request], replies: Sequence[Reply | None]) -> int:
        """Judge a batch. Returns how many of it are kept."""
        answers = [(request, reply) for request, reply in zip(batch, replies, strict=True) if reply]
        checked: list[Checked] = await asyncio.to_thread(self._checker.check, answers)
        if not self._stopped(sender):
            self.report.reject("unanswered", "no answer in all tries", len(batch) - len(answers))
        for one in checked:
            if one.task:
                self.kept[one.request.slot.number] = one.task
            else:
                self.report.reject(one.reason or "", one.detail)
        return sum(one.task is not None for one in checked)

    def _stopped(self, sender: Sender) -> bool:
        return sender.failure is not None or self._budget.reached

    def _figures(self) -> dict[str, Any]:
        figures = {"kept": len(self.kept), "rejected": sum(self.report.rejected.values())}
        money = cost(self._budget.spent, self._budget.prices)
        return {**figures, "tokens": self._budget.spent.total} if not money else {**figures, "cost": money}

    def _close(self, sender: Sender) -> None:
        report, prices = self.report, self._budget.prices
        report.sent, report.from_cache = sender.traffic.sent, sender.traffic.kept
        report.kept, report.tokens = len(self.kept), self._budget.spent
        report.cost, report.currency = cost(report.tokens, prices), prices.currency if prices else ""
        if self._budget.reached:
            report.stopped = "budget"


def nothing_kept(report: Report) -> HaloForgeError:
    examples = [f"{reason}: {detail}" for reason, detail in sorted(report.examples.items()) if detail]
    return HaloForgeError("\n".join([str(report), "nothing could be kept, so nothing is written", *examples]))
