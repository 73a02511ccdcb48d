"""Where requests go and how: the backends by name, and what each has for a default."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Literal

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.settings.checking import one_of
from halo_forge.settings.generate_data import GenerateData, Prices

Structure = Literal["schema", "object", "none"]
"""How the form of an answer is asked for beside the prompt: a JSON schema, any JSON object, not at all."""


@dataclass(frozen=True)
class Endpoint:
    """A model at a URL. `temperature` None leaves it to the server; `key_variable` names an environment variable."""

    name: str
    protocol: Literal["openai", "anthropic"]
    base_url: str
    model: str
    key_variable: str
    key_needed: bool
    structure: Structure
    prices: Prices | None
    temperature: float | None = None
    max_tokens: int = 6144
    tokens_field: str = "max_tokens"
    extra: tuple[tuple[str, Any], ...] = ()
    """What this server wants beside the common fields."""
    concurrency: int = 8
    local_start: str = ""
    """How to start a server of this kind on one's own machine."""

    def identity(self) -> list[Any]:
        """What an answer depends on, beside the request."""
        return [self.protocol, self.base_url, self.model, self.temperature, self.max_tokens, list(self.extra)]

    def key(self) -> str:
        """Raises InfrastructureError naming the variable that has to be set."""
        value = os.environ.get(self.key_variable, "").strip()
        if not value and self.key_needed:
            raise InfrastructureError(
                f"{self.key_variable} is not set: the backend {self.name} wants a key; "
                f"export {self.key_variable}=… and run again"
            )
        return value or "none"


# Models and list prices as published in 2026; a provider's price page is the authority, `prices` the setting.
_ENDPOINTS = {
    "deepseek": Endpoint(
        name="deepseek",
        protocol="openai",
        base_url="https://api.deepseek.com",
        model="deepseek-v4-flash",
        key_variable="DEEPSEEK_API_KEY",
        key_needed=True,
        structure="object",
        prices=Prices(input=0.14, output=0.28),
        temperature=1.0,
        extra=(("thinking", {"type": "disabled"}),),
    ),
    "anthropic": Endpoint(
        name="anthropic",
        protocol="anthropic",
        base_url="https://api.anthropic.com",
        model="claude-haiku-4-5",
        key_variable="ANTHROPIC_API_KEY",
        key_needed=True,
        structure="schema",
        prices=Prices(input=1.0, output=5.0),
        concurrency=4,
    ),
    "openai": Endpoint(
        name="openai",
        protocol="openai",
        base_url="https://api.openai.com/v1",
        model="gpt-5.4-mini",
        key_variable="OPENAI_API_KEY",
        key_needed=True,
        structure="schema",
        prices=Prices(input=0.75, output=4.5),
        tokens_field="max_completion_tokens",
    ),
    "ollama": Endpoint(
        name="ollama",
        protocol="openai",
        base_url="http://localhost:11434/v1",
        model="qwen2.5-coder:7b",
        key_variable="OLLAMA_API_KEY",
        key_needed=False,
        structure="schema",
        prices=Prices(input=0.0, output=0.0),
        temperature=0.9,
        concurrency=1,
        local_start="ollama serve",
    ),
    "openai-compatible": Endpoint(
        name="openai-compatible",
        protocol="openai",
        base_url="",
        model="",
        # Not OPENAI_API_KEY: that key is for nobody else to see.
        key_variable="OPENAI_COMPATIBLE_API_KEY",
        key_needed=False,
        structure="schema",
        prices=None,
        temperature=0.9,
        concurrency=16,
        local_start="vllm serve MODEL",
    ),
}
ALIASES = {"claude": "anthropic"}


def endpoint(settings: GenerateData) -> Endpoint:
    """The endpoint that settings describe. Raises InputError for what is missing or does not go together."""
    found = _ENDPOINTS[known_backend(settings.backend)]
    own_model = settings.model is not None and settings.model != found.model
    own_url = settings.base_url is not None and settings.base_url.rstrip("/") != found.base_url
    # Prices and peculiarities belong to one model of one provider; what is local costs nothing whatever it is.
    prices = found.prices if not (own_model or own_url) or not found.key_needed else None
    made = replace(
        found,
        model=settings.model or found.model,
        base_url=(settings.base_url or found.base_url).rstrip("/"),
        key_variable=settings.key_variable or found.key_variable,
        key_needed=found.key_needed or settings.key_variable is not None,
        temperature=found.temperature if settings.temperature is None else settings.temperature,
        max_tokens=settings.max_tokens,
        prices=settings.prices or prices,
        concurrency=settings.concurrency or found.concurrency,
    )
    if not made.base_url:
        raise InputError(
            f"backend {made.name}: no URL; give --base-url, such as http://localhost:8000/v1 (generate_data.base_url)"
        )
    if not made.model:
        raise InputError(f"backend {made.name}: no model; give --model (generate_data.model)")
    if made.prices is None and settings.budget is not None and "budget" in settings.model_fields_set:
        raise InputError(
            f"a budget in money wants the prices of {made.model}: give them (--price-input, --price-output, "
            "generate_data.prices), or limit tokens instead (--budget-tokens, generate_data.budget_tokens)"
        )
    return made


def known_backend(name: str) -> str:
    """The name behind an alias. Raises InputError with the known names."""
    name = ALIASES.get(name, name)
    if name not in _ENDPOINTS:
        raise InputError(f"backend {name!r}: not known {one_of(name, (*_ENDPOINTS, *ALIASES))}")
    return name
