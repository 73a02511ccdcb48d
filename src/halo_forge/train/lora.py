"""One LoRA training run with transformers' Trainer: SFT and the update of a RAFT cycle are both this."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.config import Lora, Training
from halo_forge.errors import InfrastructureError
from halo_forge.model.chat import Chat
from halo_forge.train.rows import IGNORED, Rows


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
    from transformers import DataCollatorForSeq2Seq, PrinterCallback, Trainer, TrainingArguments

    torch.manual_seed(run.seed)
    began = time.monotonic()
    settings, cuda = run.settings, torch.cuda.is_available()
    model = _model(run)
    micro = min(settings.micro_batch_size, settings.batch_size)
    arguments = TrainingArguments(
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
        save_total_limit=1,
        seed=run.seed,
        report_to=["none"],
        disable_tqdm=True,
    )
    losses: list[dict] = []
    trainer = _trainer_class(Trainer, settings.warmup_ratio)(
        model=model,
        args=arguments,
        train_dataset=_Dataset(rows.examples),
        # Pads labels by position; the padding token may be the end-of-turn token, which must keep its label.
        data_collator=DataCollatorForSeq2Seq(chat.tokenizer, label_pad_token_id=IGNORED),
        callbacks=[_callback(losses, on_step, run.logs)],
    )
    trainer.remove_callback(PrinterCallback)  # the progress line says it already
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
            return (loss, None) if return_outputs else loss

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

    class Report(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):  # noqa: ANN001, ANN202 - transformers' protocol
            if not logs or "loss" not in logs:
                return
            entry = _entry({**logs, "step": state.global_step})
            losses.append(entry)
            if writer:
                writer.add_scalar("train/loss", entry["loss"], entry["step"])
                writer.add_scalar("train/learning_rate", entry["learning_rate"], entry["step"])
            if on_step:
                on_step(entry)

        def on_train_end(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202
            if writer:
                writer.close()

    return Report()


def _entry(log: dict) -> dict:
    return {key: log[key] for key in ("step", "loss", "learning_rate", "grad_norm") if key in log}


def _last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint. Trainer writes trainer_state.json last: one torn by a kill lacks it."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            continue
        return str(path)
    return None
