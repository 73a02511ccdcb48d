"""`halo-forge sft train`: supervised fine-tuning of a base model on rows with answers."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from halo_forge.cli.files import SftFile, read_settings
from halo_forge.cli.options import (
    Bf16,
    Config,
    GradientAccumulation,
    GradientCheckpointing,
    Strict,
    input_file,
    say,
    say_left_out,
)

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("train")
def train(
    config: Config = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Hub id, folder, or wheel; default: that of params.yaml, else the embedded one."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Rows: text, messages, prompt and completion, or tasks (.jsonl, .json, .csv, .parquet)."),
    ] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Folder. [default: models/sft]")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on from this checkpoint-N. A killed run goes on by itself.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="[default: 3]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows at a time. [default: 2]")] = None,
    gradient_accumulation: GradientAccumulation = None,
    learning_rate: Annotated[float | None, typer.Option(help="[default: 2e-4]")] = None,
    warmup_ratio: Annotated[float | None, typer.Option(help="Share of the steps. [default: 0.03]")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="[default: 0.01]")] = None,
    max_grad_norm: Annotated[float | None, typer.Option(help="[default: 0.3]")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="[default: 16]")] = None,
    lora_alpha: Annotated[int | None, typer.Option(help="[default: 32]")] = None,
    lora_dropout: Annotated[float | None, typer.Option(help="[default: 0.05]")] = None,
    validation_split: Annotated[float | None, typer.Option(help="Share of the rows held out. [default: 0.05]")] = None,
    max_seq_length: Annotated[
        int | None, typer.Option(help="Tokens of a row; longer ones are left out. [default: 2048]")
    ] = None,
    max_samples: Annotated[int | None, typer.Option(help="Take only the first rows.")] = None,
    save_steps: Annotated[
        int | None, typer.Option(help="Steps between checkpoints. [default: 500, or at every evaluation]")
    ] = None,
    eval_steps: Annotated[
        int | None, typer.Option(help="Steps between evaluations. [default: 250, or an epoch]")
    ] = None,
    save_total_limit: Annotated[int | None, typer.Option(help="Checkpoints kept. [default: 3]")] = None,
    early_stopping_patience: Annotated[
        int | None, typer.Option(help="Evaluations without a gain before it stops; 0: never. [default: 5]")
    ] = None,
    gradient_checkpointing: GradientCheckpointing = None,
    bf16: Bf16 = None,
    seed: Annotated[int | None, typer.Option(help="[default: 42]")] = None,
    strict: Strict = False,
) -> None:
    """Train a LoRA adapter, or all weights.

    The model lands in <output>/final_model. All weights are trained with `lora: null` in the config.
    """
    flags = {
        "model.name": model,
        "data.train_file": data,
        "data.validation_split": validation_split,
        "data.max_seq_length": max_seq_length,
        "data.max_samples": max_samples,
        "data.strict": strict or None,
        "lora.r": lora_rank,
        "lora.alpha": lora_alpha,
        "lora.dropout": lora_dropout,
        "training.output_dir": output,
        "training.num_train_epochs": epochs,
        "training.per_device_train_batch_size": batch_size,
        "training.gradient_accumulation_steps": gradient_accumulation,
        "training.learning_rate": learning_rate,
        "training.warmup_ratio": warmup_ratio,
        "training.weight_decay": weight_decay,
        "training.max_grad_norm": max_grad_norm,
        "training.save_steps": save_steps,
        "training.eval_steps": eval_steps,
        "training.save_total_limit": save_total_limit,
        "training.early_stopping_patience": early_stopping_patience,
        "training.gradient_checkpointing": gradient_checkpointing,
        "training.bf16": bf16,
        "training.seed": seed,
    }
    _train(read_settings(SftFile, config, flags), resume)


def _train(settings: SftFile, resume: Path | None) -> None:
    from halo_forge.cli.bridge import finetuning
    from halo_forge.data.left_out import LeftOut
    from halo_forge.data.rows import read_file
    from halo_forge.model.reference import default_base, find_checkpoint, of_choice
    from halo_forge.runs.finetune import finetune

    if settings.model.trust_remote_code:
        say("model.trust_remote_code: not honoured: code out of a model repository is never run here")
    data = input_file(settings.data.train_file, "--data", "data.train_file")
    left_out = LeftOut(settings.data.strict)
    rows = list(islice(read_file(data, left_out=left_out), settings.data.max_samples))
    say_left_out(left_out)
    name = settings.model.name
    model = find_checkpoint(name, settings.model.revision) if name else of_choice(default_base())
    result = finetune(finetuning(settings, model, rows, data), resume)
    held = result.get("held_out")
    print(
        f"{result['model']}: {result['rows']} rows, {result['steps']} steps, loss {result['loss_first']:.3f} -> "
        f"{result['loss_last']:.3f}" + (f", held out {held['best_loss']:.3f}" if held and held["best_loss"] else "")
    )
