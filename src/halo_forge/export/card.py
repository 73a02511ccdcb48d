"""The model card of an export: README.md with the hub's metadata, and what is known of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.export.bases import Base
from halo_forge.export.evidence import Evidence
from halo_forge.export.sampling import Sampling

HELD_OUT = "halo-forge, held-out families"
_LANGUAGES = {"cpp": "C++", "c": "C", "python": "Python", "rust": "Rust", "go": "Go"}


@dataclass(frozen=True)
class About:
    """What a card is written from. `files` are name -> what it is; `relation` is the hub's word for what the model is
    to its base: finetune, adapter, quantized, or None for the base itself."""

    title: str
    lock: Mapping[str, Any]
    base: Base
    evidence: Evidence
    sampling: Sampling
    files: Mapping[str, str]
    relation: str | None
    adapter_sha256: str | None
    whole: bool
    """All weights were trained, not an adapter; with neither it is a base model."""
    versions: Mapping[str, str]
    export_command: str


def card_text(about: About) -> str:
    """The text of README.md; its metadata are such that `huggingface_hub` reads back what was put in."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": _percent, "languages": _languages}
    own = about.evidence.own
    body = environment.get_template("card.md.j2").render(about=about, own=own, evidence=about.evidence, lock=about.lock)
    return f"---\n{_metadata(about)}\n---\n\n{body}"


def _metadata(about: About) -> str:
    from huggingface_hub import ModelCardData

    results = _results(about)
    data = ModelCardData(
        base_model=about.base.repository,
        base_model_relation=about.relation if about.base.repository else None,
        library_name="peft" if about.relation == "adapter" else "transformers",
        pipeline_tag="text-generation",
        tags=[
            "code",
            "halo-forge",
            *(["lora"] if about.adapter_sha256 else []),
            *(["raft"] if about.evidence.raft else []),
            *(["gguf"] if _has_gguf(about.files) else []),
        ],
        datasets=_datasets(about.evidence) or None,
        model_name=about.title if results else None,
        eval_results=results or None,
        **about.base.license,
    )
    return data.to_yaml()


def _has_gguf(files: Mapping[str, str]) -> bool:
    return any(name.endswith(".gguf") for name in files)


def _datasets(evidence: Evidence) -> list[str]:
    """Sets of the hub among what was trained on."""
    return sorted(
        {row.source.dataset for row in evidence.data if row.source.dataset.count("/") == 1 and row.source.revision}
    )


def _results(about: About) -> list[Any]:
    from huggingface_hub import EvalResult

    evidence = about.evidence
    cards = [(HELD_OUT, "halo-forge", evidence.own)] if evidence.own else []
    cards += [(name, name, card) for name, card in evidence.sets]
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=kind,
            dataset_name=name,
            metric_type=f"pass@{k}",
            metric_name=f"pass@{k}",
            metric_value=round(value, 4),
            verified=False,
        )
        for name, kind, card in cards
        for k, value in card["pass_at_k"].items()
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _languages(names: Sequence[str]) -> str:
    return ", ".join(_LANGUAGES.get(name, name) for name in names) or "code"
