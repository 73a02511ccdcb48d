"""A line to a server that speaks OpenAI's protocol: every request is sent until it is answered, every failure named."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import openai

from halo_forge.errors import InfrastructureError
from halo_forge.retry import PASSING, Again, retry_after
from halo_forge.settings.generate import Server

URL_VARIABLE = "HALO_FORGE_SERVER_URL"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
"""Before the second try, doubled before each further one."""
LOADING = {"sglang": "../load_lora_adapter"}
"""Where a kind of server loads adapters, if not where vLLM does."""

Answer = TypeVar("Answer")


class Missing(Exception):
    """The server does not know the model of a request (any more)."""


class Connection:
    """`async with Connection(settings) as line`: any number of requests may be under way at once.

    Raises InfrastructureError for what a user has to mend, and when a request has failed for longer than `patience_s`.
    """

    def __init__(self, settings: Server, *, reached: bool = False):
        """`reached`: whether the server has answered this process before, so that it is worth waiting for."""
        self._settings, self._reached = settings, reached
        self.url = (settings.url or os.environ.get(URL_VARIABLE, "")).strip().rstrip("/")
        if not self.url:
            raise InfrastructureError(
                f"generate.server.url: no URL; set it, or {URL_VARIABLE} in the environment, such as "
                "http://localhost:8000/v1"
            )
        self.looking = asyncio.Lock()
        """Held by who asks what the server has, so that many requests that miss the same do not all mend it."""

    async def __aenter__(self) -> Connection:
        key = os.environ.get(self._settings.key_variable, "").strip() or "none"
        # The SDK's own retries are off: they end after a number of tries, whatever time that took.
        self._client = openai.AsyncOpenAI(
            api_key=key, base_url=self.url, max_retries=0, timeout=self._settings.timeout_s
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def models(self) -> dict[str, dict[str, Any]]:
        """What the server lists, by name: `owned_by` says its kind, `max_model_len` the longest sequence it takes."""
        try:
            page = await self._until_answered(self._client.models.list)
        except Missing as error:
            raise InfrastructureError(
                f"{error}; does generate.server.url end as it should, most likely in /v1?"
            ) from error
        return {model.id: model.model_dump() for model in page.data}

    async def complete(self, **request: Any) -> Any:
        """The answer to one request, with one choice that ended by itself or at its length. Raises Missing too."""

        async def send() -> Any:
            answer = await self._client.completions.create(**request)
            if not answer.choices or answer.choices[0].finish_reason not in ("stop", "length"):
                raise Again(f"{self.url}: the server broke an answer off: {str(answer)[:200]!r}")
            return answer

        return await self._until_answered(send)

    async def load(self, kind: str, name: str, folder: Path) -> str | None:
        """Have the server load the adapter in `folder`, a path that it must see. What it says if it does not."""
        path, body = LOADING.get(kind, "load_lora_adapter"), {"lora_name": name, "lora_path": str(folder)}

        def send() -> Awaitable[str]:
            return self._client.post(str(self._client.base_url.join(path)), cast_to=str, body=body)

        try:
            await self._until_answered(send, final={500})
        except (InfrastructureError, Missing) as error:
            if isinstance(error.__cause__, openai.APIStatusError):
                return str(error)
            raise
        return None

    async def _until_answered(self, send: Callable[[], Awaitable[Answer]], final: Collection[int] = ()) -> Answer:
        """Send until there is an answer, waiting longer every time, or as long as the server asks.

        A server that nothing has reached yet is tried twice: most likely nobody started it. Statuses of `final` are
        not passing, though others of their kind are.
        """
        failed_at, tries = 0.0, 0
        while True:
            try:
                answer = await self._once(send, final)
            except Again as error:
                failed_at, tries = failed_at or time.monotonic(), tries + 1
                pause = min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
                pause = pause if error.after_s is None else error.after_s
                left = self._settings.patience_s - (time.monotonic() - failed_at)
                never_there = not error.answering and not self._reached and tries > 1
                if pause > left or never_there:
                    raise InfrastructureError(self._given_up(error, never_there, tries)) from error
                await asyncio.sleep(pause)
            else:
                self._reached = True
                return answer

    async def _once(self, send: Callable[[], Awaitable[Answer]], final: Collection[int]) -> Answer:
        """Raises Again if the same request may succeed later."""
        try:
            return await send()
        except openai.APITimeoutError as error:
            late = f"no answer in {self._settings.timeout_s:g} s (generate.server.timeout_s)"
            raise Again(f"{self.url}: {late}") from error
        except openai.APIConnectionError as error:
            raise Again(f"{self.url}: cannot be reached ({error.__cause__ or error})", answering=False) from error
        except openai.APIStatusError as error:
            self._reached = True
            raise self._meaning(error, final) from error
        except (openai.APIError, ValueError) as error:
            raise Again(f"{self.url}: the answer is not what the protocol says: {str(error)[:200]!r}") from error

    def _meaning(self, error: openai.APIStatusError, final: Collection[int]) -> Exception:
        status = error.status_code
        said = f"{self.url}: HTTP {status}: {' '.join(error.message.split())[:400]}"
        if status in (401, 403):
            return InfrastructureError(f"{said}; set the key in the environment's {self._settings.key_variable}")
        if status not in final and (status in PASSING or status >= 500):
            return Again(said, after_s=retry_after(error.response.headers))
        return Missing(said) if status == 404 else InfrastructureError(f"{said}; the server does not take this request")

    def _given_up(self, error: Again, never_there: bool, tries: int) -> str:
        if never_there:
            return f"{error}; is it running (`vllm serve MODEL`), and is this its URL (generate.server.url)?"
        return (
            f"{error}; tried {tries} times, longer than generate.server.patience_s allows; when the server is there "
            "again, run again: what was saved is kept"
        )
