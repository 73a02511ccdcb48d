"""Settings of SFT and of the update of a RAFT cycle."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from halo_forge.settings.base import Positive, Section


class Lora(Section):
    r: Positive = 16
    alpha: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target_modules: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = "all-linear"
    """Names of the layers that get matrices, such as q_proj; all-linear: every one but the output layer."""
    use_dora: bool = False
    """Weights split into direction and length, of which LoRA learns the direction (Liu et al. 2024, arXiv 2402.09353).
    Slower, and sampled by the transformers engine alone."""


class Training(Section):
    """What SFT and a RAFT update share."""

    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    epochs: Positive = 2
    batch_size: Positive = 8
    """Rows an optimizer step: micro_batch_size rows at a time, accumulated."""
    micro_batch_size: Positive = 8
    """Rows at a time, what memory holds; a divisor of batch_size."""
    max_tokens: Positive = 1024
    """Rows longer than this (prompt and answer) are left out and counted."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.0
    save_steps: Positive = 5
    """A killed run resumes from the last of these checkpoints."""
    gradient_checkpointing: bool = False
    dtype: Literal["float32", "bfloat16", "auto"] = "float32"
    """Of the frozen weights and of what is computed with them; the adapter and its optimizer are float32. auto:
    bfloat16 on a GPU or CPU that computes in it, else float32."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """How attention is computed over packed rows: by the kernel that torch chooses, or in plain matrix products, slower
    and with more memory, for a GPU whose kernels are at fault."""
    base_weights: Literal["nf4"] | None = None
    """How the frozen matrices are held while training: nf4, four bits each (QLoRA, Dettmers et al. 2023, arXiv
    2305.14314), by the package bitsandbytes; None: in `dtype`."""

    @model_validator(mode="after")
    def _micro_batches_fill_a_batch(self) -> Training:
        """What is trained is what is written: a batch is neither rounded up nor a micro-batch cut down in silence."""
        whole, part = self.batch_size, self.micro_batch_size
        if whole % part:
            divisor = max(number for number in range(1, min(part, whole) + 1) if whole % number == 0)
            raise ValueError(
                f"batch_size {whole} is no multiple of micro_batch_size {part}; set micro_batch_size to {divisor}, or "
                f"batch_size to {-(-whole // part) * part}"
            )
        return self


class Sft(Training):
    lora: Lora | None = Lora()
    """None: no adapter, all weights of the base model are trained, by SFT and by every cycle after it. That takes 16
    bytes a parameter, models as large as the base, and a learning rate of about a tenth of an adapter's."""

    @model_validator(mode="after")
    def _four_bits_are_for_frozen_weights(self) -> Sft:
        if self.lora is None and self.base_weights:
            raise ValueError(
                f"base_weights: {self.base_weights} holds weights that are frozen, and with lora: null all are "
                "trained; leave one of the two out"
            )
        return self
