"""The program in a completion: which of its fences, or which of its lines, to compile and run.

The steps have modules of their own in `answer`: what of the completion is the answer (`turns`), its fences (`fences`),
which of them (`choice`), code without fences (`prose`), and code that the text around has bent (`mend`).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from itertools import islice

from halo_forge.verify.core.answer.choice import choose
from halo_forge.verify.core.answer.fences import fence_lines, fences
from halo_forge.verify.core.answer.languages import KNOWN_TAGS, LOOKS_LIKE, TAGS, WHOLE, tag_of
from halo_forge.verify.core.answer.mend import mended
from halo_forge.verify.core.answer.prose import function_in, program_in
from halo_forge.verify.core.answer.turns import answer_of

_WRAPPED = re.compile(
    r"<pre[^>\n]*>\s*<code(?P<attributes>[^>\n]*)>\n?(?P<listing>[\s\S]*?)</code>\s*</pre>"
    r"|^[ \t]*<(?P<tag>code|pre|answer|solution|response|final_answer|python|cpp|rust|go)(?:[ \t][^>\n]*)?>[ \t]*\n"
    r"(?P<inside>[\s\S]*?)\n?[ \t]*</(?P=tag)>[ \t]*$"
    r"|\[(?P<word>PYTHON|CODE|ANSWER|BEGIN)\][ \t]*\n?(?P<marked>[\s\S]*?)(?:\[(?:/(?P=word)|DONE|END)\]|\Z)"
    r"|\\begin\{(?P<listed>lstlisting|verbatim|code|minted)\}(?:\[[^\]\n]*\]|\{[^}\n]*\})*\n"
    r"(?P<latex>[\s\S]*?)\\end\{(?P=listed)\}",
    re.I | re.M,
)
"""Code between marks that are no fences: HTML, the answer's own tag, the marks of few-shot prompts, LaTeX."""
_OPENING = re.compile(
    r"<(?:code|pre|answer|solution|response|final_answer|python|cpp|rust|go)\b|\[[A-Z]+\]|\\begin|```", re.I
)
_WRAPPINGS = 60
"""More marks than these are nobody's answer."""
_INLINE = re.compile(r"```[ \t]*(?:(?P<tag>[\w+#.]+)[ \t\n]+)?(?P<code>[^`]+?)```")


def extract_code(completion: str, language: str, *, names: Sequence[str] | None = None) -> str | None:
    """The program a completion offers, or None when there is none (status `no_code`).

    1. What is not the answer is dropped: thoughts, one that never closes with everything after it, the messages of
       other channels, what stands below the end of the turn. CRLF becomes LF.
    2. Fences tagged with the language are candidates; failing those, untagged fences that look like the language;
       failing those, fences under a tag of no known meaning that do. Fences of other languages (bash, output, …)
       are ignored. A last fence that never closes (a completion cut at its length) runs to the end.
    3. Among several candidates the last one that holds a whole program (`main`, or something that reads the input)
       wins, since models correct themselves further down, but a fence cut off by the end of the completion only if no
       other holds one; with none whole, the longest.
    4. Where tests call functions or use classes (`names` are theirs, none if they are not known) the fence that defines
       most of them wins, of several the last that can be read, whatever reads the input. A mere signature defines
       nothing. An answer may also be less than a program: what stands inside the function. Then an untagged fence may
       hold anything, and a completion without fences counts from its first line that looks like code, however little
       of it there is.
    5. What the chosen fence uses and only another defines (a helper, imports) is put above it.
    6. A completion that starts with code and closes a fence that it never opened: the fence is opened for it.
    7. Without any fence the completion itself counts if it looks like the language: prose before the first line of
       code is cut, and prose after it. Something wrapped into JSON, such as a call of a tool, is no program.
    """
    if language not in TAGS:
        return None
    text = answer_of(completion.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff"), language)
    names = None if names is None else [name for name in names if name]
    found = fences(_opened(text, language), language)
    if not found and (unwrapped := _unwrapped(text, language)):
        found = fences(unwrapped, language)
    if found:
        return choose(found, language, names)
    if _is_json(text):
        return None
    program = program_in(text, language) if names is None else function_in(text, language, names)
    return program and mended(program, language)


def _opened(text: str, language: str) -> str:
    """`text` with the fence that a model closed without having opened it.

    That is so if the first fence line is untagged and what stands above it begins with code, or holds a whole program
    while the number of fence lines is odd.
    """
    marks = fence_lines(text)
    if not marks or marks[0]["info"].strip():
        return text
    head = text[: marks[0].start()]
    begins_with_code = LOOKS_LIKE[language].match(head.lstrip("\n"))
    if not begins_with_code and not (len(marks) % 2 and WHOLE[language].search(head)):
        return text
    if len(fences(f"```{language}\n{text}", language)) == 1 and len(marks) > 1:
        return f"```{language}\n{text}"  # its own strings hold the other fence lines
    program = program_in(head, language)
    return f"```{language}\n{program.rstrip(chr(10))}\n```{text[marks[0].end() :]}" if program else text


def _unwrapped(text: str, language: str) -> str:
    """The code between other marks, in fences."""
    if not 0 < sum(1 for _ in islice(_OPENING.finditer(text), _WRAPPINGS + 1)) <= _WRAPPINGS:
        return ""
    parts = []
    for found in _WRAPPED.finditer(text):
        groups = found.groupdict()
        code = next((groups[name] for name in ("listing", "inside", "marked", "latex") if groups[name]), "")
        if groups["listing"] or re.search(r"&(?:lt|gt|amp|quot|#39);", code):
            code = html.unescape(code)
        if code.strip() and "```" not in code:
            parts.append(f"```{language}\n{code.strip(chr(10))}\n```\n")
    if not parts:
        for found in _INLINE.finditer(text):
            tagged = tag_of(found["tag"] or "") in KNOWN_TAGS
            code = found["code"] if tagged else found[0].strip("`")
            parts.append(f"```{found['tag'] if tagged else ''}\n{code.strip()}\n```\n")
    return "\n".join(parts)


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
