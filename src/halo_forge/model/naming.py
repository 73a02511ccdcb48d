"""How an adapter folder says which base model it belongs to: to this program, and to anybody who loads it with PEFT."""

from __future__ import annotations

from pathlib import Path

from halo_forge.files import read_json, write_json
from halo_forge.model.base import BASE_FILE

_CARD = """---
base_model: {name}
library_name: peft
---
An adapter for {name}. It was trained on other weights of that model than the repository's: {weights}
(SHA-256 of the file {revision}).
"""


def peft_name(lock: dict) -> tuple[str, str | None]:
    """(base_model_name_or_path, revision) of the adapters on this base: what PEFT loads to put them on."""
    return (lock["origin"], None) if lock.get("origin") else (lock["id"], lock["revision"])


def name_base(adapter: Path, lock: dict) -> None:
    """Let the adapter name the exact base it belongs to, not the folder it was loaded from on this machine.

    PEFT keeps the names of the trained modules as a set: sorted, the same training gives the same bytes.
    """
    path = adapter / "adapter_config.json"
    config = read_json(path)
    config["base_model_name_or_path"], config["revision"] = peft_name(lock)
    config["target_modules"] = sorted(config["target_modules"])
    write_json(path, config)
    write_json(adapter / BASE_FILE, lock)
    if lock.get("origin") and lock.get("weights"):
        card = _CARD.format(name=lock["origin"], weights=lock["weights"], revision=lock["revision"])
        (adapter / "README.md").write_text(card, encoding="utf-8")
