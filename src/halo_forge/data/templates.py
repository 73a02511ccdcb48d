"""Messages as one text: the templates of the `text` rows that data files carry.

    qwen     ChatML with Qwen's own system prompt where a row has none
    chatml   ChatML, nothing added
    llama    the headers of Llama 3
    model    the tokenizer's own chat template

A text ends with the token that ends the last turn, so that it is, character for character, what training on the same
messages sees; and its beginning, up to the header of the assistant's turn, is what generation is given.
"""

from __future__ import annotations

from collections.abc import Sequence

from halo_forge.data.rows import Message
from halo_forge.errors import InputError
from halo_forge.model.chat import Chat

TEMPLATES = ("qwen", "llama", "chatml", "model")
QWEN_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def render(messages: Sequence[Message], template: str, chat: Chat | None = None) -> str:
    """All turns of `messages`. `chat` is the model's, for the template `model`. Raises InputError for other names."""
    if template == "model":
        return _by_tokenizer(messages, chat)
    return prompt_text(messages, template, header=False)


def prompt_text(messages: Sequence[Message], template: str, *, header: bool = True) -> str:
    """The turns in one of the three fixed templates, with the header of the assistant's next turn if `header`."""
    if template in ("qwen", "chatml"):
        turns = list(messages)
        if template == "qwen" and turns[0]["role"] != "system":
            turns.insert(0, {"role": "system", "content": QWEN_SYSTEM})
        text = "\n".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>" for turn in turns)
        return text + "\n<|im_start|>assistant\n" if header else text
    if template == "llama":
        text = "<|begin_of_text|>" + "".join(
            f"<|start_header_id|>{turn['role']}<|end_header_id|>\n\n{turn['content'].strip()}<|eot_id|>"
            for turn in messages
        )
        return text + "<|start_header_id|>assistant<|end_header_id|>\n\n" if header else text
    raise InputError(f"template {template!r} is not known (known: {', '.join(TEMPLATES)})")


def _by_tokenizer(messages: Sequence[Message], chat: Chat | None) -> str:
    if chat is None:
        raise InputError("template model: whose? give --model, the folder of a model with a chat template")
    if messages[-1]["role"] != "assistant":
        return chat.prompt_text(messages, header=False)
    # As train/rows.py has it: the answer as it stands, then the token that ends the turn.
    return chat.prompt_text(messages[:-1]) + messages[-1]["content"] + chat.tokenizer.convert_ids_to_tokens(chat.end)
