"""What `sft train`, `raft train` and `benchmark run` share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from halo_forge.errors import InputError

Config = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file; flags win over it.")]
Host = Annotated[str | None, typer.Option(help="msvc: the Windows host.")]
User = Annotated[str | None, typer.Option(help="msvc: the user there.")]
Key = Annotated[str | None, typer.Option("--ssh-key", help="msvc: the private key file.")]


def say(text: str) -> None:
    """A plain word on stderr."""
    print(text, file=sys.stderr)


def input_file(value: str | None, option: str, key: str) -> Path:
    """The file that a flag or a key of the config names. Raises InputError if none does, or it is not there."""
    if value is None:
        raise InputError(f"{option} is missing: name a file, or set {key} in the config")
    path = Path(value).expanduser()
    if not path.is_file():
        raise InputError(f"{option}: {path}: no such file")
    return path


def training_dtype(bf16: bool) -> str:
    """bfloat16 if it is wanted and this machine computes in it; else float32, with a word if it was wanted."""
    from halo_forge.model.dtype import computes_bfloat16

    if bf16 and not computes_bfloat16():
        say("bf16: this machine does not compute in bfloat16; float32 is used")
        return "float32"
    return "bfloat16" if bf16 else "float32"
