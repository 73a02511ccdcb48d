"""One training run with transformers' Trainer, of an adapter or of all weights: SFT and the update of a RAFT cycle."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halo_forge.errors import InputError
from halo_forge.model.chat import Chat, Prompt
from halo_forge.model.dtype import training_dtype
from halo_forge.settings.compute import Compute
from halo_forge.settings.training import Lora, Training
from halo_forge.train.attention import use_branch_attention
from halo_forge.train.checkpoints import early_stopping, last_checkpoint, same_order, seconds_before, with_seconds
from halo_forge.train.guard import check_weights, guard
from halo_forge.train.packing import collate
from halo_forge.train.reports import entry, reports
from halo_forge.train.rows import IGNORED, Rows, tokenised
from halo_forge.train.shares import micro_batch_of
from halo_forge.train.trainer import answer_trainer


@dataclass(frozen=True)
class HeldOut:
    """(prompt, answer) pairs that are not trained on: by their loss the best checkpoint is taken, and training ends
    after `patience` evaluations in a row that lower it by less than `min_gain`. `save_steps` of the training must be a
    multiple of `every_steps`, the optimizer steps from one evaluation to the next."""

    pairs: Sequence[tuple[Prompt, str]]
    every_steps: int
    patience: int
    min_gain: float = 0.001


@dataclass(frozen=True)
class Run:
    """What to train: the adapter folder `start`, or a fresh adapter of the shape `lora` on `base`, never both, as an
    adapter has its shape; with neither all weights of `base`."""

    base: Path
    start: Path | None
    lora: Lora | None
    settings: Training
    learning_rate: float
    seed: int
    checkpoints: Path
    """Folder outside the outputs; a run killed and started again goes on from the last checkpoint in it."""
    logs: Path | None = None
    """TensorBoard folder."""
    curve: Path | None = None
    """A table of what each step logged, written as it goes: step, loss, learning_rate, grad_norm."""
    held_out: HeldOut | None = None
    keep_checkpoints: int = 1
    """How many of the last checkpoints stay in `checkpoints`."""

    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        if self.start is not None and self.lora is not None:
            raise ValueError(f"a run has either start or lora, not start={self.start!r} with lora={self.lora!r}")

    @property
    def whole(self) -> bool:
        """All weights are trained."""
        return self.start is None and self.lora is None


def steps_of(rows: int, settings: Training) -> int:
    """Optimizer steps of a run: every epoch's last, smaller batch is a step too."""
    return -(-rows // settings.batch_size) * settings.epochs


def train(run: Run, rows: Rows, chat: Chat, out: Path, on_step: Callable[[dict], None] | None = None) -> dict[str, Any]:
    """Train on `rows` and write the adapter to `out` (a PEFT folder), or the whole model (weights and config, in the
    type of the settings). Returns losses by step and sizes.

    Each of several processes (`launch`) calls this; the first one writes.

    The learning rate falls linearly from its full value to near 0, after an optional warm-up that starts above 0: no
    step is spent at learning rate 0. Raises InfrastructureError at the first step that leaves the finite numbers.
    """
    import torch

    torch.manual_seed(run.seed)
    began = time.monotonic() - seconds_before(run.checkpoints)
    settings, held_out = run.settings, run.held_out
    held_rows = tokenised(chat, held_out.pairs, settings.max_tokens, "the rows held out") if held_out else None
    state = _trained(run, rows, held_rows, chat, began, on_step, out)
    losses = [entry(log) for log in state.log_history if "loss" in log]
    return {
        "rows": len(rows.examples),
        "rows_left_out": rows.left_out,
        "tokens": rows.tokens,
        "answer_tokens": rows.answer_tokens,
        "epochs": settings.epochs,
        "steps": state.global_step,
        "learning_rate": run.learning_rate,
        "dtype": training_dtype(settings.dtype),
        "loss": losses,
        "loss_first": losses[0]["loss"] if losses else None,
        "loss_last": losses[-1]["loss"] if losses else None,
        "seconds": round(time.monotonic() - began, 1),
        **({"held_out": _held_out_summary(state, held_rows)} if held_rows else {}),
    }


def _trained(
    run: Run,
    rows: Rows,
    held_rows: Rows | None,
    chat: Chat,
    began: float,
    on_step: Callable[[dict], None] | None,
    out: Path,
) -> Any:
    """Write the model after the last step, or the best one if rows are held out; returns Trainer's state.

    `began` is when the training would have begun without interruption, by `time.monotonic`.
    """
    import torch
    from transformers import PrinterCallback

    with reports(run.logs, run.curve, on_step) if first_rank() else reports(None, None, None) as report:
        # First: with it each of several processes takes its own GPU, on which weights in four bits are made.
        arguments = _arguments(run, cuda=torch.cuda.is_available())
        trainer = answer_trainer(run.settings)(
            model=_model(run),
            args=arguments,
            train_dataset=_Dataset(rows.examples),
            eval_dataset=_Dataset(held_rows.examples) if held_rows else None,
            data_collator=collate,
            callbacks=[
                guard(run.learning_rate),
                report,
                with_seconds(run.checkpoints, lambda: time.monotonic() - began),
                same_order(run.checkpoints),
            ],
        )
        trainer.remove_callback(PrinterCallback)  # the progress line says it already
        if run.held_out and run.held_out.patience:
            trainer.add_callback(early_stopping(run.held_out.patience, run.held_out.min_gain))
        trainer.train(resume_from_checkpoint=last_checkpoint(run.checkpoints))
        check_weights(trainer.model, trainer.state.global_step, run.learning_rate)
        weights = trainer.accelerator.get_state_dict(trainer.model_wrapped) if trainer.is_fsdp_enabled else None
        if first_rank():
            model = trainer.accelerator.unwrap_model(trainer.model)
            if run.whole:
                model, weights = _to_be_sampled(model, weights, getattr(torch, training_dtype(run.settings.dtype)))
            model.save_pretrained(out, state_dict=weights)
            (out / "README.md").unlink(missing_ok=True)  # peft's empty model-card template
    return trainer.state


def _arguments(run: Run, cuda: bool) -> Any:
    from transformers import TrainingArguments

    settings, ranks = run.settings, int(os.environ.get("WORLD_SIZE", 1))
    micro_batch = micro_batch_of(settings.batch_size, settings.micro_batch_size, ranks)
    fields = TrainingArguments.__dataclass_fields__
    # The older name, which transformers 5.17 knows alone, is deprecated in 5.23.
    checkpointing = "activation_checkpointing" if "activation_checkpointing" in fields else "gradient_checkpointing"
    arguments = TrainingArguments(
        output_dir=str(run.checkpoints),
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=settings.batch_size // ranks // micro_batch,
        num_train_epochs=settings.epochs,
        learning_rate=run.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        remove_unused_columns=False,  # the model's arguments are made by the collator
        bf16=training_dtype(settings.dtype) == "bfloat16",
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would log such a loss as 0
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=run.keep_checkpoints,
        seed=run.seed,
        report_to=["none"],
        disable_tqdm=True,
        ddp_find_unused_parameters=False,
        **{checkpointing: settings.gradient_checkpointing},
        **(_evaluation(run.held_out, settings.micro_batch_size) if run.held_out else {}),
    )
    if arguments.n_gpu > 1:  # compute.processes: 1; where several processes were launched each has one
        print(f"training on {arguments.device}, one of {arguments.n_gpu} visible GPUs", file=sys.stderr)
        arguments._n_gpu = 1  # else Trainer wraps the model in DataParallel, as it knows no argument against that
    return arguments


def first_rank() -> bool:
    """Whether this is the only process that trains, or the first of them: the one that writes."""
    return int(os.environ.get("RANK", 0)) == 0


def _evaluation(held_out: HeldOut, batch: int) -> dict[str, Any]:
    """What TrainingArguments need to evaluate as `held_out` says."""
    return {
        "eval_strategy": "steps",
        "eval_steps": held_out.every_steps,
        "per_device_eval_batch_size": batch,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "label_names": ["labels"],  # of a PEFT model Trainer does not find them out by itself
        "prediction_loss_only": True,
    }


def _held_out_summary(state: Any, rows: Rows) -> dict[str, Any]:
    logs = [{"step": log["step"], "loss": log["eval_loss"]} for log in state.log_history if "eval_loss" in log]
    best = min(logs, key=lambda log: log["loss"], default=None)
    return {
        "rows": len(rows.examples),
        "rows_left_out": rows.left_out,
        "loss": logs,
        "best_loss": best and best["loss"],
        "best_step": best and best["step"],
        "stopped_early": state.global_step < state.max_steps,
    }


def _model(run: Run) -> Any:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    from halo_forge.train.fused import fuse
    from halo_forge.train.nf4 import quantization

    # Steps of a trained weight are lost in bfloat16's rounding: like adapters, whole models are trained in float32, and
    # computed in the type of the settings (autocast).
    dtype = torch.float32 if run.whole else getattr(torch, training_dtype(run.settings.dtype))
    held = {"quantization_config": quantization(dtype)} if run.settings.base_weights == "nf4" else {}
    base = AutoModelForCausalLM.from_pretrained(run.base, dtype=dtype, **held)
    base.config.use_cache = False
    use_branch_attention(base, str(run.base), run.settings.attention)
    if run.whole:
        fuse(base)
        return base
    if run.settings.gradient_checkpointing:
        base.enable_input_require_grads()
    if run.start is not None:
        model = PeftModel.from_pretrained(base, run.start, is_trainable=True)
        # peft looks the base's config up at every checkpoint; the name in the adapter is one it would ask the hub for.
        model.peft_config["default"].base_model_name_or_path = str(run.base)
    else:
        config = LoraConfig(
            r=run.lora.r,
            lora_alpha=run.lora.alpha,
            lora_dropout=run.lora.dropout,
            target_modules=run.lora.target_modules,
            use_dora=run.lora.use_dora,
            task_type="CAUSAL_LM",
        )
        try:
            model = get_peft_model(base, config)
        except ValueError as error:
            names = sorted({name.rpartition(".")[2] for name, part in base.named_modules() if _is_linear(part)})
            reason = str(error).splitlines()[0]
            raise InputError(
                f"lora.target_modules: {run.lora.target_modules!r}: {reason}; this model has {', '.join(names)}"
            ) from None
    fuse(model)
    return model


def _to_be_sampled(model: Any, weights: dict[str, Any] | None, dtype: Any) -> tuple[Any, dict[str, Any] | None]:
    """A whole model, and its weights where they are gathered from several processes, as they are written."""
    model.config.use_cache = True
    if weights is not None:
        return model, {name: tensor.to(dtype) for name, tensor in weights.items()}
    return model.to(dtype), None


def _is_linear(module: Any) -> bool:
    import torch

    return isinstance(module, torch.nn.Linear)


class _Dataset:
    """A list for PyTorch's DataLoader; `prompts` has the prompt of every row."""

    def __init__(self, examples: list[dict[str, Any]]):
        self.examples = examples
        self.prompts = [tuple(row["input_ids"][: row["labels"].count(IGNORED)]) for row in examples]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.examples[index]
