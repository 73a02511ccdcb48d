"""Cross-entropy of answers over packed rows, without a copy of the logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

_ROWS = 64
"""Rows of logits at a time: what a processor's cache holds."""


def answer_loss(model: Any, batch: Mapping[str, Any]) -> Any:
    """`AnswerLoss` of a model that takes `branches`, over a batch of `packing.collate`: a scalar, divided by nothing.

    Logits are computed where they are wanted only: over a vocabulary of 150,000 the prompt's would cost more memory
    than all else.
    """
    logits = model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        branches=batch["branches"],
        logits_to_keep=batch["kept"],
    ).logits.flatten(0, 1)  # a view: the gradient of an index would be a copy with zeros
    return AnswerLoss.apply(logits, batch["predicted_at"], batch["labels"])


class AnswerLoss(torch.autograd.Function):
    """The sum of -log p(labels[i]) at logits[predicted_at[i]]; logits are (places, vocabulary).

    The logits are used up: the backward pass writes their gradient over them.
    """

    @staticmethod
    def forward(ctx: Any, logits: Any, predicted_at: Any, labels: Any) -> Any:
        normaliser = torch.cat([_wide(part).logsumexp(-1) for part in logits.split(_ROWS)])
        nll = normaliser[predicted_at] - _wide(logits[predicted_at, labels])
        ctx.save_for_backward(logits, normaliser, predicted_at, labels)
        return nll.sum()

    @staticmethod
    def backward(ctx: Any, grad: Any):
        logits, normaliser, predicted_at, labels = ctx.saved_tensors
        # One place predicts several tokens where rows part.
        at_place = torch.zeros_like(normaliser).index_add_(0, predicted_at, grad.expand(len(labels)))
        parts = zip(logits.split(_ROWS), normaliser.split(_ROWS), at_place.split(_ROWS), strict=True)
        for part, top, factor in parts:
            part.copy_(_wide(part).sub_(top[:, None]).exp_().mul_(factor[:, None]))
        logits.index_put_((predicted_at, labels), (-grad).to(logits.dtype).expand(len(labels)), accumulate=True)
        return logits, None, None


def _wide(tensor: Any) -> Any:
    """In float32 at least, the tensor itself if it is: a sum over a vocabulary in bfloat16 would be no sum."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
