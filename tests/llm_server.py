"""A server on the loopback interface that speaks the protocols of OpenAI and Anthropic, and misbehaves to order."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = re.findall(
    r"\w+",
    "amber barrel candle dagger ember fathom garnet hollow island jasper kettle lantern meadow needle orchard pepper "
    "quarry ribbon saddle timber umbrella velvet willow yonder zephyr anchor bridge copper desert engine feather "
    "glacier harbor insect jungle kernel ladder marble nickel oyster pillow quiver rocket summit tunnel uncle violin",
)


@dataclass
class Say:
    """What the server does with a request: a status with a body, or (with `hang`) silence until the test is over."""

    status: int = 200
    content: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    finish: str = "stop"
    refusal: str | None = None
    tokens: tuple[int, int] | None = (100, 50)
    hang: bool = False


def exercise(number: int, **changes: Any) -> dict[str, Any]:
    """A good stdio exercise in Python, different for every number."""
    words = random.Random(number).sample(WORDS, 12)
    factor = number + 2
    draft = {
        "title": words[0],
        "problem": f"A {words[0]} counts its {words[1]}: " + " ".join(words[2:]) + f". Read n, print {factor} n + 1.",
        "solution": f"n = int(input())\nprint(n * {factor} + 1)  # {words[3]}\n",
        "tests": [{"stdin": f"{n}\n", "stdout": f"{n * factor + 1}\n"} for n in (0, 1, 7, -3)],
    }
    return {**draft, **changes}


def number_of(body: dict[str, Any]) -> int:
    """Which exercise of its series a request asks for, from 0."""
    text = json.dumps(body.get("messages"))
    return int(re.search(r"exercise (\d+) of a series", text)[1]) - 1


def good(order: int, body: dict[str, Any]) -> Say:
    return Say(content=json.dumps(exercise(number_of(body))))


class Server:
    """`script(order, body)` says what to do with the request that comes as number `order`, from 0."""

    def __init__(self, script: Callable[[int, dict[str, Any]], Say]):
        self.script, self.requests, self.headers, self.paid = script, [], [], Counter()
        self.paths: list[str] = []
        self.at_once = self.most_at_once = 0
        self.over, self._lock = threading.Event(), threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            order = len(self.requests)
            self.requests.append(body)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            self.paths.append(handler.path)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        say = self.script(order, body)
        if say.hang:
            self.over.wait(60)
        data = say.raw if say.raw is not None else json.dumps(self._envelope(handler.path, body, say)).encode()
        with self._lock:
            self.at_once -= 1
            if say.status == 200 and not say.hang:
                self.paid[hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()] += 1
        with contextlib.suppress(OSError):  # the client may be gone: killed, or out of patience
            handler.send_response(say.status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(data)))
            for name, value in say.headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(data)

    def _envelope(self, path: str, body: dict[str, Any], say: Say) -> dict[str, Any]:
        if say.status != 200:
            return {"error": {"message": say.content or "no", "type": "error", "code": None}}
        if path.endswith("/messages"):
            return {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": body["model"] + "-20260101",
                "content": [{"type": "text", "text": say.content or ""}],
                "stop_reason": {"stop": "end_turn", "length": "max_tokens"}.get(say.finish, say.finish),
                "stop_sequence": None,
                "usage": {"input_tokens": say.tokens[0], "output_tokens": say.tokens[1]},
            }
        message = {"role": "assistant", "content": say.content, "refusal": say.refusal}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"] + "-20260101",
            "choices": [{"index": 0, "message": message, "finish_reason": say.finish, "logprobs": None}],
        }
        if say.tokens:
            total = sum(say.tokens)
            answer["usage"] = {
                "prompt_tokens": say.tokens[0],
                "completion_tokens": say.tokens[1],
                "total_tokens": total,
            }
        return answer


@contextlib.contextmanager
def serving(script: Callable[[int, dict[str, Any]], Say] = good) -> Iterator[Server]:
    server = Server(script)
    try:
        yield server
    finally:
        server.close()
