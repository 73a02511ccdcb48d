"""A model written as a GGUF file, the form that llama.cpp, Ollama and LM Studio read.

The weights come in float32 and are rounded once, tensor by tensor, as the file is written. Two families are known: that
of Qwen2 and that of Llama (SmolLM2 too). llama.cpp turns the halves of a Llama's queries and keys otherwise than
transformers does, so their rows change places. For any other family, or tokenizer, it is llama.cpp's own converter that
knows the way; what would be read wrongly is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from halo_forge.errors import InputError
from halo_forge.export.merge import template_of
from halo_forge.model.chat import Chat

FAMILIES = ("llama", "qwen2")
WRITTEN = ("f32", "f16", "q8_0")
"""What is written here; of other quantisations the makers are in `quantise`."""
_TURNED = re.compile(r"blk\.\d+\.attn_(?P<which>[qk])\.(?:weight|bias)")
_CURE = "write it with llama.cpp's convert_hf_to_gguf.py from the exported folder"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|NUMBER| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {
    _WORDS.replace("NUMBER", r"\p{N}"): "qwen2",
    _WORDS.replace("NUMBER", r"\p{N}{1,3}"): "llama-bpe",
    _GPT2: "gpt-2",
}


class _Token(NamedTuple):
    text: str
    kind: int


def write_gguf(whole: Any, chat: Chat, path: Path, kind: str, name: str) -> None:
    """Write the float32 model `whole` to `path` as `kind`, one of WRITTEN. Vectors stay float32.

    Raises InputError for a model or a tokenizer that is not known here.
    """
    import gguf
    import numpy as np

    config = whole.config
    _check(config)
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    weights = dict(_tensors(whole))
    types = {tensor: _type_of(values, kind) for tensor, values in weights.items()}
    writer = gguf.GGUFWriter(path, config.model_type)
    _add_settings(writer, config, name, kind)
    _add_tokenizer(writer, chat, config.vocab_size)
    for tensor, values in weights.items():
        size = prod(gguf.quant_shape_to_byte_shape(tuple(values.shape), types[tensor]))
        writer.add_tensor_info(tensor, tuple(values.shape), np.dtype("float32"), size, raw_dtype=types[tensor])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor, values in weights.items():
        numbers = values.detach().float().numpy()
        if config.model_type == "llama" and (turned := _TURNED.fullmatch(tensor)):
            numbers = _turned(numbers, heads if turned["which"] == "q" else kv_heads)
        writer.write_tensor_data(gguf.quantize(numbers, types[tensor]))
    writer.close()


def _check(config: Any) -> None:
    if config.model_type not in FAMILIES:
        raise InputError(
            f"--gguf: models of the kind {config.model_type!r} are not known ({', '.join(FAMILIES)}); {_CURE}"
        )
    rope = config.rope_parameters
    if rope.get("rope_type", "default") != "default":
        raise InputError(f"--gguf: rope_type {rope['rope_type']!r} is not known (default); {_CURE}")
    if getattr(config, "use_sliding_window", False):
        raise InputError(f"--gguf: layers with a sliding window are not known; {_CURE}")


def _tensors(whole: Any) -> Iterator[tuple[str, Any]]:
    """(name in GGUF, weights): tied embeddings once, as the input."""
    import gguf

    config = whole.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[config.model_type.upper()], config.num_hidden_layers)
    for name, values in whole.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if known is None:
            raise InputError(f"--gguf: {name} has no place in the file; {_CURE}")
        yield known, values


def _type_of(values: Any, kind: str) -> Any:
    """What a tensor is stored as: rows that cannot be cut in blocks are kept in 16 bits, as llama.cpp does."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if values.dim() == 1:
        return GGMLQuantizationType.F32
    wanted = GGMLQuantizationType[kind.upper()]
    return GGMLQuantizationType.F16 if values.shape[-1] % GGML_QUANT_SIZES[wanted][0] else wanted


def _turned(numbers: Any, heads: int) -> Any:
    """Rows of queries or keys (heads · width, …): transformers keeps the two halves that a rotation mixes one after the
    other, llama.cpp by turns."""
    rows = numbers.reshape(heads, 2, numbers.shape[0] // heads // 2, *numbers.shape[1:])
    return rows.swapaxes(1, 2).reshape(numbers.shape)


def _add_settings(writer: Any, config: Any, name: str, kind: str) -> None:
    import gguf

    writer.add_name(name)
    writer.add_file_type(getattr(gguf.LlamaFileType, "ALL_F32" if kind == "f32" else f"MOSTLY_{kind.upper()}"))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(width)
    if width * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(width)
        writer.add_value_length(width)


def _add_tokenizer(writer: Any, chat: Chat, size: int) -> None:
    raw = json.loads(chat.tokenizer.backend_tokenizer.to_str())
    if raw["model"]["type"] != "BPE" or raw["model"].get("byte_fallback"):
        raise InputError(f"--gguf: the tokenizer is no byte-level BPE; {_CURE}")
    tokens = _tokens(raw, size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer(raw))
    writer.add_token_list([token.text for token in tokens])
    writer.add_token_types([token.kind for token in tokens])
    merges = raw["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    for add, token in (
        (writer.add_bos_token_id, chat.tokenizer.bos_token_id),
        (writer.add_eos_token_id, chat.end),
        (writer.add_pad_token_id, chat.tokenizer.pad_token_id),
        (writer.add_unk_token_id, chat.tokenizer.unk_token_id),
    ):
        if token is not None:
            add(token)
    writer.add_add_bos_token(chat.begins_with_bos)
    writer.add_chat_template(template_of(chat))


def _tokens(raw: dict[str, Any], size: int) -> list[_Token]:
    """A token for each row of the embeddings: words, control tokens, and names for the rows that are none's."""
    from gguf import TokenType

    tokens = [_Token(f"[PAD{number}]", TokenType.UNUSED) for number in range(size)]
    for text, number in raw["model"]["vocab"].items():
        tokens[number] = _Token(text, TokenType.UNUSED if text == f"[PAD{number}]" else TokenType.NORMAL)
    for added in raw["added_tokens"]:
        kind = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
        tokens[added["id"]] = _Token(added["content"], kind)
    return tokens


def pre_tokenizer(raw: dict[str, Any]) -> str:
    """llama.cpp's name of the way in which a tokenizer cuts text into words. Raises InputError if it has none here."""
    steps = raw["pre_tokenizer"]
    steps = steps["pretokenizers"] if steps and steps["type"] == "Sequence" else [steps]
    match [step and step["type"] for step in steps]:
        case ["ByteLevel"] if steps[0]["use_regex"]:
            return "gpt-2"
        case ["Digits", "ByteLevel"] if steps[0]["individual_digits"] and steps[1]["use_regex"]:
            return "smollm"
        case ["Split", "ByteLevel"] if not steps[1]["use_regex"] and not steps[0]["invert"]:
            pattern = steps[0]["pattern"].get("Regex")
            if pattern in _SPLITS and steps[0]["behavior"] == "Isolated":
                return _SPLITS[pattern]
    raise InputError(f"--gguf: how this tokenizer cuts text into words has no name in GGUF that is known here; {_CURE}")
