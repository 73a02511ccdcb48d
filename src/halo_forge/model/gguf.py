"""A GGUF file turned into an ordinary Hugging Face folder with float32 weights.

transformers reads GGUF but refuses to save what it read, because the model stays marked as GGUF-quantised. So the
dequantised weights are handed to a bare model of the same config without that mark.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from halo_forge.errors import InputError

SAME_WITHIN = 0.25
"""Two quantisations of one matrix differ by less than this share of a row's length (5 against 8 bits: 0.04, the
coarsest in use, 2 bits: 0.2), two matrices that were trained apart by more than 1."""


def gguf_to_folder(gguf: Path, folder: Path) -> None:
    """Write config, weights (float32 safetensors), generation config and tokenizer of `gguf` to `folder`.

    Raises InputError for a file that is no whole GGUF, or whose architecture transformers does not read.
    """
    with gguf.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise InputError(f"{gguf}: no GGUF file: it does not begin with the letters GGUF")

    import torch
    from tokenizers.normalizers import NFC
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
    from transformers.integrations.gguf import read_gguf_metadata
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        metadata, _ = read_gguf_metadata(str(gguf))
        if metadata.get("split.count", 0) > 1:
            raise InputError(f"{gguf}: one of {metadata['split.count']} files; join them: llama-gguf-split --merge")
        # In a folder of its own: transformers mixes in what lies beside it, as an export's tokenizer does.
        with tempfile.TemporaryDirectory() as alone:
            (Path(alone) / gguf.name).symlink_to(gguf.resolve())
            source = {"pretrained_model_name_or_path": alone, "gguf_file": gguf.name}
            loaded = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
            # Of the file's own tokenizer; the class for any architecture reads the whole file for its config alone.
            tokenizer = PreTrainedTokenizerFast.from_pretrained(**source)
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"{gguf}: transformers cannot read this GGUF file: {error}") from error
    if metadata.get("tokenizer.ggml.pre") == "qwen2":
        tokenizer.backend_tokenizer.normalizer = NFC()  # Qwen's own tokenizer has it, GGUF has no word for it
    settings = {key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
    settings["tie_word_embeddings"] = settings["tie_word_embeddings"] or _are_one_matrix(loaded)
    with torch.device("meta"):  # a model without memory, into which the weights are put as they are
        model = AutoModelForCausalLM.from_config(type(loaded.config).from_dict(settings), dtype=torch.float32)
    weights = loaded.state_dict()
    if settings["tie_word_embeddings"]:
        weights[_name(model, model.get_input_embeddings())] = loaded.get_output_embeddings().weight
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    model.generation_config = loaded.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _are_one_matrix(model: Any) -> bool:
    """Whether input and output embeddings are the same matrix, quantised twice.

    llama.cpp keeps the output of a tied model with more bits than the input. One matrix takes the place of both: the
    output, the nearer to the model that was quantised.
    """
    one, other = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    if one.shape != other.shape:
        return False
    rows = zip(one.split(4096), other.split(4096), strict=True)  # in blocks: no third matrix in memory
    return all(bool(((a - b).norm(dim=1) <= SAME_WITHIN * b.norm(dim=1)).all()) for a, b in rows)


def _name(model: Any, module: Any) -> str:
    return next(name for name, found in model.named_modules() if found is module) + ".weight"
