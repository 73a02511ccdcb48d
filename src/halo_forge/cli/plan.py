"""What a generation would send and cost, without sending anything."""

from __future__ import annotations

import json

from halo_forge.data.llm.budget import Tokens, cost
from halo_forge.data.llm.cache import open_replies
from halo_forge.data.llm.endpoints import Endpoint, endpoint
from halo_forge.data.llm.requests import Request, request_for
from halo_forge.data.llm.topics import TopicSpec
from halo_forge.settings.generate_data import GenerateData


def print_plan(spec: TopicSpec, settings: GenerateData) -> None:
    """Print every first request and an estimate. Wants no key."""
    to = endpoint(settings)
    requests = [request_for(spec, slot) for slot in spec.slots(settings.count)]
    known = set()
    if settings.cache:
        with open_replies() as replies:
            known = {request for request in requests if replies.get(request.key(to))}
    for request in requests:
        place = f"{request.slot.category}, {request.slot.level}"
        print(f"--- request {request.slot.number + 1} of {len(requests)} ({place})")
        print("(its answer is in the cache)" if request in known else _text(request))
    for line in _estimate([request for request in requests if request not in known], len(known), to, settings):
        print(line)


def _text(request: Request) -> str:
    return f"[system]\n{request.system}\n[user]\n{request.prompt}"


def _estimate(requests: list[Request], known: int, to: Endpoint, settings: GenerateData) -> list[str]:
    likely = sum((request.expected(to) for request in requests), Tokens())
    most = sum((request.most(to) for request in requests), Tokens())
    most = Tokens(most.input * settings.attempts, most.output * settings.attempts)
    head = {"backend": to.name, "url": to.base_url, "model": to.model, "temperature": to.temperature}
    lines = [
        "--- estimate; nothing was sent",
        json.dumps({**head, "max_tokens": to.max_tokens, "concurrency": to.concurrency}),
        f"{len(requests)} requests to send, {known} answers in the cache",
        f"likely {_amount(likely, to)}, if every first answer can be kept",
        f"at most {_amount(most, to)}, if every answer is as long as it may be and has to be asked for "
        f"{settings.attempts} times",
    ]
    if settings.budget is not None and to.prices:
        lines.append(f"budget {settings.budget:g} {to.prices.currency}: sending stops before it is exceeded")
    if settings.budget_tokens is not None:
        lines.append(f"budget {settings.budget_tokens} tokens: sending stops before it is exceeded")
    return lines


def _amount(tokens: Tokens, to: Endpoint) -> str:
    money = cost(tokens, to.prices)
    priced = "price not known" if money is None or to.prices is None else f"{money:.4f} {to.prices.currency}"
    return f"{tokens.input} prompt + {tokens.output} answer tokens: {priced}"
