"""Where an answer may end because its program is written: `generate.stop: code_block`.

What a model says below its program is tokens that nobody reads. An answer ends with the line that closes its first
fence, if that fence is what is judged: tagged with the task's language, and a whole program, or the function that the
tests call, in it. Wherever this is in doubt (a thought or marks of another kind before it, a fence of another language,
a string that may hold the closing line, tests that ask for more than one function) the answer runs to its end of turn.
A model that writes a second program below the first is not asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from halo_forge.records import CallTests, CheckerTests, CompileTests, StdioTests, Task

_TAGS = {"cpp": {"cpp", "c++", "cc", "cxx"}, "c": {"c"}, "python": {"python", "py", "python3"}}
_WHOLE = {
    "cpp": re.compile(r"^(?:int|auto)[ \t]+main[ \t]*\(", re.M),
    "c": re.compile(r"^int[ \t]+main[ \t]*\(", re.M),
    "python": re.compile(r"\binput\(|\bsys\.stdin\b"),
}
_OPEN_LITERAL = {
    "cpp": lambda body: 'R"' in body or body.count("/*") != body.count("*/"),
    "c": lambda body: body.count("/*") != body.count("*/"),
    "python": lambda body: body.count('"""') % 2 == 1 or body.count("'''") % 2 == 1,
}
_MARK = re.compile(r"^[^\n]*(?:```|~~~)[^\n]*$", re.M)
_OTHER_MARKS = frozenset("<[◁|")
_TAIL = 4
"""A closing line and the line break behind it are at most so many tokens."""


@dataclass(frozen=True)
class CodeBlock:
    """What ends an answer to one task; `text` decodes token ids."""

    text: Callable[[list[int]], str]
    language: str
    wanted: re.Pattern[str]

    def closed(self, ids: list[int]) -> bool:
        """Whether the answer's block is closed by the last of `ids`, or just before it on the same line."""
        return "`" in self.text(ids[-_TAIL:]) and self._closed(self.text(ids))

    def length(self, ids: list[int]) -> int | None:
        """The tokens up to where `closed` holds first, None if it nowhere does."""
        if "```" not in self.text(ids):
            return None
        return next((length for length in range(1, len(ids) + 1) if self.closed(ids[:length])), None)

    def _closed(self, text: str) -> bool:
        marks = list(_MARK.finditer(text))
        if len(marks) != 2:
            return False
        opening, closing = marks
        body = text[opening.end() + 1 : closing.start()]
        return (
            opening[0].rstrip().lower() in {f"```{tag}" for tag in _TAGS[self.language]}
            and closing[0].rstrip() == "```"
            and closing.end() < len(text)  # what follows on the line may make it another one
            and not _OTHER_MARKS & set(text[: opening.start()])
            and not _OPEN_LITERAL[self.language](body)
            and self.wanted.search(body) is not None
        )


def code_block(task: Task, text: Callable[[list[int]], str]) -> CodeBlock | None:
    """What may end an answer to `task`; None if it has to run to the end of its turn."""
    if task.language not in _TAGS:
        return None
    if isinstance(task.tests, StdioTests | CheckerTests | CompileTests):
        return CodeBlock(text, task.language, _WHOLE[task.language])
    names = {task.entry_point, task.tests.entry_point} - {None} if isinstance(task.tests, CallTests) else set()
    if task.language != "python" or len(names) != 1:
        return None
    return CodeBlock(text, task.language, re.compile(rf"^def[ \t]+{re.escape(names.pop())}[ \t]*\(", re.M))
