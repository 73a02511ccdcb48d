"""Small GGUF files and wheels, made where a test needs them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from tiny import TEMPLATE

HIDDEN, INNER = 64, 96


def write_gguf(path: Path, output: str = "none", template: str | None = TEMPLATE, architecture: str = "qwen2") -> None:
    """A Qwen2 of one layer with a byte-level tokenizer and random weights of 8 bits.

    `output`: none, as in a file whose embeddings are tied; coarse, the same matrix with the input in 4 bits; other, a
    matrix of its own.
    """
    from gguf import GGMLQuantizationType, GGUFWriter, quantize
    from tokenizers import pre_tokenizers

    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]
    tokens += [f"[PAD{number}]" for number in range(len(tokens), 288)]
    writer = GGUFWriter(path, architecture)
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * 257 + [5] * (len(tokens) - 260))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    if template:
        writer.add_chat_template(template)
    random = np.random.default_rng(0)

    def add(name: str, shape: tuple[int, ...], kind: str = "Q8_0") -> np.ndarray:
        values = random.normal(0, 0.3, shape).astype(np.float32)
        write(name, values, kind)
        return values

    def write(name: str, values: np.ndarray, kind: str) -> None:
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            quantised = GGMLQuantizationType[kind]
            writer.add_tensor(name, quantize(values, quantised), raw_dtype=quantised)

    embeddings = add("token_embd.weight", (len(tokens), HIDDEN), "Q4_0" if output == "coarse" else "Q8_0")
    if output == "coarse":
        write("output.weight", embeddings, "Q8_0")
    elif output == "other":
        add("output.weight", embeddings.shape)
    add("output_norm.weight", (HIDDEN,))
    for name, shape in {
        "attn_q": (HIDDEN, HIDDEN),
        "attn_k": (HIDDEN // 2, HIDDEN),
        "attn_v": (HIDDEN // 2, HIDDEN),
        "attn_output": (HIDDEN, HIDDEN),
        "ffn_gate": (INNER, HIDDEN),
        "ffn_up": (INNER, HIDDEN),
        "ffn_down": (HIDDEN, INNER),
        "attn_norm": (HIDDEN,),
        "ffn_norm": (HIDDEN,),
    }.items():
        add(f"blk.0.{name}.weight", shape)
        if name in ("attn_q", "attn_k", "attn_v"):
            add(f"blk.0.{name}.bias", shape[:1])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_wheel(folder: Path, name: str, files: dict[str, bytes], version: str = "1.0") -> Path:
    """A wheel of nothing but `files`, path in the wheel -> bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, data in files.items():
            wheel.writestr(member, data)
        wheel.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return path
