"""One rendering of prompts and answers, for training and for generation alike."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.errors import InputError
from halo_forge.model.literal import Literal

Prompt = str | Sequence[Mapping[str, str]]
"""What a user says, or all turns of a conversation up to there as {role, content}."""

_MARK = "\N{BLACK HEART SUIT}answer\N{BLACK HEART SUIT}"


@dataclass(frozen=True)
class Chat:
    """A tokenizer with its chat template and system prompt.

    `end` is the id of the token that ends the assistant's turn. It may equal the padding token, so padding must be
    masked by position, never by id. Control tokens come from the template alone: where a turn or an answer names one,
    its name is read as text.
    """

    tokenizer: Any
    system_prompt: str
    end: int

    @classmethod
    def of(cls, folder: str, system_prompt: str = "") -> Chat:
        """The chat of a model folder. Raises InputError if its tokenizer has no usable template."""
        if (Path(folder) / "tokenizer.json").exists():
            # The same tokenizer without the import of torch, which costs every stage that samples three seconds.
            from transformers import PreTrainedTokenizerFast as Tokenizer
        else:
            from transformers import AutoTokenizer as Tokenizer

        tokenizer = Tokenizer.from_pretrained(folder, trust_remote_code=False)  # None asks at the terminal
        if not tokenizer.chat_template:
            raise InputError(f"{folder}: the tokenizer has no chat template; use an instruction-tuned model")
        return cls(tokenizer, system_prompt, _end_of_turn(tokenizer, folder))

    def prompt_text(self, prompt: Prompt, *, header: bool = True) -> str:
        """The turns in the model's own template, with the header of the assistant's next turn if `header`."""
        return self._literal.unescape(self._rendered(prompt, header=header))

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Token ids up to and including the header of the assistant's turn."""
        return self._literal.ids(self._rendered(prompt, header=True))

    def answer_ids(self, answer: str) -> list[int]:
        """Token ids of an answer, the end-of-turn token included."""
        return [*self._literal.ids(self._literal.escape(answer)), self.end]

    def marks(self, prompt: Prompt, answer: str) -> tuple[int, int]:
        """(end-of-turn tokens in the answer, tokens that begin a text in both): one, and one or none, are right."""
        before, taught = self.prompt_ids(prompt), self.answer_ids(answer)
        return taught.count(self.end), (before + taught).count(self.tokenizer.bos_token_id)

    @property
    def begins_with_bos(self) -> bool:
        """Whether the tokenizer by itself puts the token before a text that begins one."""
        ids = self.tokenizer("a")["input_ids"]
        return bool(ids) and ids[0] == self.tokenizer.bos_token_id

    def text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    @functools.cached_property
    def _literal(self) -> Literal:
        return Literal(self.tokenizer)

    def _rendered(self, prompt: Prompt, *, header: bool) -> str:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        if self.system_prompt and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": self.system_prompt})
        messages = [{**message, "content": self._literal.escape(message["content"])} for message in messages]
        return self.tokenizer.apply_chat_template(messages, add_generation_prompt=header, tokenize=False)


def fenced(code: str, language: str) -> str:
    """An answer as it is taught: one fenced block."""
    return f"```{language}\n{code.strip()}\n```"


def _end_of_turn(tokenizer: Any, folder: str) -> int:
    """The first special token that the template puts after an assistant's answer."""
    messages = [{"role": "user", "content": "question"}, {"role": "assistant", "content": _MARK}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    after = tokenizer(text.rpartition(_MARK)[2], add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for token in after:
        if token in special:
            return token
    if tokenizer.eos_token_id is None:
        raise InputError(f"{folder}: neither the chat template nor the tokenizer has an end-of-turn token")
    return tokenizer.eos_token_id
