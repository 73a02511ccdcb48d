"""Options and first steps that `sft train`, `raft train`, `benchmark run` and `verify run` share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from halo_forge.data.left_out import LeftOut
from halo_forge.errors import InputError
from halo_forge.records import Task
from halo_forge.settings.verify import Verify

Config = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file; flags win over it.")]
Host = Annotated[str | None, typer.Option(help="msvc: the Windows host.")]
User = Annotated[str | None, typer.Option(help="msvc: the user there.")]
Key = Annotated[str | None, typer.Option("--ssh-key", help="msvc: the private key file.")]
GradientAccumulation = Annotated[int | None, typer.Option(help="Times that many rows a step. [default: 16]")]
GradientCheckpointing = Annotated[bool | None, typer.Option(help="Less memory for more time. [default: on]")]
Bf16 = Annotated[bool | None, typer.Option(help="bfloat16 where the machine has it. [default: on]")]


Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")]


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


def say_left_out(left_out: LeftOut) -> None:
    """A warning of rows that were left out, if any were."""
    if words := left_out.words():
        say(f"warning: {words}")


def judged_prompts(
    prompts: str | None, verifier: str, settings: Verify, limit: int | None = None, *, strict: bool = False
) -> tuple[Path, list[Task]]:
    """The file that --prompts names and its rows as tasks, the first `limit` of them; says what tests they lack.

    Raises InputError for a verifier or file that is not there, and for rows that are no prompts: the first of them if
    `strict`, else if they are many.
    """
    from halo_forge.data.prompts import read_prompts, warning_about_tests
    from halo_forge.verify.registry import get_verifier

    get_verifier(verifier, settings)  # a wrong name is told before anything is loaded
    path = input_file(prompts, "--prompts", "prompts")
    left_out = LeftOut(strict)
    tasks = read_prompts(path, verifier, limit, left_out)
    say_left_out(left_out)
    if warning := warning_about_tests(tasks):
        say(f"warning: {warning}")
    return path, tasks
