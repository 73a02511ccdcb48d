"""A stand-in for a server that speaks OpenAI's protocol /completions, on the loopback interface: real HTTP, answers by
the transformers engine. It takes adapters as vLLM does, and misbehaves to order."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from halo_forge.generate.protocol import Completion, Request
from halo_forge.generate.transformers import TransformersEngine
from halo_forge.settings.generate import Generate

MODEL = "tiny"
GATHERING_S = 0.02
"""Requests that come within this time are answered as one batch."""


class StandIn:
    """`fault(order)` is (status, headers) for the completion that comes as number `order`, None to answer it; status 0
    breaks the connection off. `adapters` are those it is started with, by name."""

    def __init__(
        self,
        base: Path,
        chat: Any,
        *,
        port: int = 0,
        owner: str = "vllm",
        adapters: dict[str, Path] | None = None,
        loads: bool = True,
        returns_ids: bool = True,
        longest: int | None = 512,
        context: int = 512,
        key: str | None = None,
        fault: Callable[[int], tuple[int, dict[str, str]] | None] = lambda order: None,
    ):
        self.chat, self.owner, self.loads, self.returns_ids = chat, owner, loads, returns_ids
        self.longest, self.context, self.key, self.fault = longest, context, key, fault
        self.base, self.adapters = base, dict(adapters or {})
        self.asked: list[dict[str, Any]] = []
        self.loaded: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self._engines: dict[str, TransformersEngine] = {}
        self._waiting: queue.Queue[tuple[str, Request, queue.Queue]] = queue.Queue()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._send(self, *outer._get(self))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer, headers = outer._post(self, body)
                if status:
                    outer._send(self, status, answer, headers)
                else:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        threading.Thread(target=self._work, daemon=True).start()

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _get(self, handler: BaseHTTPRequestHandler) -> tuple[int, dict[str, Any]]:
        if handler.path != "/v1/models":
            return _error(404, "Not Found")
        if self.key and handler.headers["Authorization"] != f"Bearer {self.key}":
            return _error(401, "Unauthorized")
        base = {"id": MODEL, "object": "model", "created": 1, "owned_by": self.owner, "max_model_len": self.longest}
        tuned = [{"id": name, "object": "model", "created": 1, "owned_by": self.owner} for name in self.adapters]
        return 200, {"object": "list", "data": [base, *tuned]}

    def _post(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        if handler.path == "/v1/load_lora_adapter" and self.loads:
            self.loaded.append(body)
            if not (Path(body["lora_path"]) / "adapter_config.json").exists():
                return *_error(404, f"No adapter found for {body['lora_path']}"), {}
            self.adapters[body["lora_name"]] = Path(body["lora_path"])
            return 200, f"Success: LoRA adapter '{body['lora_name']}' added successfully.", {}
        if handler.path != "/v1/completions":
            return *_error(404, "Not Found"), {}
        with self._lock:
            order = len(self.asked)
            self.asked.append(body)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if fault := self.fault(order):
                return *_error(fault[0], "to order"), fault[1]
            if body["model"] not in (MODEL, *self.adapters):
                return *_error(404, f"The model `{body['model']}` does not exist."), {}
            return 200, self._answer(body), {}
        finally:
            with self._lock:
                self.at_once -= 1

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = body["prompt"]
        new = min(body["max_tokens"], self.context - len(prompt))
        asked = Request(prompt, body["seed"], body["temperature"], max(body["top_k"], 0), body["top_p"], new)
        reply: queue.Queue[Completion] = queue.Queue()
        self._waiting.put((body["model"], asked, reply))
        drawn = reply.get(timeout=60)
        ids = [*drawn.ids, *([self.chat.end] if drawn.finish_reason == "stop" else [])]
        choice = {"index": 0, "text": self.chat.text(ids), "finish_reason": drawn.finish_reason, "logprobs": None}
        if self.returns_ids and body.get("return_token_ids"):
            choice["token_ids"] = ids
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(ids), "total_tokens": len(prompt) + len(ids)}
        answer = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"]}
        return {**answer, "choices": [choice], "usage": usage}

    def _work(self) -> None:
        while True:
            batch = [self._waiting.get()]
            time.sleep(GATHERING_S)
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            by_model = defaultdict(list)
            for model, *rest in batch:
                by_model[model].append(rest)
            for model, rows in by_model.items():
                answers = self._engine(model).generate([request for request, _ in rows])
                for (_, reply), answer in zip(rows, answers, strict=True):
                    reply.put(answer)

    def _engine(self, model: str) -> TransformersEngine:
        if model not in self._engines:
            settings = Generate(engine="transformers")
            self._engines[model] = TransformersEngine(settings, self.base, self.adapters.get(model), self.chat.end)
        return self._engines[model]

    def _send(self, handler: BaseHTTPRequestHandler, status: int, answer: Any, headers: dict | None = None) -> None:
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        with contextlib.suppress(OSError):  # the client may be gone
            handler.send_response(status)
            handler.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
            handler.send_header("Content-Length", str(len(data)))
            for name, value in (headers or {}).items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(data)


def _error(status: int, message: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"message": message, "type": "error", "param": None, "code": status}}
