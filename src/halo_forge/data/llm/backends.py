"""The two protocols, by the providers' own SDKs: one request in, one reply out, every failure named.

The SDKs' own retries are off: how often a request was sent is counted, and one server's "wait" holds all requests back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any

from halo_forge.data.llm.budget import Tokens, estimate_tokens
from halo_forge.data.llm.cache import Reply
from halo_forge.data.llm.endpoints import Endpoint, Structure, endpoint
from halo_forge.data.llm.faults import Unstructured, meaning
from halo_forge.data.llm.requests import Request
from halo_forge.retry import Again
from halo_forge.settings.generate_data import GenerateData

_STRUCTURES: tuple[Structure, ...] = ("schema", "object", "none")


class Backend(ABC):
    """A connected model: `async with backend: reply = await backend.complete(request)`.

    Any number of requests may be under way at once. All that they share is what the server was found not to know, and
    that only grows.
    """

    def __init__(self, endpoint: Endpoint, settings: GenerateData):
        self.endpoint, self.settings, self.timeout_s = endpoint, settings, settings.timeout_s
        self._key = endpoint.key()
        self._client: Any = None
        self._refused: set[Structure] = set()

    async def __aenter__(self) -> Backend:
        self._client = self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def complete(self, request: Request) -> Reply:
        """Send one request once. Raises Again, InputError or InfrastructureError.

        A server that does not know JSON schemas is asked for any JSON object, then for text: the prompt says it all.
        """
        while True:
            structure = self._structure()
            try:
                return await self._send(request, structure)
            except Unstructured:  # of what this request had in it, whatever others were told meanwhile
                self._refused.add(structure)

    @abstractmethod
    def _connect(self) -> Any:
        """An asynchronous client of the SDK."""

    @abstractmethod
    async def _send(self, request: Request, structure: Structure) -> Reply:
        """Raises Unstructured if the server does not know `structure`; never for "none"."""

    def _structure(self) -> Structure:
        """The strictest form from the endpoint's on that was not refused."""
        own = _STRUCTURES[_STRUCTURES.index(self.endpoint.structure) :]
        return next(structure for structure in own if structure not in self._refused)

    def _unreachable(self, error: Exception) -> Again:
        start = f"; is it running (`{self.endpoint.local_start}`)?" if self.endpoint.local_start else ""
        cause = error.__cause__ or error
        return Again(f"{self.endpoint.base_url}: cannot be reached ({cause}){start}", answering=False)

    def _late(self) -> Again:
        return Again(f"{self.endpoint.base_url}: no answer in {self.timeout_s:g} s (timeout_s)", billed=True)

    def _garbled(self, what: object) -> Again:
        return Again(f"{self.endpoint.base_url}: the answer is not what its protocol says: {str(what)[:200]!r}")


class OpenAIBackend(Backend):
    """The protocol /chat/completions: OpenAI, DeepSeek, Ollama, vLLM and many others."""

    def _connect(self) -> Any:
        import openai

        return openai.AsyncOpenAI(
            api_key=self._key, base_url=self.endpoint.base_url, max_retries=0, timeout=self.timeout_s
        )

    async def _send(self, request: Request, structure: Structure) -> Reply:
        import openai

        try:
            answer = await self._client.chat.completions.create(**self._arguments(request, structure))
        except openai.APITimeoutError as error:
            raise self._late() from error
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from error
        except openai.APIStatusError as error:
            headers = error.response.headers
            raise meaning(self.endpoint, structure, error.status_code, headers, error.message) from error
        except (openai.APIError, ValueError) as error:
            raise self._garbled(error) from error
        choices = getattr(answer, "choices", None)
        if not choices or choices[0].message is None:
            raise self._garbled(answer)
        message, finish = choices[0].message, choices[0].finish_reason
        if getattr(message, "refusal", None) or finish == "content_filter":
            text, reason = message.refusal or "content filter", "refusal"
        else:
            text, reason = message.content or "", "length" if finish == "length" else "stop"
        return Reply(text, reason, self._usage(answer.usage, request, text), answer.model or self.endpoint.model)

    def _arguments(self, request: Request, structure: Structure) -> dict[str, Any]:
        own = self.endpoint
        arguments: dict[str, Any] = {
            "model": own.model,
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": request.prompt}],
            own.tokens_field: own.max_tokens,
        }
        if own.temperature is not None:
            arguments["temperature"] = own.temperature
        if structure == "schema":
            wanted = {"name": "exercise", "strict": True, "schema": request.schema}
            arguments["response_format"] = {"type": "json_schema", "json_schema": wanted}
        elif structure == "object":
            arguments["response_format"] = {"type": "json_object"}
        if own.extra:
            arguments["extra_body"] = dict(own.extra)
        return arguments

    def _usage(self, usage: Any, request: Request, text: str) -> Tokens:
        if usage is None or usage.prompt_tokens is None:  # some servers do not count
            return Tokens(estimate_tokens(request.system + request.prompt), estimate_tokens(text))
        return Tokens(usage.prompt_tokens, usage.completion_tokens or 0)


class AnthropicBackend(Backend):
    """The protocol /v1/messages."""

    def _connect(self) -> Any:
        import anthropic

        return anthropic.AsyncAnthropic(
            api_key=self._key, base_url=self.endpoint.base_url, max_retries=0, timeout=self.timeout_s
        )

    async def _send(self, request: Request, structure: Structure) -> Reply:
        import anthropic

        try:
            answer = await self._client.messages.create(**self._arguments(request, structure))
        except anthropic.APITimeoutError as error:
            raise self._late() from error
        except anthropic.APIConnectionError as error:
            raise self._unreachable(error) from error
        except anthropic.APIStatusError as error:
            headers = error.response.headers
            raise meaning(self.endpoint, structure, error.status_code, headers, error.message) from error
        except (anthropic.APIError, ValueError) as error:
            raise self._garbled(error) from error
        blocks, usage = getattr(answer, "content", None), getattr(answer, "usage", None)
        if not isinstance(blocks, list) or usage is None:
            raise self._garbled(answer)
        text = "".join(block.text for block in blocks if block.type == "text")
        finish = {"max_tokens": "length", "model_context_window_exceeded": "length", "refusal": "refusal"}
        tokens = Tokens(usage.input_tokens, usage.output_tokens)
        return Reply(text, finish.get(answer.stop_reason, "stop"), tokens, answer.model)

    def _arguments(self, request: Request, structure: Structure) -> dict[str, Any]:
        own = self.endpoint
        arguments: dict[str, Any] = {
            "model": own.model,
            "max_tokens": own.max_tokens,
            "system": request.system,
            "messages": [{"role": "user", "content": request.prompt}],
        }
        if structure == "schema":
            arguments["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
        # Not every model takes one, so the SDK has no argument for it.
        extra = dict(own.extra) | ({"temperature": own.temperature} if own.temperature is not None else {})
        if extra:
            arguments["extra_body"] = extra
        return arguments


def connect(settings: GenerateData) -> Backend:
    """The backend that settings describe. Raises InputError, or InfrastructureError for a missing key."""
    found = endpoint(settings)
    kind = AnthropicBackend if found.protocol == "anthropic" else OpenAIBackend
    return kind(found, settings)
