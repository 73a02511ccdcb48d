"""QLoRA: the frozen matrices in four bits while an adapter is trained on them."""

from __future__ import annotations

import importlib.util
from typing import Any

from halo_forge.errors import InfrastructureError


def quantization(dtype: Any) -> Any:
    """The quantization_config of `from_pretrained`: NF4 with quantised scales, computed in `dtype`, a torch dtype.

    Raises InfrastructureError where bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise InfrastructureError(
            "base_weights: nf4 needs the package bitsandbytes: make setup GPU=1 brings it; or leave base_weights out"
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
