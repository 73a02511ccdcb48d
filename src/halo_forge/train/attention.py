"""Attention over packed rows (`packing`): every token sees the tokens of its own rows before it, and no others."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from halo_forge.errors import InputError

NAME = "halo_forge_branches"
_UNKNOWN_TERMS = ("softcap", "s_aux", "position_bias")
"""What some models add to their attention; a result without it would be another model's."""


def use_branch_attention(model: Any, name: str, how: str = "sdpa") -> None:
    """Have a transformers model take the argument `branches` of `packing.collate`; `how` is `Training.attention`.

    Raises InputError for a model whose layers are not all attention, or which computes it in a way of its own.
    """
    import torch
    from transformers import AttentionInterface

    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    others = kinds - {"full_attention", "sliding_attention"}
    if others or not model._supports_attention_backend:
        what = ", ".join(sorted(others)) or "attention of its own"
        raise InputError(f"{name}: its layers compute {what}; training needs a model of ordinary attention layers")
    # cuDNN's kernel gave gradients that are no numbers, in bfloat16 with such masks (H200, torch 2.11, cuDNN 9.19); the
    # other kernels gave none.
    torch.backends.cuda.enable_cudnn_sdp(False)
    own = NAME if how == "sdpa" else f"{NAME}_{how}"
    AttentionInterface.register(own, functools.partial(branch_attention, plain=how == "eager"))
    model.set_attn_implementation(own)


def branch_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    *,
    branches: list[tuple[int, int, Any]],
    scaling: float,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    plain: bool = False,
    **kwargs: Any,
) -> tuple[Any, None]:
    """transformers' attention protocol: query (1, heads, tokens, width), key and value the same with their own, maybe
    fewer, heads; returns (1, tokens, heads, width).

    A branch's tokens attend to those it shares and causally to each other: one call a branch, of its own size, so that
    the work grows with the rows' lengths and not with the square of the sequence. `plain`: by no kernel of its own.
    """
    import torch

    if unknown := [term for term in _UNKNOWN_TERMS if kwargs.get(term) is not None]:
        raise InputError(f"training: the model's attention has {', '.join(unknown)}, which packed rows do not know")
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    parts = []
    for start, length, shared in branches:
        own = slice(start, start + length)
        keys, values = key[:, :, own], value[:, :, own]
        if len(shared):
            keys = torch.cat([key.index_select(2, shared), keys], dim=2)
            values = torch.cat([value.index_select(2, shared), values], dim=2)
        mask = _mask(length, keys.shape[2], sliding_window, query.device)
        with _without_kernels() if plain else contextlib.nullcontext():
            part = torch.nn.functional.scaled_dot_product_attention(
                query[:, :, own], keys, values, mask, dropout, is_causal=mask is None, scale=scaling
            )
        parts.append(part.transpose(1, 2))
    return torch.cat(parts, dim=1), None


def _without_kernels() -> Any:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.MATH)


def _mask(length: int, total: int, window: int | None, device: Any) -> Any:
    """Which of `total` tokens each of the last `length` sees: (length, total), or None for plain causal attention."""
    import torch

    windowed = window is not None and total > window
    if length == total and not windowed:
        return None
    mask = torch.ones(length, total, dtype=torch.bool, device=device).tril(total - length)
    return mask.triu(total - length - window + 1) if windowed else mask
