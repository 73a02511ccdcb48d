"""What of a completion is the answer: its last message, up to the end of the turn, without what was thought before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from halo_forge.verify.core.answer.fences import Fence, fences
from halo_forge.verify.core.answer.languages import LOOKS_LIKE, language_of
from halo_forge.verify.core.answer.literals import Literals

_THOUGHTS = (
    r"think|thinking|thoughts?|reasoning|reasoning_content|reason|reflection|scratchpad|analysis|planning"
    r"|seed:think|mm:think|antthinking|inner_monologue"
)
# Opening marks have a name in `open`, closing ones in `close`; the names of a pair are the same, or one is in _PAIRS.
_THOUGHT = re.compile(
    rf"<(?:(?P<open>{_THOUGHTS})(?:[ \t][^<>\n]{{0,80}})?|/(?P<close>{_THOUGHTS}))>"
    r"|<\|begin_of_(?P<open2>thought)\|>|<\|end_of_(?P<close2>thought)\|>"
    r"|<\|start_(?P<open3>thinking)\|>|<\|end_(?P<close3>thinking)\|>"
    r"|\[(?P<open4>think)\]|\[/(?P<close4>think)\]|◁(?P<open5>think)▷|◁/(?P<close5>think)▷"
    r"|<\|(?P<open6>channel)>(?:thought|analysis|reasoning)\b|<(?P<close6>channel)\|>"
    r"|<(?P<open7>unused)94>|<(?P<close7>unused)95>|<\|(?P<open8>inner)_prefix\|>|<\|(?P<close8>inner)_suffix\|>"
    r"|^Here is my (?P<open9>thought) process:|^Here is my (?P<close9>response):",
    re.I | re.M,
)
_PAIRS = {"response": "thought"}
_QUOTES = tuple("\"'`“”‘’")

_CHANNEL = re.compile(r"<\|channel\|>[ \t]*(?P<name>\w+)(?P<to>[^<\n]*)(?:<\|constrain\|>[^<\n]*)?<\|message\|>")
_CHANNELS = re.compile(r"\s*(?:<\|start\|>\s*assistant\s*)?<\|channel\|>")
_NEXT_CHANNEL = re.compile(r"<\|start\|>\s*assistant\s*(?=<\|channel\|>)")
_HIDDEN = {"analysis", "thought", "thinking", "reasoning"}
_PLAIN_ANALYSIS = re.compile(r"\s*analysis(?=[A-Z])")
_PLAIN_FINAL = re.compile(r"assistant\s*final(?=\W|[A-Z]|$)")
"""As the same reads where a decoder has dropped the marks."""

_HEADER = (
    r"<\|im_start\|>[ \t]*(?P<role>\w*)[ \t]*\n?|<\|start_header_id\|>[ \t]*(?P<role2>\w*)[ \t]*<\|end_header_id\|>\n*"
    r"|<start_of_turn>[ \t]*(?P<role3>\w*)[ \t]*\n?|<\|turn>[ \t]*(?P<role4>\w*)[ \t]*\n?"
    r"|<[|｜](?P<role5>user|assistant|system)[|｜]>\n?|(?P<role6>\[INST\])|\[/INST\]"
    r"|<\|(?P<role7>USER|CHATBOT|SYSTEM)_TOKEN\|>|<\|START_OF_TURN_TOKEN\|>"
)
_BEGIN = re.compile(
    rf"\s*(?:{_HEADER}|<s>|<bos>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>|<\|START_RESPONSE\|>"
    r"|<\|begin_of_solution\|>)",
    re.I,
)
_ANSWERING = re.compile(
    r"<\|im_start\|>[ \t]*assistant|<\|start_header_id\|>[ \t]*assistant[ \t]*<\|end_header_id\|>"
    r"|<start_of_turn>[ \t]*model|<\|turn>[ \t]*model|<[|｜]assistant[|｜]>|\[/INST\]|<\|CHATBOT_TOKEN\|>",
    re.I,
)
_OTHERS = {"user", "system", "[inst]"}
_END = re.compile(
    r"<\|(?:im_end|endoftext|end_of_text|eot_id|eom_id|eot|return|call|end|end_of_turn|end_of_solution|end_response"
    r"|end_of_turn_token|endofblock|file_sep|fim_pad)\|>|<(?:end_of_turn|turn\||eos|file_sep|/s)>"
    rf"|<｜end▁of▁sentence｜>|{_HEADER}",
    re.I,
)
_MARKS = 40
"""More marks than these are nobody's answer: what stands in code is looked at for so many only."""


def answer_of(completion: str, language: str) -> str:
    """The text of the answer; "" if there is none, as when a thought never ends.

    A mark inside a string or a comment of the answer's code, in quotes or in backticks, is none.
    """
    text = _last_channel(completion, language)
    if _THOUGHT.search(text):
        text = _without_thoughts(text, language)
    return _first_turn(text, language)


def _last_channel(text: str, language: str) -> str:
    """The message in the channel `final`, or else the last that is meant to be seen."""
    if _PLAIN_ANALYSIS.match(text):
        final = next((mark for mark in _PLAIN_FINAL.finditer(text) if not _quoted(text, mark)), None)
        return text[final.end() :] if final else ""
    if "<|message|>" not in text:
        return text
    if not _CHANNELS.match(text):
        # The template had opened the first message.
        code = _Code(text, 0, language)
        marks = (mark for mark in islice(_NEXT_CHANNEL.finditer(text), _MARKS) if not code.in_literal(mark))
        begin = next((mark for mark in marks if not (_quoted(text, mark) or code.in_other_fence(mark))), None)
        if begin is None:
            return text
        text = text[begin.start() :]
    messages = list(_CHANNEL.finditer(text))
    for message in messages:
        if message["name"] == "final":
            return text[message.end() :]
    if not messages or messages[-1]["name"] in _HIDDEN or "to=" in messages[-1]["to"]:
        return ""
    return text[messages[-1].end() :]


def _without_thoughts(text: str, language: str) -> str:
    marks = list(_THOUGHT.finditer(text))
    spoken_of = len(marks) <= _MARKS
    last = {_name(mark): mark.start() for mark in marks if _closes(mark) and not _quoted(text, mark)}
    last_code = _last_code(text, language)
    kept: list[str] = []
    code, start, thinking = _Code(text, 0, language) if spoken_of else None, 0, ""
    for mark in marks:
        if thinking:
            ends = _closes(mark) and _name(mark) == thinking and not _quoted(text, mark)
        elif _closes(mark):
            ends = code is None or _closes_what_the_template_opened(text, mark, code, mark.end() < last_code)
            kept = [] if ends else kept
        else:
            ends = False
            alone = not text[text.rfind("\n", 0, mark.start()) + 1 : mark.start()].strip()
            if (alone or last.get(_name(mark), -1) > mark.end()) and not (code and _in_code(text, mark, code)):
                kept.append(text[start : mark.start()])
                thinking = _name(mark)
        if ends:
            start, thinking = mark.end(), ""
            code = _Code(text, start, language) if spoken_of else None
    return "".join(kept) + ("" if thinking else text[start:])


def _last_code(text: str, language: str) -> int:
    """Where the last fence or line that looks like code begins."""
    at = text.rfind("```")
    for found in LOOKS_LIKE[language].finditer(text, max(at, 0)):
        at = found.start()
    return at


def _name(mark: re.Match[str]) -> str:
    name = next(value for value in mark.groupdict().values() if value).lower()
    return _PAIRS.get(name, name)


def _closes(mark: re.Match[str]) -> bool:
    return any(value for group, value in mark.groupdict().items() if group.startswith("close"))


def _quoted(text: str, mark: re.Match[str]) -> bool:
    """Whether a mark is spoken of: in quotes or backticks on its line."""
    before, after = text[max(mark.start() - 3, 0) : mark.start()], text[mark.end() : mark.end() + 3]
    if (before != "```" and before[-1:] in _QUOTES) or (after != "```" and after[:1] in _QUOTES):
        return True
    line = text[max(text.rfind("\n", 0, mark.start()) + 1, mark.start() - 400) : mark.start()]
    return line.count('"') % 2 == 1 or line.replace("```", "").count("`") % 2 == 1


def _in_code(text: str, mark: re.Match[str], code: _Code) -> bool:
    return _quoted(text, mark) or code.holds(mark)


def _closes_what_the_template_opened(text: str, mark: re.Match[str], code: _Code, code_below: bool) -> bool:
    """Whether a mark closes a thought that began before the completion.

    On a line of its own it does, unless it stands in a string or comment of code. Elsewhere it may be spoken of: then
    the code stands above and not below.
    """
    line_start, line_end = text.rfind("\n", 0, mark.start()) + 1, text.find("\n", mark.end())
    around = text[line_start : mark.start()] + text[mark.end() : line_end if line_end >= 0 else len(text)]
    if code.in_literal(mark):
        return False
    if not around.strip():
        return not code.in_other_fence(mark)
    return code_below and not _in_code(text, mark, code)


class _Code:
    """The fences of a text from `start` on, or its code from the first line that looks like some."""

    def __init__(self, text: str, start: int, language: str):
        self._text, self._start, self._language = text[start:], start, language
        self._fences = fences(self._text, language)
        self._bare = None
        self._literals: dict[int, Literals] = {}
        if not self._fences and (first := LOOKS_LIKE[language].search(self._text)):
            begin = self._text.rfind("\n", 0, first.start()) + 1
            self._bare = Fence("", self._text[begin:], True, begin, len(self._text))

    def holds(self, mark: re.Match[str]) -> bool:
        """Whether it stands in a fence, or below the first line of a text that is all code."""
        fence = self._around(mark)
        return fence is not None and (fence is not self._bare or not self._text[: fence.start].strip())

    def in_other_fence(self, mark: re.Match[str]) -> bool:
        """Whether it stands in a fence that is closed and no code of the language."""
        fence = self._around(mark)
        return fence is not None and fence.closed and bool(fence.tag) and self._written_in(fence) is None

    def in_literal(self, mark: re.Match[str]) -> bool:
        """Whether it stands in a string or a comment of the code of a fence."""
        fence = self._around(mark)
        language = self._written_in(fence) if fence else None
        if fence is None or language is None:
            return False
        if fence.start not in self._literals:
            self._literals[fence.start] = Literals(self._text[fence.start : fence.end], language)
        return self._literals[fence.start].hold(mark.start() - self._start - fence.start)

    def _written_in(self, fence: Fence) -> str | None:
        return language_of(fence.tag, self._language)

    def _around(self, mark: re.Match[str]) -> Fence | None:
        at = mark.start() - self._start
        known = [self._bare] if self._bare else self._fences
        return next((fence for fence in known if fence.start <= at < fence.end), None)


def _first_turn(text: str, language: str) -> str:
    """Up to the end of the turn: what stands below it is a conversation that the model has made up."""
    while begins := _BEGIN.match(text):
        role = next((value for value in begins.groupdict().values() if value), "").lower()
        answering = _ANSWERING.search(text) if role in _OTHERS else None
        text = text[answering.start() if answering else begins.end() :]
        if role in _OTHERS and answering is None:
            break
    kept, at = [], 0
    for end in _turn_ends(text, language):
        above, below = text[: end.start()], text[end.end() :]
        if above.strip() and (_has_code(above, language) or not _has_code(below, language)):
            return "".join(kept) + text[at : end.start()]
        kept.append(text[at : end.start()])
        at = end.end()
    return "".join(kept) + text[at:]


def _has_code(text: str, language: str) -> bool:
    return "```" in text or "~~~" in text or LOOKS_LIKE[language].search(text) is not None


def _turn_ends(text: str, language: str) -> Iterator[re.Match[str]]:
    code = None
    for number, mark in enumerate(_END.finditer(text)):
        if number >= _MARKS:
            return
        code = code or _Code(text, 0, language)
        if code.in_literal(mark) or (not code.holds(mark) and _quoted(text, mark)):
            continue
        if mark[0].lower() == "</s>" and text[mark.end() :].split("\n", 1)[0].strip():
            continue  # a tag of HTML
        yield mark
