"""The same sums as PEFT's and transformers' layers in fewer passes over memory: what LoRA costs beside the matrices."""

from __future__ import annotations

import functools
from typing import Any

import torch


def fuse(model: Any) -> None:
    """Have the plain LoRA layers of a PEFT model, and the gated layers around them, compute by the functions below.

    Layers of other kinds (quantised, DoRA, with dropout or several adapters) stay as they are.
    """
    from peft.tuners.lora import Linear

    for module in model.modules():
        if type(module) is Linear and _plain(module):
            module.forward = functools.partial(_adapted, module)
        elif {"gate_proj", "up_proj", "down_proj"} <= set(dict(module.named_children())) and _is_silu(module):
            module.forward = functools.partial(_gated, module)


def _plain(module: Any) -> bool:
    name = module.active_adapters[0]
    return (
        len(module.active_adapters) == 1
        and type(module.get_base_layer()) is torch.nn.Linear
        and not module.get_base_layer().weight.requires_grad
        and isinstance(module.lora_dropout[name], torch.nn.Identity)
        and name not in module.lora_variant
        and module.lora_B[name].bias is None
    )


def _is_silu(module: Any) -> bool:
    return type(getattr(module, "act_fn", None)).__name__ in ("SiLU", "SiLUActivation")


def _adapted(module: Any, x: Any) -> Any:
    name, base = module.active_adapters[0], module.get_base_layer()
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else base.weight.dtype
    bias = None if base.bias is None else base.bias.to(dtype)
    return _AdaptedLinear.apply(
        x.to(dtype), base.weight.to(dtype), bias, a.to(dtype), b.to(dtype), module.scaling[name]
    )


def _gated(module: Any, x: Any) -> Any:
    return module.down_proj(_Gate.apply(module.gate_proj(x), module.up_proj(x)))


class _AdaptedLinear(torch.autograd.Function):
    """x Wᵀ + bias + scaling (x Aᵀ) Bᵀ with W and bias frozen: what the adapter adds is summed where the product of W
    lies, in both directions, instead of in copies of that size."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, a: Any, b: Any, scaling: float) -> Any:
        rows = x.reshape(-1, x.shape[-1])  # (tokens, in)
        low = rows @ a.t()  # (tokens, rank)
        out = rows @ weight.t() if bias is None else torch.addmm(bias, rows, weight.t())
        out.addmm_(low, b.t(), alpha=scaling)
        ctx.save_for_backward(rows, low, weight, a, b)
        ctx.scaling, ctx.shape = scaling, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> tuple:
        rows, low, weight, a, b = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])  # (tokens, out)
        at_low = (grad @ b).mul_(ctx.scaling)
        at_a, at_b = at_low.t() @ rows, (grad.t() @ low).mul_(ctx.scaling)
        at_x = None
        if ctx.needs_input_grad[0]:
            at_x = (grad @ weight).addmm_(at_low, a).view(ctx.shape)
        return at_x, None, None, at_a, at_b, None


_ROWS = 64
"""Tokens of a gate at a time: what a processor's cache holds."""


class _Gate(torch.autograd.Function):
    """silu(gate) * up, of which the backward pass needs no more than gate and up."""

    @staticmethod
    def forward(ctx: Any, gate: Any, up: Any) -> Any:
        ctx.save_for_backward(gate, up)
        out = torch.empty_like(gate)
        for g, u, o in _parts(gate, up, out):
            torch.mul(torch.nn.functional.silu(g), u, out=o)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Any) -> tuple:
        gate, up = ctx.saved_tensors
        at_gate, at_up = torch.empty_like(gate), torch.empty_like(up)
        for g, u, d, ag, au in _parts(gate, up, grad.contiguous(), at_gate, at_up):
            torch.mul(torch.nn.functional.silu(g), d, out=au)
            ag.copy_(torch.ops.aten.silu_backward(d * u, g))
        return at_gate, at_up


def _parts(*tensors: Any) -> Any:
    flat = [tensor.view(-1, tensor.shape[-1]) for tensor in tensors]
    size = _ROWS if flat[0].device.type == "cpu" else len(flat[0])
    return zip(*(tensor.split(size) for tensor in flat), strict=True)
