"""`halo-forge raft train`: cycles of sampling, judging, filtering and training on what passed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from halo_forge.cli.bridge import raft_params, verify_settings
from halo_forge.cli.files import RaftFile, read_settings
from halo_forge.cli.options import (
    Bf16,
    Config,
    GradientAccumulation,
    GradientCheckpointing,
    Host,
    Key,
    Strict,
    User,
    judged_prompts,
    say,
)
from halo_forge.cli.threshold import what_is_kept
from halo_forge.errors import InputError
from halo_forge.progress import print_table
from halo_forge.settings.verify import Verify

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("train")
def train(
    config: Config = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="The model to start from, such as models/sft/final_model.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The same: a base model (hub id, folder, wheel) or an adapter.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option("--prompts", "-p", help="Rows with a prompt; those with tests are judged by them.")
    ] = None,
    verifier: Annotated[
        str | None,
        typer.Option(
            help="gcc, clang, mingw, msvc, python, pytest, rust, go, custom, auto. [default: auto, by language]"
        ),
    ] = None,
    host: Host = None,
    user: User = None,
    ssh_key: Key = None,
    cycles: Annotated[int | None, typer.Option(help="[default: 5]")] = None,
    samples_per_prompt: Annotated[int | None, typer.Option(help="[default: 8]")] = None,
    reward_threshold: Annotated[
        float | None, typer.Option(help="Least reward to keep; 1.0: only what passes every test. [default: 0.5]")
    ] = None,
    keep_top_percent: Annotated[float | None, typer.Option(help="Share of those that is kept. [default: 0.5]")] = None,
    max_keep_per_prompt: Annotated[int | None, typer.Option(help="[default: all samples of it]")] = None,
    drop_solved: Annotated[
        bool | None,
        typer.Option("--drop-solved/--keep-solved", help="Leave out prompts that every sample passed. [default: off]"),
    ] = None,
    max_pass_rate: Annotated[
        float | None, typer.Option(help="Leave out prompts that pass this often, by all cycles so far. [default: 1.0]")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="[default: 0.7]")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="[default: 1024]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="[default: 5e-5]")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of each cycle's training. [default: 1]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows at a time in training. [default: 2]")] = None,
    gradient_accumulation: GradientAccumulation = None,
    gradient_checkpointing: GradientCheckpointing = None,
    bf16: Bf16 = None,
    seed: Annotated[int | None, typer.Option(help="[default: 42]")] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Folder. [default: models/raft]")] = None,
    strict: Strict = False,
) -> None:
    """Run the cycles. Models land in <output>/cycle_N_final, the numbers in <output>/raft_statistics.json."""
    if checkpoint and model:
        raise InputError("--checkpoint and --model both name the model to start from; give one")
    flags = {
        "sft_checkpoint": checkpoint or model,
        "prompts": prompts,
        "strict": strict or None,
        "output_dir": output,
        "raft.num_cycles": cycles,
        "raft.samples_per_prompt": samples_per_prompt,
        "raft.reward_threshold": reward_threshold,
        "raft.keep_top_percent": keep_top_percent,
        "raft.max_keep_per_prompt": max_keep_per_prompt,
        "raft.drop_solved": drop_solved,
        "raft.max_pass_rate": max_pass_rate,
        "generation.temperature": temperature,
        "generation.max_new_tokens": max_new_tokens,
        "training.learning_rate": learning_rate,
        "training.epochs": epochs,
        "training.batch_size": batch_size,
        "training.gradient_accumulation_steps": gradient_accumulation,
        "training.gradient_checkpointing": gradient_checkpointing,
        "training.bf16": bf16,
        "verifier.type": verifier,
        "seed": seed,
    }
    settings = read_settings(RaftFile, config, flags)
    _train(settings, verify_settings(settings.verifier, host=host, user=user, ssh_key=ssh_key))


def _train(settings: RaftFile, verify: Verify) -> None:
    from halo_forge.model.reference import find_checkpoint
    from halo_forge.runs.raft import Plan, run_cycles

    if settings.sft_checkpoint is None:
        raise InputError(
            "--checkpoint is missing: name a model folder, such as models/sft/final_model, or a base model"
        )
    verifier = settings.verifier.type or "auto"
    _, tasks = judged_prompts(settings.prompts, verifier, verify, strict=settings.strict)
    say(what_is_kept(settings.raft.reward_threshold, tasks, verifier, verify))
    start = find_checkpoint(settings.sft_checkpoint)
    params = raft_params(settings, start, verify)
    rows = run_cycles(Plan(start, tasks, params, verifier, Path(settings.output_dir)))
    _print(rows)


def _print(rows: list[dict[str, Any]]) -> None:
    print_table(
        ["cycle", "samples", "passed", "compiles", "kept", "prompts covered", "loss"],
        [
            [
                row["cycle"],
                row["total_samples"],
                f"{row['success_rate']:.1%}",
                f"{row['compile_rate']:.1%}",
                row["kept"],
                row["tasks_covered"],
                row["loss_last"],
            ]
            for row in rows
        ],
    )
