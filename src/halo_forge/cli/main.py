"""The command line, `halo-forge …`: one thin command a verb over the library."""

from __future__ import annotations

import importlib
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from halo_forge import __version__
from halo_forge.cli import export, generate, report
from halo_forge.process import exit_code

GROUPS = {
    "data": "Get training data: prepare, generate, validate, split.",
    "sft": "Supervised fine-tuning: teach a model to answer as the rows do.",
    "raft": "RAFT: train a model on its own answers that were verified.",
    "benchmark": "pass@k with intervals, and paired comparisons.",
    "verify": "Judge answers: compile them, run their tests, contain them.",
    "cache": "Files that can be made again: list, prune.",
    "task": "Tasks of your own: a template, and what its tests miss.",
}
"""The modules of this package that hold an `app` of further commands, and what `--help` says of each."""

# rich's tables cut the names of options to fit the terminal, and take `[default: 5]` for markup. Plain help does
# neither.
PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None}

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Turn a pretrained code model into a better one: SFT, RAFT cycles, pass@k benchmark, report.",
    **PLAIN,
)


class _WhenAsked(TyperGroup):
    """A group whose module is imported once its commands are looked at: the help of the program needs none of them."""

    _found: MutableMapping[str, Any] | None = None

    @property
    def commands(self) -> MutableMapping[str, Any]:
        if self._found is None:
            alone = typer.Typer(**PLAIN)
            alone.add_typer(importlib.import_module(f"halo_forge.cli.{self.name}").app, name=self.name)
            self._found = get_command(alone).commands[self.name].commands
        return self._found

    @commands.setter
    def commands(self, none_yet: MutableMapping[str, Any]) -> None:
        """What the group is built with, before anybody asks."""


for _name, _help in GROUPS.items():
    app.add_typer(typer.Typer(cls=_WhenAsked, no_args_is_help=True, help=_help), name=_name)

app.command("export")(export.export)
app.command("generate")(generate.generate)
app.command("report")(report.report)


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


@app.command("presets")
def list_presets() -> None:
    """Show the memory and hours that each preset for GPUs takes. Worked out, not measured."""
    from halo_forge.cli import presets
    from halo_forge.progress import print_table
    from halo_forge.settings.params import load_params

    lora = load_params().sft.lora
    print_table(presets.HEAD, [presets.cells(row) for row in presets.table(Path("presets.yaml"), lora)])


@app.command("info")
def info() -> None:
    """Show versions, the machine, and the settings of this folder."""
    from halo_forge.progress import print_table
    from halo_forge.provenance import cores, cpu_model, git_revision, gpus, versions
    from halo_forge.settings.params import load_params

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
    from halo_forge.cli import status

    status.main()


@app.command("doctor")
def doctor_command() -> None:
    """Say what is here, what is missing and how to get it. Ends with 1 if the pipeline cannot run."""
    from halo_forge.cli import doctor

    raise typer.Exit(doctor.main())
