"""Requests to language models, over the real SDKs against a server that speaks their protocols and breaks them."""

from __future__ import annotations

import asyncio
import datetime
import json
import threading
import time

import pytest
from llm_server import Say, exercise, good, number_of, serving

from halo_forge.data.llm.budget import Budget, Tokens
from halo_forge.data.llm.cache import open_replies
from halo_forge.data.llm.drafts import Rejected, read_draft
from halo_forge.data.llm.requests import request_for
from halo_forge.data.llm.sending import Sender, collect
from halo_forge.data.llm.topics import TopicSpec
from halo_forge.data.llm_generate import get_backend
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.retry import retry_after
from halo_forge.settings.generate_data import GenerateData

SPEC = TopicSpec(
    name="t", description="d", categories=["a", "b"], complexity_levels=["easy"], system_prompt="You are an expert"
)


class Sent:
    """What came of sending the first `count` requests of SPEC; `reasons` has None for an answer that can be used."""

    def __init__(self, path, backend, count):
        async def send():
            with open_replies(path) as replies:
                budget = Budget(backend.endpoint.prices, backend.settings.budget, backend.settings.budget_tokens)
                async with backend:
                    sender = Sender(backend, replies, budget, backend.settings)
                    requests = [request_for(SPEC, slot) for slot in SPEC.slots(count)]
                    return sender, await collect(sender, requests, sender.look_up(requests))

        self.sender, self.replies = asyncio.run(send())
        self.failure, self.spent = self.sender.failure, self.sender.budget.spent
        self.reasons = [_reason(reply) for reply in self.replies]


def _reason(reply):
    if reply is None:
        return "none"
    try:
        read_draft(reply, "stdio")
    except Rejected as reject:
        return reject.reason
    return None


@pytest.fixture
def send(tmp_path):
    def run(server, count=4, name="openai-compatible", **settings):
        given = {"model": "m", "first_pause_s": 0.02, "concurrency": 3, "base_url": f"{server.url}/v1"}
        return Sent(tmp_path / "replies.sqlite", get_backend(name, **{**given, **settings}), count)

    return run


def test_no_more_requests_are_under_way_than_allowed(send):
    def slowly(order, body):
        time.sleep(0.05)
        return good(order, body)

    with serving(slowly) as server:
        assert send(server, 12, concurrency=3).reasons == [None] * 12
    assert server.most_at_once == 3


def test_retry_after_holds_every_request_back(send):
    times = []

    def script(order, body):
        times.append(time.monotonic())
        return Say(429, "slow down", headers={"Retry-After": "1"}) if order == 0 else good(order, body)

    with serving(script) as server:
        assert send(server, concurrency=1).reasons == [None] * 4
    assert len(times) == 5 and times[1] - times[0] >= 0.95


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT"}, 10),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers, seconds):
    now = datetime.datetime(2026, 10, 21, 7, 28, tzinfo=datetime.UTC)
    assert retry_after(headers, now) == seconds


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_what_passes_is_tried_again(send, status):
    with serving(lambda order, body: Say(status, "later") if order < 2 else good(order, body)) as server:
        sent = send(server)
    assert sent.reasons == [None] * 4 and sent.sender.traffic.sent == 6


def test_a_body_that_is_no_completion_is_tried_again(send):
    bodies = [b'{"id": "x", "choices": [', b"{}", b'{"choices": []}', b"[1]", b"null"]

    def script(order, body):
        return Say(raw=bodies[order]) if order < len(bodies) else good(order, body)

    with serving(script) as server:
        assert send(server, concurrency=1).reasons == [None] * 4
    assert len(server.requests) == 9


def test_silence_is_tried_again_and_counted_as_paid(send):
    with serving(lambda order, body: Say(hang=True) if order == 0 else good(order, body)) as server:
        sent = send(server, timeout_s=0.5)
    assert sent.reasons == [None] * 4 and sent.spent.output == 4 * 50 + 6144


def test_a_strict_limit_on_requests_takes_time_and_loses_none(send):
    last = 0.0

    def script(order, body):
        nonlocal last
        now = time.monotonic()
        if now - last < 0.1:
            return Say(429, "one at a time", headers={"retry-after-ms": "150"})
        last = now
        return good(order, body)

    with serving(script) as server:
        assert send(server, 12, concurrency=6, tries=1).reasons == [None] * 12
    assert len(server.requests) > 12


def test_a_server_that_says_wait_for_ever_is_given_up(send):
    with serving(lambda order, body: Say(429, "wait", headers={"Retry-After": "0"})) as server:
        sent = send(server, 1, max_pause_s=0.5, max_unanswered=0, first_pause_s=0.1)
    assert isinstance(sent.failure, InfrastructureError) and 3 <= len(server.requests) <= 7


def test_a_server_that_asks_for_too_long_a_wait_is_given_up(send):
    with serving(lambda order, body: Say(429, "x", headers={"Retry-After": "4000"})) as server:
        sent = send(server)
    assert isinstance(sent.failure, InfrastructureError) and "4000 s" in str(sent.failure)


def test_one_request_that_always_fails_does_not_stop_the_others(send):
    with serving(lambda order, body: Say(500, "poison") if number_of(body) == 1 else good(order, body)) as server:
        sent = send(server, tries=2)
    assert sent.reasons == [None, "none", None, None] and sent.failure is None


def test_a_server_that_never_answers_is_given_up(send):
    with serving(lambda order, body: Say(500, "down")) as server:
        sent = send(server, 30, tries=2, max_unanswered=3, concurrency=1)
    assert "4 requests in a row" in str(sent.failure) and len(server.requests) == 8


@pytest.mark.parametrize(
    ("status", "said", "kind", "words"),
    [
        (401, "bad key", InfrastructureError, "OPENAI_COMPATIBLE_API_KEY"),
        (402, "Insufficient Balance", InfrastructureError, "no money left"),
        (429, "insufficient_quota: You exceeded your current quota", InfrastructureError, "no money left"),
        (404, "no such model m", InputError, "--model"),
        (400, "temperature is out of range", InputError, "temperature"),
    ],
)
def test_what_does_not_pass_stops_at_once(send, status, said, kind, words):
    with serving(lambda order, body: Say(status, said)) as server:
        sent = send(server, concurrency=1)
    assert isinstance(sent.failure, kind) and words in str(sent.failure) and len(server.requests) == 1


def test_a_server_without_structured_answers_is_asked_in_words(send):
    def script(order, body):
        return Say(400, "response_format is not supported") if "response_format" in body else good(order, body)

    with serving(script) as server:
        assert send(server, concurrency=1).reasons == [None] * 4
        assert send(server, concurrency=1).sender.traffic.sent == 0  # the answers are known under the same key
    kinds = [body.get("response_format", {}).get("type") for body in server.requests]
    assert kinds == ["json_schema", "json_object", None, None, None, None]


@pytest.mark.parametrize("known", [("json_object", None), (None,)])
def test_sixteen_requests_at_once_each_find_the_form_that_a_server_knows(send, known):
    together = threading.Barrier(16)

    def script(order, body):
        if order < 16:  # so that all of them were sent before the first is refused
            together.wait(30)
        form = body.get("response_format", {}).get("type")
        return good(order, body) if form in known else Say(400, f"response_format {form} is not supported")

    with serving(script) as server:
        sent = send(server, 32, concurrency=None)  # openai-compatible: 16
    assert sent.reasons == [None] * 32 and sent.failure is None and server.most_at_once == 16
    forms = [body.get("response_format", {}).get("type") for body in server.requests]
    assert set(forms[-16:]) == {known[0]}  # what the first learnt the later ones need not ask
    assert len(forms) <= 32 + 16 * 2


def test_nothing_is_sent_any_more_once_the_sending_has_stopped(send):
    def script(order, body):
        if number_of(body) == 0:
            time.sleep(0.3)
            return Say(401, "bad key")
        return Say(500, "busy")

    with serving(script) as server:
        sent = send(server, 4, concurrency=4, first_pause_s=1.0)
    assert "key" in str(sent.failure) and len(server.requests) == 4


def test_the_budget_is_never_exceeded_and_counts_what_earlier_runs_paid(send):
    prices = {"input": 1000.0, "output": 1000.0, "currency": "EUR"}
    limits = {"prices": prices, "max_tokens": 200, "budget": 3.0, "concurrency": 8}
    with serving() as server:
        first = send(server, 40, **limits)
        assert 1000 < first.spent.total == 150 * len(server.requests) <= 3000
        before = len(server.requests)
        again = send(server, 40, **limits)
        assert len(server.requests) == before and again.spent == first.spent and again.sender.budget.reached
        assert send(server, 40, **{**limits, "budget": 100.0}).reasons == [None] * 40
    assert set(server.paid.values()) == {1}


def test_a_budget_in_tokens_stops_too(send):
    with serving() as server:
        sent = send(server, 40, budget_tokens=4000, max_tokens=200)
    assert sent.sender.budget.reached and 0 < sent.spent.total <= 4000


def test_a_budget_in_money_wants_prices():
    with pytest.raises(InputError, match="--price-input"):
        get_backend("openai-compatible", base_url="http://x/v1", model="m", budget=2.0)


def test_tokens_are_estimated_where_the_server_does_not_count(send):
    with serving(lambda order, body: Say(content=json.dumps(exercise(order)), tokens=None)) as server:
        sent = send(server)
    assert sent.spent.input > 1000 and sent.spent.output > 300


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("deepseek", "DEEPSEEK_API_KEY"),
        ("anthropic", "ANTHROPIC_API_KEY"),
        ("claude", "ANTHROPIC_API_KEY"),
        ("openai", "OPENAI_API_KEY"),
    ],
)
def test_a_missing_key_is_one_error_that_names_the_variable(monkeypatch, name, variable):
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InfrastructureError, match=f"^{variable} is not set.*export {variable}="):
        get_backend(name)


def test_an_unknown_backend_is_told_what_is_known():
    with pytest.raises(InputError, match="did you mean 'deepseek'"):
        get_backend("deepsek")
    with pytest.raises(InputError, match="concurency.*did you mean 'concurrency'"):
        get_backend("ollama", concurency=3)


def test_deepseek_gets_its_key_its_model_and_json_mode(send, monkeypatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-secret")
    with serving() as server:
        assert send(server, name="deepseek", model=None).reasons == [None] * 4
    assert server.headers[0]["authorization"] == "Bearer sk-secret"
    body = server.requests[0]
    assert body["response_format"] == {"type": "json_object"} and body["thinking"] == {"type": "disabled"}
    assert body["model"].startswith("deepseek-") and body["temperature"] == 1.0


def test_openai_limits_the_completion_by_its_own_field_and_no_temperature_is_forced_on_it(send, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-other")
    with serving() as server:
        send(server, 1, name="openai", key_variable="MY_KEY", max_tokens=777)
    body = server.requests[0]
    assert body["max_completion_tokens"] == 777 and "max_tokens" not in body and "temperature" not in body
    assert server.headers[0]["authorization"] == "Bearer sk-other"


def test_the_key_of_openai_is_for_nobody_else(send, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with serving() as server:
        send(server, 1)
    assert "sk-secret" not in json.dumps(server.headers)


@pytest.mark.parametrize("fault", [Say(429, "slow", headers={"retry-after": "0.1"}), Say(529, "busy"), Say(raw=b"{")])
def test_anthropic_speaks_its_own_protocol(send, monkeypatch, fault):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant")
    with serving(lambda order, body: fault if order == 0 else good(order, body)) as server:
        sent = send(server, name="claude", base_url=server.url, model="claude-x")
    assert sent.reasons == [None] * 4 and sent.spent == Tokens(400, 200) and set(server.paths) == {"/v1/messages"}
    body = server.requests[-1]
    assert body["system"] == "You are an expert" and body["output_config"]["format"]["type"] == "json_schema"
    assert "temperature" not in body and "sk-ant" in json.dumps(server.headers[-1])
    assert {reply.model for reply in sent.replies} == {"claude-x-20260101"}


@pytest.mark.parametrize(("finish", "reason"), [("refusal", "refused"), ("length", "truncated")])
def test_anthropic_says_why_it_stopped(send, monkeypatch, finish, reason):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant")
    with serving(lambda order, body: Say(content="{", finish=finish)) as server:
        assert send(server, 1, name="anthropic", base_url=server.url).reasons == [reason]


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        (Say(content="I cannot", finish="content_filter"), "refused"),
        (Say(refusal="I will not"), "refused"),
        (Say(content=json.dumps(exercise(0)), finish="length"), "truncated"),
        (Say(content=None), "no_json"),
        (Say(content="Sorry { no"), "no_json"),
        (Say(content="[1, 2]"), "no_json"),
        (Say(content=json.dumps({"problem": "p", "solution": "s"})), "wrong_fields"),
        (Say(content=json.dumps(exercise(0, solution="  "))), "wrong_fields"),
        (Say(content=json.dumps(exercise(0)).replace("Read n", "\\ud800 Read n")), "wrong_fields"),
        (Say(content="{" * 5000), "no_json"),
    ],
)
def test_an_answer_of_no_use_has_its_reason(send, say, reason):
    with serving(lambda order, body: say) as server:
        assert send(server, 1).reasons == [reason]


@pytest.mark.parametrize(
    "before", ["Sure! Here it is:\n```json\n", '<think>{"solution": 1}</think>', 'First {"a": 1} ']
)
def test_json_with_things_around_it_is_found(send, before):
    with serving(lambda order, body: Say(content=before + json.dumps(exercise(0)) + "\n```\nHave fun")) as server:
        assert send(server, 1).reasons == [None]


def test_line_breaks_in_strings_and_a_fence_around_the_code_are_forgiven(send):
    draft = exercise(0)
    text = json.dumps({**draft, "solution": f"```python\n{draft['solution']}```"}).replace("\\n", "\n")
    with serving(lambda order, body: Say(content=text)) as server:
        (reply,) = send(server, 1).replies
    assert read_draft(reply, "stdio").solution == draft["solution"]


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="topics"):
        GenerateData(enabled=True)
