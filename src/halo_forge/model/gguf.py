"""A GGUF file turned into an ordinary Hugging Face folder with float32 weights.

transformers reads GGUF but refuses to save what it read, because the model stays marked as GGUF-quantised. So the
dequantised weights are moved into a fresh model of the same config without that mark.
"""

from __future__ import annotations

from pathlib import Path


def gguf_to_folder(gguf: Path, folder: Path) -> None:
    """Write config, weights (float32 safetensors), generation config and tokenizer of `gguf` to `folder`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    loaded = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    settings = {key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
    model = AutoModelForCausalLM.from_config(type(loaded.config).from_dict(settings), dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    model.generation_config = loaded.generation_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
