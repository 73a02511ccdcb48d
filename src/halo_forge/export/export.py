"""From a model of ours to a folder that others run: merged weights or the adapter, GGUF, Modelfile, model card."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.errors import InputError
from halo_forge.export import gguf_file, quantise
from halo_forge.export.bases import Base, base_of
from halo_forge.export.card import About, card_text
from halo_forge.export.evidence import Evidence
from halo_forge.export.merge import merged, save_merged, save_tokenizer
from halo_forge.export.modelfile import modelfile, ollama_turns
from halo_forge.export.sampling import Sampling
from halo_forge.files import read_json, write_json
from halo_forge.folders import whole_folder
from halo_forge.hashing import digest
from halo_forge.model.base import BASE_FILE
from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.provenance import git_revision, versions

RECORD = "export.json"
"""Written last: digests of all files, and where they come from."""
KINDS = ("f16", "q8_0", *quantise.KINDS)
LOSSY = "; four bits may round away what training changed: measure it with `halo-forge benchmark run`, or take q8_0"
"""Said of such a file of a trained model. Measured once: 16 of 39 points of pass@1 were lost, docs/measured.md."""


@dataclass(frozen=True)
class Export:
    """What is asked for. `gguf` are kinds of KINDS; `license_id` is the base model's licence where the user says it."""

    out: Path
    gguf: Sequence[str] = ()
    dtype: str = "bfloat16"
    adapter_only: bool = False
    license_id: str | None = None


def export(model: Checkpoint, wanted: Export, evidence: Evidence, sampling: Sampling, command: str) -> dict[str, str]:
    """Write the folder `wanted.out`, whole or not at all; returns its files, name -> what it is.

    An earlier export there is replaced. Raises InputError for a folder with anything else in it, for an adapter-only
    export of a model without one, and for what GGUF has no place for; InfrastructureError without llama.cpp where it is
    needed.
    """
    _check(model, wanted)
    chat = Chat.of(str(model.base), model.lock["system_prompt"])
    base = base_of(model.lock, wanted.license_id)
    shown = model.lock | {"id": Path(model.lock["id"]).name} if model.lock["provider"] == "local" else model.lock
    with whole_folder(wanted.out) as folder:
        folder.mkdir()
        if wanted.adapter_only:
            files, relation = _write_adapter(model, chat, base, shown, folder), "adapter"
        else:
            files = _write_merged(model, chat, base, wanted, sampling, folder)
            relation = "finetune" if model.trained else "quantized" if wanted.gguf else None
        about = About(
            title=wanted.out.name,
            lock=shown,
            base=base,
            evidence=evidence,
            sampling=sampling,
            files=files,
            relation=relation,
            adapter_sha256=model.adapter and digest(model.adapter),
            whole=model.adapter is None and model.trained is not None,
            versions=versions(),
            export_command=command,
        )
        (folder / "README.md").write_text(card_text(about), encoding="utf-8")
        _write_record(about, evidence, folder)
    return files


def _check(model: Checkpoint, wanted: Export) -> None:
    if wanted.adapter_only and model.adapter is None:
        what = "was trained whole" if model.trained else "is a base model"
        raise InputError(f"--adapter-only: {model.name} has no adapter; it {what}")
    if wanted.adapter_only and wanted.gguf:
        raise InputError("--adapter-only: a GGUF file is made of the merged model; leave one of the two out")
    if (
        wanted.out.exists()
        and not (wanted.out / RECORD).exists()
        and (wanted.out.is_file() or any(wanted.out.iterdir()))
    ):
        raise InputError(f"--output: {wanted.out} holds something that is no export; name a new folder")
    if set(wanted.gguf) & set(quantise.KINDS):
        quantise.require_quantiser()


def _write_merged(
    model: Checkpoint, chat: Chat, base: Base, wanted: Export, sampling: Sampling, folder: Path
) -> dict[str, str]:
    whole = merged(model)
    ggufs = {f"{wanted.out.name}-{kind.upper()}.gguf": kind for kind in wanted.gguf}
    plain = {name: kind for name, kind in ggufs.items() if kind in gguf_file.WRITTEN}
    for name, kind in plain.items():
        gguf_file.write_gguf(whole, chat, folder / name, kind, wanted.out.name)
    if quantised := {name: kind for name, kind in ggufs.items() if name not in plain}:
        source = folder / "float32.gguf"  # what is quantised has been rounded by nobody before
        gguf_file.write_gguf(whole, chat, source, "f32", wanted.out.name)
        for name, kind in quantised.items():
            quantise.quantise(source, folder / name, kind)
        source.unlink()
    save_merged(whole, chat, model.base, wanted.dtype, sampling, folder)
    weights = next(reversed(ggufs), ".")  # the one named last: `make export` names its own first
    stop = chat.tokenizer.decode([chat.end])
    text = modelfile(weights, ollama_turns(chat), stop, sampling, base.license_name)
    (folder / "Modelfile").write_text(text, encoding="utf-8")
    weights_are = "merged weights" if model.adapter else "weights"
    shown = {"model*.safetensors": f"the {weights_are} in {wanted.dtype}, for transformers, vLLM, SGLang"}
    doubt = LOSSY if model.trained else ""
    shown |= {
        name: f"the same in {kind}, for llama.cpp, Ollama, LM Studio{doubt if name in quantised else ''}"
        for name, kind in ggufs.items()
    }
    return shown | {"Modelfile": f"`ollama create {wanted.out.name} -f Modelfile`"}


def _write_adapter(model: Checkpoint, chat: Chat, base: Base, shown: dict[str, Any], folder: Path) -> dict[str, str]:
    """The adapter with its tokenizer, naming the base by the hub's name, where others find it, else by that of
    `shown`."""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copyfile(model.adapter / name, folder / name)
    config = read_json(folder / "adapter_config.json")
    revision = model.lock["revision"] if model.lock["provider"] == "hub" else None
    config |= {"base_model_name_or_path": base.repository or shown["id"], "revision": revision}
    write_json(folder / "adapter_config.json", config)
    write_json(folder / BASE_FILE, shown)
    save_tokenizer(chat, model.base, folder)
    return {
        "adapter_model.safetensors": f"the LoRA adapter, for PEFT on {base.repository or shown['id']}",
        BASE_FILE: "the exact weights that it was trained on",
    }


def _write_record(about: About, evidence: Evidence, folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    write_json(
        folder / RECORD,
        {
            "model": evidence.name,
            "base": about.lock,
            "adapter_sha256": about.adapter_sha256,
            "command": about.export_command,
            "git_revision": git_revision(),
            "versions": about.versions,
            "files": {name: digest(folder / name) for name in names},
        },
    )
