"""A chat template taken apart: what stands around the words of each role.

Ollama writes prompts by a template of Go's, which no Jinja template can be turned into in general. Nearly all of them
do nothing but put fixed text before and after each turn. That text is read off a conversation that the model's own
template has rendered; a template that does more is recognised by a second conversation, and none is written for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from halo_forge.model.chat import Chat

ROLES = ("system", "user", "assistant")
_MARKS = tuple(f"\N{BLACK HEART SUIT}{number}\N{BLACK HEART SUIT}" for number in range(5))


@dataclass(frozen=True)
class Turns:
    """(text before, text after) the words of each role; `system` is said by the template itself where nobody does."""

    begin: str
    """What stands before the first turn, whoever has it."""
    around: Mapping[str, tuple[str, str]]
    header: str
    """What begins the answer that is asked for."""
    system: str

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """What the template makes of `messages`, the header of the next answer after them."""
        turns = [self.around[message["role"]] for message in messages]
        words = [f"{pre}{message['content']}{post}" for (pre, post), message in zip(turns, messages, strict=True)]
        return self.begin + "".join(words) + self.header


def turns_of(chat: Chat) -> Turns | None:
    """The turns of a chat's template, its system prompt in the place of the template's own; None if it is no mere
    sequence of turns."""
    first = [*zip(("system", "user", "assistant", "user"), _MARKS, strict=False)]
    pieces = _pieces(chat, first, header=True)
    without = _pieces(chat, [("user", _MARKS[1])], header=True)
    if pieces is None or without is None:
        return None
    end = re.compile(re.escape(chat.tokenizer.decode([chat.end])) + r"\s*")
    split = [_split(end, piece) for piece in pieces[1:]]
    if None in split:
        return None
    (system_end, user), (user_end, assistant), (assistant_end, _), (_, header) = split
    around = {"system": (pieces[0], system_end), "user": (user, user_end), "assistant": (assistant, assistant_end)}
    begin, said = without[0].removesuffix(user), ""
    if begin.startswith(pieces[0]) and begin.endswith(system_end):  # a system turn of the template's own
        begin, said = "", begin[len(pieces[0]) : len(begin) - len(system_end)]
    elif pieces[0].startswith(begin):
        around["system"] = (pieces[0].removeprefix(begin), system_end)
    else:
        return None
    turns = Turns(begin, around, header, chat.system_prompt or said)
    return turns if _holds(turns, chat) else None


def _split(end: re.Pattern[str], between: str) -> tuple[str, str] | None:
    """What ends a turn, up to its end-of-turn token and the space after it, and what begins the next."""
    found = end.search(between)
    return (between[: found.end()], between[found.end() :]) if found else None


def _pieces(chat: Chat, turns: Sequence[tuple[str, str]], *, header: bool) -> list[str] | None:
    """The texts before, between and after the contents of `turns`; None if they do not stand there as they are."""
    text, pieces = _rendered(chat, [{"role": role, "content": said} for role, said in turns], header=header), []
    for _, said in turns:
        before, found, text = text.partition(said)
        if not found:
            return None
        pieces.append(before)
    return [*pieces, text]


def _holds(turns: Turns, chat: Chat) -> bool:
    """Whether another conversation, of turns in another order and number, comes out as the template has it."""
    roles = ("system", "user", "assistant", "user", "assistant", "user")
    messages = [{"role": role, "content": f"word {number}"} for number, role in enumerate(roles)]
    return turns.render(messages) == _rendered(chat, messages, header=True)


def _rendered(chat: Chat, messages: list[dict[str, Any]], *, header: bool) -> str:
    return chat.tokenizer.apply_chat_template(messages, add_generation_prompt=header, tokenize=False)
