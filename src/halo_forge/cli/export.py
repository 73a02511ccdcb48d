"""`halo-forge export`: a model as a folder that other programs run."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from halo_forge.errors import InputError


class Gguf(StrEnum):
    f16 = "f16"
    q8_0 = "q8_0"
    q4_k_m = "q4_k_m"


class Dtype(StrEnum):
    bfloat16 = "bfloat16"
    float16 = "float16"
    float32 = "float32"


def export(
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model folder (adapter or whole), a GGUF file, a hub id or a wheel.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder; an earlier export in it is replaced.")],
    gguf: Annotated[
        list[Gguf] | None, typer.Option("--gguf", help="A GGUF file too; may be given more than once.")
    ] = None,
    dtype: Annotated[Dtype | None, typer.Option(help="Of the merged safetensors. [default: bfloat16]")] = None,
    adapter_only: Annotated[bool, typer.Option("--adapter-only", help="The adapter, not merged.")] = False,
    result: Annotated[
        list[Path] | None,
        typer.Option(help="For the card: files of `benchmark run`, this model's last. Of the pipeline's are known."),
    ] = None,
    license_id: Annotated[
        str | None, typer.Option("--license", help="The base model's, where it is not known: apache-2.0, mit, …")
    ] = None,
    push: Annotated[str | None, typer.Option(help="Upload to this repository of the hub, owner/name.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the repository private if it is new.")] = False,
) -> None:
    """Write a model as other programs run it.

    Merged weights, tokenizer, Modelfile and model card; GGUF files too, and all of it to the hub, where asked for.
    """
    from halo_forge.export.evidence import evidence_of
    from halo_forge.export.export import Export
    from halo_forge.export.export import export as write_export
    from halo_forge.export.push import push as upload
    from halo_forge.export.sampling import sampling_of
    from halo_forge.model.reference import find_checkpoint

    if private and not push:
        raise InputError("--private: nothing is uploaded; give --push owner/name too, or leave it out")
    if dtype and adapter_only:
        raise InputError(
            "--dtype: an adapter stays in the type that it was trained in; leave --dtype or --adapter-only out"
        )
    kinds = list(dict.fromkeys(kind.value for kind in gguf or []))
    checkpoint = find_checkpoint(model)
    evidence = evidence_of(checkpoint, result or [])
    words = ["halo-forge", "export", "--model", _public(model), "--output", _public(output)]
    words += [word for kind in kinds for word in ("--gguf", kind)]
    words += ["--dtype", dtype.value] if dtype else []
    words += ["--adapter-only"] if adapter_only else []
    words += [word for path in result or [] for word in ("--result", _public(path))]
    wanted = Export(output, kinds, (dtype or Dtype.bfloat16).value, adapter_only, license_id)
    files = write_export(checkpoint, wanted, evidence, sampling_of(evidence.own), shlex.join(words))
    for name, what in files.items():
        print(f"{output / name}: {what}")
    if push:
        print(upload(output, push, private=private))


def _public(name: str | Path) -> str:
    """A path as a card may show it: what lies above this folder, and on this machine alone, is nobody's business."""
    path = Path(name)
    if not path.is_absolute():
        return str(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name
