"""A Hugging Face decoder converted for OpenVINO GenAI, once per base model, kept in the cache.

The model is traced by `openvino.convert_model` with its attention cache as plain inputs and outputs; those become
internal state, reordered by `beam_idx`, which is the form GenAI's pipelines take (the same that optimum-intel writes).
The 4-D mask is built here from plain operations, because transformers' own mask code does not trace.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from halo_forge.cache import cache_folder, made_once
from halo_forge.hashing import digest

_FORMAT = 1  # raise when the conversion changes
_DIGEST = re.compile(r"[0-9a-f]{16}|[0-9a-f]{40}")


def exported(base: Path) -> Path:
    """The converted folder of `base`, made if it is not there yet (a minute and 4 GB for 135 M parameters).

    Fetched models lie in folders that are named by their content; others may be trained again in the same place.
    """
    import openvino

    version = openvino.__version__.split("-")[0]
    name = base.name if _DIGEST.fullmatch(base.name) else f"{base.name}-{digest(base)[:16]}"
    return made_once(cache_folder("openvino") / f"{name}-{version}-{_FORMAT}", lambda folder: _export(base, folder))


def _export(base: Path, folder: Path) -> None:
    import openvino as ov
    import torch
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="sdpa").eval()
    converted = _converted(model)
    ov.save_model(converted, folder / "openvino_model.xml", compress_to_fp16=False)
    tokenizer = AutoTokenizer.from_pretrained(base)
    encoder, decoder = convert_tokenizer(tokenizer, with_detokenizer=True)
    ov.save_model(encoder, folder / "openvino_tokenizer.xml")
    ov.save_model(decoder, folder / "openvino_detokenizer.xml")
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _converted(model: Any) -> Any:
    """A stateful OpenVINO model with inputs input_ids, attention_mask, position_ids, beam_idx and output logits."""
    import openvino as ov
    import torch
    from openvino._offline_transformations import apply_make_stateful_transformation

    config = model.config
    layers, heads = config.num_hidden_layers, config.num_key_value_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    batch, new, past = 2, 3, 4  # any sizes above 1: the converted shapes are dynamic
    example = {
        "input_ids": torch.ones(batch, new, dtype=torch.long),
        "attention_mask": torch.ones(batch, past + new, dtype=torch.long),
        "position_ids": torch.arange(past, past + new).expand(batch, new),
        "past": [(torch.zeros(batch, heads, past, width),) * 2 for _ in range(layers)],
    }
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, about sizes that are the same for every input
        traced = ov.convert_model(_with_plain_cache(model), example_input=example)
    names = _name_ports(traced, layers, heads, width)
    _add_beam_idx(traced)
    apply_make_stateful_transformation(traced, names)
    _start_empty(traced, heads, width)
    traced.validate_nodes_and_infer_types()
    return traced


def _with_plain_cache(model: Any) -> Any:
    """`model` as a module from tensors and (key, value) pairs to (logits, key, value, key, value, …)."""
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer

    class WithPlainCache(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, position_ids, past):  # noqa: ANN001, ANN202
            cache = DynamicCache()
            cache.layers = []
            for key, value in past:
                layer = DynamicLayer()
                layer.keys, layer.values, layer.is_initialized = key, value, True
                layer.dtype, layer.device = key.dtype, key.device
                cache.layers.append(layer)
            new, total = input_ids.shape[1], attention_mask.shape[1]
            query = torch.arange(total - new, total).unsqueeze(1)  # (new, 1)
            causal = torch.arange(total).unsqueeze(0) <= query  # (new, total)
            visible = causal[None, None] & attention_mask[:, None, None, :].bool()
            mask = torch.where(visible, torch.tensor(0.0), torch.tensor(torch.finfo(torch.float32).min))
            out = self.model(
                input_ids=input_ids,
                attention_mask=mask,
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=True,
            )
            present = [tensor for layer in out.past_key_values.layers for tensor in (layer.keys, layer.values)]
            return (out.logits, *present)

    return WithPlainCache()


def _name_ports(traced: Any, layers: int, heads: int, width: int) -> dict[str, str]:
    """Give inputs and outputs the names GenAI looks for; returns {past name: present name}."""
    import openvino as ov

    for port, name in zip(traced.inputs, ("input_ids", "attention_mask", "position_ids"), strict=False):
        port.get_tensor().set_names({name})
        port.get_node().set_partial_shape(ov.PartialShape([-1, -1]))
    traced.outputs[0].get_tensor().set_names({"logits"})
    names = {}
    for number in range(2 * layers):
        suffix = f"{number // 2}.{('key', 'value')[number % 2]}"
        source, result = traced.inputs[3 + number], traced.outputs[1 + number]
        source.get_node().set_partial_shape(ov.PartialShape([-1, heads, -1, width]))
        source.get_tensor().set_names({f"past_key_values.{suffix}"})
        result.get_tensor().set_names({f"present.{suffix}"})
        names[f"past_key_values.{suffix}"] = f"present.{suffix}"
    traced.validate_nodes_and_infer_types()
    return names


def _add_beam_idx(traced: Any) -> None:
    """Reorder the cache by a new input `beam_idx` (batch,), as every pipeline of GenAI expects."""
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops

    beam = ops.parameter([-1], ov.Type.i32, name="beam_idx")
    beam.output(0).get_tensor().add_names({"beam_idx"})
    past = traced.inputs[3:]
    traced.add_parameters([beam])
    for port in past:
        consumers = port.get_target_inputs()
        reordered = ops.gather(port, beam, ops.constant(np.int64(0)))
        for consumer in consumers:
            consumer.replace_source_output(reordered.output(0))
    traced.validate_nodes_and_infer_types()


def _start_empty(traced: Any, heads: int, width: int) -> None:
    """The cache starts with (batch, heads, 0, width), the batch being that of input_ids."""
    import numpy as np
    from openvino import opset13 as ops

    shape = ops.shape_of(traced.input("input_ids"), output_type="i64")
    batch = ops.gather(shape, ops.constant(np.array([0])), ops.constant(np.int64(0)))
    for node in traced.get_ops():
        if node.get_type_name() == "ReadValue":
            empty = ops.concat([batch, ops.constant(np.array([heads, 0, width]))], axis=0)
            node.set_arguments([ops.broadcast(ops.constant(np.float32(0)), empty)])
