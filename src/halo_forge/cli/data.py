"""`halo-forge data …`: get data, generate it, check it, split it."""

from __future__ import annotations

import typer

from halo_forge.cli import data_clean, data_generate, data_prepare

app = typer.Typer(no_args_is_help=True)

app.command("prepare")(data_prepare.prepare)
app.command("generate")(data_generate.generate)
app.command("validate")(data_clean.validate)
app.command("split")(data_clean.split)
