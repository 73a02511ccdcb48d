"""Settings of the stage `generate_data` and of `halo-forge data generate`: who writes problems, and at what price."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from halo_forge.settings.base import Fraction, Positive, Section

BackendName = Literal["deepseek", "anthropic", "claude", "openai", "ollama", "openai-compatible"]


class Prices(Section):
    """What a model costs, in `currency` for a million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    currency: Annotated[str, Field(min_length=1)] = "USD"


class GenerateData(Section):
    """None stands for what the backend has by itself."""

    enabled: bool = False
    topics: list[str] = []
    """Names of data/topics, or paths of YAML files."""
    backend: BackendName = "deepseek"
    model: str | None = None
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] | None = None
    key_variable: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] | None = None
    """The environment variable that holds the key; the key itself is never a setting."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Positive = 6144
    """Of one answer; a longer one is cut off and rejected."""
    concurrency: Positive | None = None
    """Requests under way at once."""
    timeout_s: Annotated[float, Field(gt=0)] = 180.0
    """For one try of one request."""
    tries: Positive = 6
    """Of one request that fails for the moment (5xx, no connection, no answer in time). An answer that says how long
    to wait (429 with Retry-After) is none of them."""
    first_pause_s: Annotated[float, Field(gt=0)] = 1.0
    """Before the second try; doubled before each further one, unless the server says how long to wait."""
    max_pause_s: Annotated[float, Field(gt=0)] = 300.0
    """What one request waits, all waits that the server asks for together; then it is given up."""
    max_unanswered: Annotated[int, Field(ge=0)] = 3
    """More requests in a row than this without an answer, for all their tries, stop the generation."""
    count: Positive | None = None
    """Problems a topic; None for what the topic says."""
    attempts: Positive = 2
    """Requests for one problem, if what came back had to be rejected."""
    patience: Positive = 20
    """Stop when this many answers came first and none of them could be kept: the model is not up to it."""
    budget: Annotated[float, Field(gt=0)] | None = 5.0
    """What all requests of a topic may cost, in the currency of the prices; those paid by earlier runs count."""
    budget_tokens: Positive | None = None
    """The same in tokens, prompt and answer together."""
    prices: Prices | None = None
    cache: bool = True
    """Keep answers between runs. Without it they are kept until the topic is finished."""
    near_duplicate: Fraction = 0.7
    """Two problems are the same if they share this much of their word 3-grams (Jaccard index)."""
    template: Literal["qwen", "llama", "chatml"] = "qwen"
    """How the field `text` of a row is rendered."""

    @model_validator(mode="after")
    def _something_to_do(self) -> GenerateData:
        if self.enabled and not self.topics:
            raise ValueError("topics: name at least one, or set enabled: false")
        return self
