"""What a failed request means: worth another try, a setting that is wrong, or a server that will not serve."""

from __future__ import annotations

from collections.abc import Mapping

from halo_forge.data.llm.endpoints import Endpoint, Structure
from halo_forge.errors import HaloForgeError, InfrastructureError, InputError
from halo_forge.retry import PASSING, Again, retry_after

# OpenAI says 429 for an empty account too, and waiting does not fill it.
_NO_MONEY = ("insufficient_quota", "insufficient balance", "credit balance", "billing")


class Unstructured(Exception):
    """The server does not know the form in which the structure of an answer was asked for."""


def meaning(
    endpoint: Endpoint, structure: Structure, status: int, headers: Mapping[str, str], words: str
) -> Again | Unstructured | HaloForgeError:
    """The exception to raise for an HTTP status of 400 or more, answered to a request that asked for `structure`."""
    said = f"{endpoint.base_url} ({endpoint.model}): HTTP {status}: {' '.join(words.split())[:300]}"
    lower = words.lower()
    if status == 402 or (status in (400, 403, 429) and any(mark in lower for mark in _NO_MONEY)):
        return InfrastructureError(f"{said}; the account has no money left: fill it up and run again")
    if status in (401, 403):
        return InfrastructureError(f"{said}; the key in {endpoint.key_variable} is not accepted: set the right one")
    if status in PASSING or status >= 500:
        return Again(said, after_s=retry_after(headers))
    if status in (400, 422) and structure != "none" and _about_structure(lower):
        return Unstructured(said)
    if status == 404:
        return InputError(f"{said}; check the model (--model) and the URL (--base-url)")
    return InputError(f"{said}; the server does not take this request: check model, temperature and max_tokens")


def _about_structure(words: str) -> bool:
    return any(mark in words for mark in ("response_format", "json_schema", "json_object", "output_config", "grammar"))
