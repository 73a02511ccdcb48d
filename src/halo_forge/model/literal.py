"""Text stays text: no words of a prompt or an answer become control tokens, such as the one that ends a turn."""

from __future__ import annotations

import copy
import functools
import re
from typing import Any

KNOWN_MARKS = re.compile(
    r"<[|｜][\w▁ /-]{1,40}[|｜]>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_(?:turn|image)>|<(?:bos|eos|pad|unk)>"
)
"""Control marks of the common families of models, for texts whose reader is not known."""
_SHAPED_LIKE_CONTROL = re.compile(r"<[|｜].*[|｜]>")
_BREAK = "\U0010fffd\U0010fff0"
"""Stands within a control token's name while a template is filled; of the private use area, so in no text."""


class Literal:
    """Breaks the names of a tokenizer's control tokens in text, and tokenises the broken text.

    Control tokens are those marked as special, and others whose names are shaped like theirs, `<|…|>`. Words that a
    model is meant to write as one token, such as `<think>`, are none. A text without such names has the ids that it
    always had.
    """

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.values()
        names = {
            str(token.content) for token in added if token.special or _SHAPED_LIKE_CONTROL.fullmatch(token.content)
        }
        names |= {str(name) for name in tokenizer.all_special_tokens}
        # A name of one character could not be broken; that one is no name but a letter.
        longest_first = sorted((re.escape(name) for name in names if len(name) > 1), key=len, reverse=True)
        self._starts = re.compile(rf"(?=(?:{'|'.join(longest_first)}))(.)", re.S) if longest_first else None

    def escape(self, text: str) -> str:
        """`text` with every name of a control token broken after its first character."""
        return self._starts.sub(rf"\1{_BREAK}", text) if self._starts else text

    def unescape(self, text: str) -> str:
        return text.replace(_BREAK, "")

    def ids(self, text: str) -> list[int]:
        """Token ids of a text in which all that `escape` has broken is read as text; no token is added to it."""
        if _BREAK not in text:
            return self._tokenizer(text, add_special_tokens=False)["input_ids"]
        tokenizer, broken = self._breaking
        return [token for token in tokenizer(text, add_special_tokens=False)["input_ids"] if token != broken]

    @functools.cached_property
    def _breaking(self) -> tuple[Any, int]:
        """A tokenizer that knows the break as a token of its own: what stands after it is not the start of a text."""
        from tokenizers import AddedToken

        tokenizer = copy.deepcopy(self._tokenizer)
        tokenizer.add_tokens([AddedToken(_BREAK, normalized=False, special=True)], special_tokens=True)
        return tokenizer, tokenizer.convert_tokens_to_ids(_BREAK)
