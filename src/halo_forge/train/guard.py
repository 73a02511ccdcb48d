"""Training that came apart stops at the step where it did: no checkpoint and no adapter holds what is not finite."""

from __future__ import annotations

import math
from typing import Any

from halo_forge.errors import InfrastructureError

_WATCHED = {"loss": "the loss", "grad_norm": "the gradient norm", "eval_loss": "the loss on the rows held out"}


def guard(learning_rate: float) -> Any:
    """Raises InfrastructureError at the first step whose losses, gradient norm or weights are not finite.

    A step is logged, then evaluated, then saved: what is found in its log is never saved.
    """
    from transformers import TrainerCallback

    class Guard(TrainerCallback):
        def on_log(self, args, state, control, logs=None, model=None, **kwargs):  # noqa: ANN001, ANN202 - protocol
            for key, name in _WATCHED.items():
                if not math.isfinite((logs or {}).get(key, 0.0)):
                    untrained = state.global_step == 1 and key != "eval_loss"
                    raise _stopped(name, logs[key], state.global_step, None if untrained else learning_rate)
            if "loss" in (logs or {}):
                check_weights(model, state.global_step, learning_rate)

    return Guard()


def check_weights(model: Any, step: int, learning_rate: float) -> None:
    """Raises InfrastructureError naming the first trained weight that is not finite."""
    import torch

    trained = [(name, weight.detach()) for name, weight in model.named_parameters() if weight.requires_grad]
    finite = torch.stack([weight.isfinite().all() for _, weight in trained])  # one wait for the device, not one each
    if not finite.all():
        name, weight = trained[int(finite.logical_not().nonzero()[0])]
        value = weight[weight.isfinite().logical_not()][0].item()
        raise _stopped(f"a weight of {name}", value, step, learning_rate)


def _stopped(what: str, value: float, step: int, learning_rate: float | None) -> InfrastructureError:
    if learning_rate is None:
        cure = "no step was made yet: mend the model or adapter that it starts from, or take dtype float32"
    else:
        cure = f"lower the learning rate, {learning_rate:g}"
    return InfrastructureError(f"training: {what} is {value} at step {step}, no finite number; {cure}")
