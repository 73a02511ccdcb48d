"""The command line, `halo-forge …`: one thin command a verb over the library."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from halo_forge import __version__
from halo_forge.cli import benchmark, caches, data, doctor, raft, sft, status, verify
from halo_forge.process import exit_code
from halo_forge.progress import print_table
from halo_forge.provenance import cores, cpu_model, git_revision, gpus, versions
from halo_forge.settings.params import load_params

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # rich's tables cut the names of options to fit the terminal, and take `[default: 5]` for markup. Plain help does
    # neither. It holds for all the groups below.
    rich_markup_mode=None,
    help="Turn a pretrained code model into a better one: SFT, RAFT cycles, pass@k benchmark, report.",
)

app.add_typer(data.app, name="data")
app.add_typer(sft.app, name="sft")
app.add_typer(raft.app, name="raft")
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(verify.app, name="verify")
app.add_typer(caches.app, name="cache")


def main() -> None:
    """Entry point of the `halo-forge` script: errors meant for the user become one line and an exit code."""
    sys.exit(exit_code(app))


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"halo-forge {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command("info")
def info() -> None:
    """Show versions, the machine, and the settings of this folder."""
    params = load_params()
    rows = [
        ["halo-forge", __version__],
        ["code", git_revision() or "not in Git"],
        ["preset", params.preset],
        ["base model", params.base_model.id],
        ["models", ", ".join(params.models())],
        ["GPU", ", ".join(f"{gpu.name}, {gpu.memory_gb:.0f} GB" for gpu in gpus()) or "none"],
        ["CPU", f"{cpu_model()}, {cores()} cores"],
    ]
    rows += [[name, version] for name, version in versions().items() if name != "halo-forge"]
    print_table(["", ""], rows)


@app.command("status")
def status_command() -> None:
    """Say which stage runs, how far it is, and when all will end."""
    status.main()


@app.command("doctor")
def doctor_command() -> None:
    """Say what is here, what is missing and how to get it. Ends with 1 if the pipeline cannot run."""
    raise typer.Exit(doctor.main())
