"""A server that speaks OpenAI's protocol /completions: vLLM, SGLang, llama.cpp, a cluster's.

Prompts are sent as token ids: of a text the server would make ids by itself, and put a second beginning of text
before it. An adapter has its hash for a name, so no server, and no cache of one, answers with an older adapter of that
name. It is one that the server was started with, or it is loaded by request, where the server allows that.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.errors import InfrastructureError
from halo_forge.generate.protocol import Completion, Request, check_lengths
from halo_forge.generate.server_connection import Connection, Missing
from halo_forge.generate.vllm import lora_rank
from halo_forge.hashing import digest, fingerprint
from halo_forge.model.chat import Chat
from halo_forge.settings.checking import one_of
from halo_forge.settings.generate import Generate

BATCH_SIZE = 128
"""Requests under way at once; what is more than the server works on waits in it."""
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def adapter_name(adapter: Path) -> str:
    """The name by which a server has to serve the adapter of this folder."""
    return f"halo-{fingerprint([digest(adapter / name) for name in ADAPTER_FILES])}"


@dataclass(frozen=True)
class _Served:
    """`model` is what requests ask for, `kind` the make of the server, `longest` the tokens of prompt and answer that
    it takes, None if it does not say."""

    model: str
    kind: str
    longest: int | None


class ServerEngine:
    name = "server"

    def __init__(self, settings: Generate, base: Path, adapter: Path | None, end: int):
        if settings.server is None:
            raise InfrastructureError("generate.server: missing; say which server, and its model")
        self.end, self.batch_size = end, settings.batch_size or BATCH_SIZE
        self._settings, self._base, self._adapter = settings.server, base, adapter
        self._served = asyncio.run(self._open())

    def generate(
        self, requests: Sequence[Request], finished: Callable[[Completion], None] | None = None
    ) -> list[Completion]:
        check_lengths(requests, self._served.longest, "the server")
        try:
            return asyncio.run(self._all(requests, finished))
        except ExceptionGroup as failures:  # one is enough to stop: the others are its like
            raise failures.exceptions[0] from failures

    async def _all(
        self, requests: Sequence[Request], finished: Callable[[Completion], None] | None
    ) -> list[Completion]:
        places = asyncio.Semaphore(self.batch_size)

        async def one(request: Request) -> Completion:
            async with places:
                completion = await self._answer(connection, request)
            if finished:
                finished(completion)
            return completion

        async with Connection(self._settings, reached=True) as connection, asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(request)) for request in requests]
        return [task.result() for task in tasks]

    async def _open(self) -> _Served:
        async with Connection(self._settings) as connection:
            return await self._find(connection)

    async def _find(self, connection: Connection) -> _Served:
        """What requests ask for, there already or loaded now. Raises InfrastructureError saying how to serve it."""
        async with connection.looking:
            models, model = await connection.models(), self._settings.model
            if model not in models:
                raise InfrastructureError(
                    f"{connection.url}: no model {model!r} {one_of(model, models)}: set generate.server.model"
                )
            kind, longest = models[model].get("owned_by") or "", models[model].get("max_model_len")
            if self._adapter is None:
                return _Served(model, kind, longest)
            name = adapter_name(self._adapter)
            if name not in models:
                await self._load(connection, kind, name, self._adapter.resolve())
            return _Served(f"{model}:{name}" if kind == "sglang" else name, kind, longest)

    async def _load(self, connection: Connection, kind: str, name: str, folder: Path) -> None:
        refusal = await connection.load(kind, name, folder)
        if refusal is None or name in await connection.models():  # loaded by another process meanwhile
            return
        rank = lora_rank(folder)
        raise InfrastructureError(
            f"{refusal}. The adapter {name} is not served there. For vLLM: start it with --enable-lora "
            f"--max-lora-rank {rank} and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment, where it sees "
            f"{folder}; or with --enable-lora --max-lora-rank {rank} --lora-modules {name}={folder}. A server "
            "without adapters, such as llama.cpp's: serve the merged model (halo-forge export) as one of its own"
        )

    async def _answer(self, connection: Connection, request: Request) -> Completion:
        """A server that was started anew has forgotten what was loaded by request: it is told again."""
        try:
            answer = await connection.complete(**self._asked(request))
        except Missing:
            self._served = await self._find(connection)
            try:
                answer = await connection.complete(**self._asked(request))
            except Missing as error:
                raise InfrastructureError(f"{error}; the server lists it all the same") from error
        return self._completion(request, answer)

    def _asked(self, request: Request) -> dict[str, Any]:
        """Every setting is said: what is not, a server takes from the model's generation_config.json."""
        extra: dict[str, Any] = {
            "top_k": request.top_k if request.top_k and request.temperature else -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "stop_token_ids": [self.end],
            "return_token_ids": True,
        }
        if self._served.kind == "vllm":  # the others would then ignore stop_token_ids too
            extra["ignore_eos"] = True
        return {
            "model": self._served.model,
            "prompt": request.prompt_ids,
            "max_tokens": request.max_new_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p if request.temperature else 1.0,
            "seed": request.seed,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "extra_body": extra,
        }

    def _completion(self, request: Request, answer: Any) -> Completion:
        """Of a server that returns text alone the ids are those of the text, and their number what it counted."""
        choice = answer.choices[0]
        stopped, ids = choice.finish_reason == "stop", getattr(choice, "token_ids", None)
        if ids is None:
            ids = self._chat.answer_ids(choice.text)[:-1]
            counted = answer.usage.completion_tokens if answer.usage else len(ids) + stopped
        else:
            counted = len(ids)
        if not stopped and counted < request.max_new_tokens:
            raise InfrastructureError(
                f"generate.server: an answer ended after {counted} of {request.max_new_tokens} tokens "
                f"({choice.finish_reason}): the server's context has no room for a prompt of {len(request.prompt_ids)} "
                "tokens and the answer; start it with a longer one, or lower max_new_tokens"
            )
        return Completion(ids[:-1] if ids and ids[-1] == self.end else ids, counted, "stop" if stopped else "length")

    @functools.cached_property
    def _chat(self) -> Chat:
        return Chat.of(str(self._base))
