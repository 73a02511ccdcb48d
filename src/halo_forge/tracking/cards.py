"""The card of a model in MLflow: what an export of it would say, but for the files."""

from __future__ import annotations

from halo_forge.benchmark.results import Results
from halo_forge.export.bases import base_of
from halo_forge.export.card import About, card_text
from halo_forge.export.evidence import pipeline_evidence
from halo_forge.export.sampling import Sampling
from halo_forge.hashing import digest
from halo_forge.model.base import ADAPTERS, is_whole
from halo_forge.provenance import versions


def model_card(results: Results, model: str) -> str | None:
    """Markdown; None of a base model and where there are no weights."""
    folder = results.root / ADAPTERS / model
    adapter, whole = folder / "adapter_model.safetensors", is_whole(folder)
    if model == "base" or not results.base or not (whole or adapter.exists()):
        return None
    base, params = base_of(results.base), results.params
    how = params.benchmark
    about = About(
        title=f"{params.preset}: {model}",
        lock=results.base,
        base=base,
        evidence=pipeline_evidence(results, model),
        sampling=Sampling(how.temperature, params.generate.top_k, params.generate.top_p, how.max_new_tokens),
        files={"model.safetensors": "all weights"} if whole else {adapter.name: "the LoRA adapter, for PEFT"},
        relation="finetune" if whole else "adapter",
        adapter_sha256=None if whole else digest(folder),
        whole=whole,
        versions=versions(),
        export_command=f"halo-forge export --model {ADAPTERS / model} --output export/{model}",
    )
    return card_text(about)
