"""An adapter merged into its base model: a model that any program loads, without PEFT.

The sum is made in float32, whatever the weights are stored in, and rounded once, when a file is written.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from halo_forge.errors import InputError
from halo_forge.export.sampling import Sampling
from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import Checkpoint

SHARD = "5GB"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt")


def merged(model: Checkpoint) -> Any:
    """The model of transformers with the adapter in its weights, in float32 (4 bytes a parameter of memory).

    Raises InputError for an adapter that PEFT cannot merge into these weights.
    """
    import torch
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(model.base, dtype=torch.float32)
    if model.adapter is None:
        return base.eval()
    from peft import PeftModel

    try:
        whole = PeftModel.from_pretrained(base, model.adapter).merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{model.adapter}: cannot be merged into {model.lock['id']}: {reason}") from error
    return whole.eval()


def save_merged(whole: Any, chat: Chat, base: Path, dtype: str, sampling: Sampling, folder: Path) -> None:
    """Write weights in `dtype`, config, generation config and tokenizer of `whole` to `folder`; `whole` has that type
    from then on."""
    import torch
    from transformers import GenerationConfig

    drawn = {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}
    drawn = drawn if sampling.temperature > 0 else {}  # greedy
    whole.to(getattr(torch, dtype))
    whole.config.dtype = getattr(torch, dtype)
    whole.generation_config = GenerationConfig(
        bos_token_id=chat.tokenizer.bos_token_id,
        eos_token_id=chat.end,
        pad_token_id=chat.tokenizer.pad_token_id,
        do_sample=sampling.temperature > 0,
        **drawn,
        max_new_tokens=sampling.max_new_tokens,
    )
    whole.save_pretrained(folder, max_shard_size=SHARD)
    save_tokenizer(chat, base, folder)


def save_tokenizer(chat: Chat, base: Path, folder: Path) -> None:
    """The base model's tokenizer, its files as they are, with the chat template that training used."""
    copied = [name for name in _TOKENIZER if (base / name).exists()]
    if "tokenizer.json" in copied:
        for name in copied:
            shutil.copyfile(base / name, folder / name)
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        config.pop("chat_template", None)
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False), "utf-8")
        (folder / "chat_template.jinja").write_text(template_of(chat), "utf-8")
    else:
        chat.tokenizer.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(template_of(chat), "utf-8")


def template_of(chat: Chat) -> str:
    """The chat template; where the model was trained under a system prompt, one that says it if no other is said."""
    template = chat.tokenizer.chat_template
    if not chat.system_prompt:
        return template
    said = json.dumps(chat.system_prompt)  # an escaped string of JSON is one of Jinja's
    return (
        "{%- if messages[0]['role'] != 'system' %}"
        "{%- set messages = [{'role': 'system', 'content': " + said + "}] + messages %}{%- endif %}" + template
    )
