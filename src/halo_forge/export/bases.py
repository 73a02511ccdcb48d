"""What the hub calls a base model, and the licence that it is under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from halo_forge.model.licences import EMBEDDED, licence_fields, name_of


@dataclass(frozen=True)
class Base:
    """`repository` on the hub, None where there is none; `license` holds the fields of a card, empty if not known."""

    repository: str | None
    license: dict[str, str]

    @property
    def license_name(self) -> str | None:
        return name_of(self.license)


def base_of(lock: dict[str, Any], license_id: str | None = None) -> Base:
    """The base model of a lock; `license_id` is what the user says of its licence."""
    embedded = EMBEDDED.get(lock["id"].partition("==")[0]) if lock["provider"] == "pypi" else None
    repository = lock.get("origin") or embedded or (lock["id"] if lock["provider"] == "hub" else None)
    return Base(repository, {"license": license_id} if license_id else licence_fields(repository or ""))
