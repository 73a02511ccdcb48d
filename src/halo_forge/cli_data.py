"""`halo-forge data …`: get data, generate it, check it, split it."""

from __future__ import annotations

import typer

from halo_forge import cli_data_clean, cli_data_generate, cli_data_prepare

app = typer.Typer(no_args_is_help=True, help="Get training data: prepare, generate, validate, split.")

app.command("prepare")(cli_data_prepare.prepare)
app.command("generate")(cli_data_generate.generate)
app.command("validate")(cli_data_clean.validate)
app.command("split")(cli_data_clean.split)
