"""One LoRA training run with transformers' Trainer: SFT and the update of a RAFT cycle are both this."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.errors import InfrastructureError
from halo_forge.model.chat import Chat, Prompt
from halo_forge.settings.training import Lora, Training
from halo_forge.train.rows import IGNORED, Rows, tokenised

ORDER_FILE = "epoch_order.pt"


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
    """What to train: `start` is the adapter folder to go on from, or None for a fresh one on `base`."""

    base: Path
    start: Path | None
    lora: Lora
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


def steps_of(rows: int, settings: Training) -> int:
    """Optimizer steps of a run: every epoch's last, smaller batch is a step too."""
    return -(-rows // settings.batch_size) * settings.epochs


def resumed_step(checkpoints: Path) -> int:
    """The optimizer step that a killed run goes on from; 0 without a checkpoint."""
    checkpoint = _last_checkpoint(checkpoints)
    return int(checkpoint.rpartition("-")[2]) if checkpoint else 0


def train(run: Run, rows: Rows, chat: Chat, out: Path, on_step: Callable[[dict], None] | None = None) -> dict[str, Any]:
    """Train on `rows` and write the adapter to `out` (a PEFT folder). Returns losses by step and sizes.

    The learning rate falls linearly from its full value to near 0, after an optional warm-up that starts above 0: no
    step is spent at learning rate 0. Raises InfrastructureError when the loss is not a number.
    """
    import torch
    from transformers import DataCollatorForSeq2Seq, EarlyStoppingCallback, PrinterCallback, Trainer

    torch.manual_seed(run.seed)
    began = time.monotonic()
    settings, held_out, model = run.settings, run.held_out, _model(run)
    held_rows = tokenised(chat, held_out.pairs, settings.max_tokens, "the rows held out") if held_out else None
    losses: list[dict] = []
    trainer = _trainer_class(Trainer, settings.warmup_ratio)(
        model=model,
        args=_arguments(run, cuda=torch.cuda.is_available()),
        train_dataset=_Dataset(rows.examples),
        eval_dataset=_Dataset(held_rows.examples) if held_rows else None,
        # Pads labels by position; the padding token may be the end-of-turn token, which must keep its label.
        data_collator=DataCollatorForSeq2Seq(chat.tokenizer, label_pad_token_id=IGNORED),
        callbacks=[_callback(losses, on_step, run.logs), _same_order(run.checkpoints)],
    )
    trainer.remove_callback(PrinterCallback)  # the progress line says it already
    if held_out and held_out.patience:
        trainer.add_callback(EarlyStoppingCallback(held_out.patience, held_out.min_gain))
    trainer.train(resume_from_checkpoint=_last_checkpoint(run.checkpoints))
    losses[:] = [_entry(log) for log in trainer.state.log_history if "loss" in log]
    bad = next((entry for entry in losses if entry["loss"] != entry["loss"]), None)
    if bad:
        raise InfrastructureError(f"training: the loss is not a number at step {bad['step']}; lower the learning rate")
    trainer.model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)  # peft's empty model-card template
    return {
        "rows": len(rows.examples),
        "rows_left_out": rows.left_out,
        "tokens": rows.tokens,
        "answer_tokens": rows.answer_tokens,
        "epochs": settings.epochs,
        "steps": trainer.state.global_step,
        "learning_rate": run.learning_rate,
        "loss": losses,
        "loss_first": losses[0]["loss"] if losses else None,
        "loss_last": losses[-1]["loss"] if losses else None,
        "seconds": round(time.monotonic() - began, 1),
        **({"held_out": _held_out_summary(trainer.state, held_rows)} if held_rows else {}),
    }


def _arguments(run: Run, cuda: bool) -> Any:
    from transformers import TrainingArguments

    settings = run.settings
    micro = min(settings.micro_batch_size, settings.batch_size)
    return TrainingArguments(
        output_dir=str(run.checkpoints),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=-(-settings.batch_size // micro),
        num_train_epochs=settings.epochs,
        learning_rate=run.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        train_sampling_strategy="group_by_length",
        activation_checkpointing=settings.gradient_checkpointing,
        bf16=settings.dtype == "bfloat16",
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
        logging_steps=1,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=run.keep_checkpoints,
        seed=run.seed,
        report_to=["none"],
        disable_tqdm=True,
        **(_evaluation(run.held_out, micro) if run.held_out else {}),
    )


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

    base = AutoModelForCausalLM.from_pretrained(run.base, dtype=getattr(torch, run.settings.dtype))
    base.config.use_cache = False
    if run.settings.gradient_checkpointing:
        base.enable_input_require_grads()
    if run.start is not None:
        model = PeftModel.from_pretrained(base, run.start, is_trainable=True)
        # peft looks the base's config up at every checkpoint; the name in the adapter is one it would ask the hub for.
        model.peft_config["default"].base_model_name_or_path = str(run.base)
        return model
    config = LoraConfig(
        r=run.lora.r,
        lora_alpha=run.lora.alpha,
        lora_dropout=run.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, config)


class _Dataset:
    """A list for PyTorch's DataLoader."""

    def __init__(self, examples: list[dict[str, list[int]]]):
        self.examples = [{**example, "attention_mask": [1] * len(example["input_ids"])} for example in examples]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return self.examples[index]


def _trainer_class(trainer: type, warmup_ratio: float) -> type:
    """Trainer with the loss on answers and a learning rate that is never 0.

    The rate's factor rises linearly from 1/(w+1) over w warm-up steps, then falls linearly from 1 to 1/(n-w).
    """

    class AnswerTrainer(trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):  # noqa: ANN001, ANN202
            """Cross-entropy summed over the answers' tokens, divided by their number in the whole optimizer step.

            Logits are computed from the first answer token of the batch on: over a vocabulary of 50,000 the prompt's
            would cost a tenth of the time and a third of the memory for nothing.
            """
            import torch

            labels = inputs.pop("labels")  # (batch, length)
            start = int((labels != IGNORED).any(dim=0).nonzero()[0]) - 1
            kept = torch.arange(start, labels.shape[1] - 1, device=labels.device)
            logits = model(**inputs, logits_to_keep=kept).logits.float()  # (batch, kept, vocabulary)
            targets = labels[:, kept + 1]
            total = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
            )
            loss = total / (num_items_in_batch or (targets != IGNORED).sum())
            return (loss, {}) if return_outputs else loss

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            from torch.optim.lr_scheduler import LambdaLR

            warmup = int(warmup_ratio * num_training_steps)

            def factor(step: int) -> float:
                if step < warmup:
                    return (step + 1) / (warmup + 1)
                return max(num_training_steps - step, 0) / max(num_training_steps - warmup, 1)

            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, factor)
            return self.lr_scheduler

    return AnswerTrainer


def _callback(losses: list[dict], on_step: Callable[[dict], None] | None, logs: Path | None) -> Any:
    from transformers import TrainerCallback

    writer = None
    if logs is not None:
        from torch.utils.tensorboard import SummaryWriter

        shutil.rmtree(logs, ignore_errors=True)
        writer = SummaryWriter(str(logs))

    def write(log: dict) -> None:
        for key, name in _SCALARS.items():
            if writer and key in log:
                writer.add_scalar(name, log[key], log["step"])

    class Report(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202 - transformers' protocol
            for log in state.log_history:  # what a run that this one resumes had logged
                write(log)

        def on_log(self, args, state, control, logs=None, **kwargs):  # noqa: ANN001, ANN202
            log = {**(logs or {}), "step": state.global_step}
            write(log)
            if "loss" not in log:
                return
            entry = _entry(log)
            losses.append(entry)
            if on_step:
                on_step(entry)

        def on_train_end(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202
            if writer:
                writer.close()

    return Report()


def _same_order(checkpoints: Path) -> Any:
    """Keeps, in every checkpoint, the state of the draw that put the rows of its epoch in order, and takes it from the
    checkpoint resumed from. Trainer restores only the state at the checkpoint itself, too late for the order."""
    import torch
    from transformers import TrainerCallback

    class SameOrder(TrainerCallback):
        drawn = None

        def on_epoch_begin(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202 - transformers' protocol
            path = checkpoints / f"checkpoint-{state.global_step}" / ORDER_FILE
            if self.drawn is None and path.exists():
                torch.set_rng_state(torch.load(path))
            self.drawn = torch.get_rng_state()

        def on_save(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202
            path = checkpoints / f"checkpoint-{state.global_step}" / ORDER_FILE
            torch.save(self.drawn, path.with_suffix(".tmp"))
            path.with_suffix(".tmp").rename(path)

    return SameOrder()


_SCALARS = {"loss": "train/loss", "learning_rate": "train/learning_rate", "eval_loss": "eval/loss"}


def _entry(log: dict) -> dict:
    return {key: log[key] for key in ("step", "loss", "learning_rate", "grad_norm") if key in log}


def _last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint: one torn by a kill lacks ORDER_FILE, which is written last."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        if (path / ORDER_FILE).exists():
            return str(path)
    return None
