"""An exported model answers as the adapter does, in every form; what cannot be exported rightly is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from halo_forge.errors import InputError
from halo_forge.export.evidence import Evidence, evidence_of
from halo_forge.export.export import Export, export
from halo_forge.export.sampling import Sampling
from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import Checkpoint

SAMPLING = Sampling(temperature=0.7, top_k=50, top_p=1.0, max_new_tokens=99)
PROMPTS = [f"Print {number} numbers." for number in range(8)]


@pytest.fixture(scope="session")
def qwen_model(tiny_model, tmp_path_factory) -> Path:
    """The tiny model's tokenizer before a Qwen2 of one layer whose embeddings are not tied, biases and all."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("qwen") / "model"
    shutil.copytree(tiny_model, folder)
    torch.manual_seed(1)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    config = Qwen2Config(
        vocab_size=288, num_key_value_heads=2, initializer_range=0.2, tie_word_embeddings=False, **sizes, **ids
    )
    model = Qwen2ForCausalLM(config)
    for name, values in model.named_parameters():
        if name.endswith("bias"):
            values.data.normal_(std=0.2)
    model.save_pretrained(folder)
    return folder


def with_adapter(base: Path, folder: Path, seed: int = 0) -> Checkpoint:
    """A checkpoint whose adapter says something else than its base, on every kind of layer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    torch.manual_seed(seed)
    for name, values in model.named_parameters():
        if "lora_B" in name:
            values.data.normal_(std=0.1)
    model.save_pretrained(folder)
    lock = {"provider": "local", "id": str(base), "revision": "0" * 64, "system_prompt": ""}
    return Checkpoint("tiny", lock, base, folder)


def logits(folder: Path, adapter: Path | None = None, **source):
    """float32 logits of the last token of each prompt, (prompts, vocabulary)."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **source)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    chat = Chat.of(str(folder))
    with torch.no_grad():
        return torch.stack([model(torch.tensor([chat.prompt_ids(said)])).logits[0, -1] for said in PROMPTS])


@pytest.mark.parametrize("family", ["tiny_model", "qwen_model"])
def test_merged_and_gguf_answer_as_the_adapter_does(family, request, tmp_path) -> None:
    base = request.getfixturevalue(family)
    model = with_adapter(base, tmp_path / "adapter")
    out = tmp_path / "out"
    export(model, Export(out, ["f16", "q8_0"], "float32"), Evidence("tiny"), SAMPLING, "halo-forge export")
    right = logits(base, model.adapter)
    assert (logits(out) - right).abs().max() < 1e-3
    assert (logits(base) - right).abs().max() > 0.5  # the adapter says something else than its base
    for kind, error in (("F16", 0.02), ("Q8_0", 0.3)):
        read = logits(out, gguf_file=f"out-{kind}.gguf")[:, : right.shape[1]]
        assert (read - right).abs().max() < error, kind
