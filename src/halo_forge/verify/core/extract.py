"""The program in a completion: which of its fences, or which of its lines, to compile and run."""

from __future__ import annotations

import re

TAGS = {
    "cpp": {"cpp", "c++", "cc", "cxx", "hpp", "c"},
    "c": {"c", "h"},
    "python": {"python", "py", "python3", "py3"},
    "rust": {"rust", "rs"},
    "go": {"go", "golang"},
}
_LOOKS_LIKE = {
    "cpp": re.compile(r"^[ \t]*#[ \t]*include\b|\bint[ \t\n]+main[ \t]*\(|\bstd::|\busing[ \t]+namespace\b", re.M),
    "c": re.compile(r"^[ \t]*#[ \t]*include\b|\bint[ \t\n]+main[ \t]*\(", re.M),
    "python": re.compile(
        r"^[ \t]*(?:def \w+\(|class \w+|import \w[\w., ]*$|from [\w.]+ import |@\w|print\(|sys\.stdin"
        r"|(?:for|while|if|with|try)\b.*:[ \t]*(?:#.*)?$|[A-Za-z_][\w, ]*+[ \t]*[-+*/]?=[^=])",
        re.M,
    ),
    "rust": re.compile(
        r"^[ \t]*(?:pub(?:\([\w: ]+\))?[ \t]+)?(?:(?:const|unsafe)[ \t]+)*fn[ \t]+\w+[ \t]*[(<]|^[ \t]*#!?\[\w"
        r"|^[ \t]*use[ \t]+(?:std|core|crate|self|super)::|\blet[ \t]+mut\b|\bprintln!\(|^[ \t]*impl\b.*\{",
        re.M,
    ),
    "go": re.compile(
        r"^package[ \t]+\w+[ \t]*(?://.*)?$|^import[ \t]+[\"(]|^func[ \t]+(?:\([^)\n]*\)[ \t]*)?\w+[ \t]*[(\[]"
        r"|\bfmt\.(?:Print|Scan|Fprint|Fscan)",
        re.M,
    ),
}
# Where the whole program usually stands, when several fences hold code of the language.
_WHOLE = {
    "cpp": re.compile(r"\b(?:int|auto)[ \t\n]+main[ \t]*\("),
    "c": re.compile(r"\bint[ \t\n]+main[ \t]*\("),
    "python": re.compile(r"\binput\(|\bsys\.stdin\b|\bopen\(0\)"),
    "rust": re.compile(r"\bfn[ \t]+main[ \t]*\("),
    "go": re.compile(r"^func[ \t]+main[ \t]*\(", re.M),
}
_DEFINING = {"python": "def|class", "rust": "fn|struct|enum", "go": "func|type"}
_CODE_LINE = re.compile(
    r"^[ \t]+\S|^[ \t]*(?:#|//|/\*|@|[}{])|^.*[;{}][ \t]*(?://.*)?$|^(?:def|class|import|from|template)\b"
)
_PROSE_LINE = re.compile(r"^[A-Z][\w']*(?:[ ,].*)?[.:!?]$")
_SENTENCE = re.compile(r"\n[ \t]*\n(?=[A-Z][\w']*,? [a-z]\w*,? \w)")
_FENCE = re.compile(r"^[ \t]{0,8}(`{3,}|~{3,})[ \t]*([^\n`]*)$")
_THINK = re.compile(r"<(/?)think>", re.I)
_SPECIAL = re.compile(r"<\|(?:im_end|endoftext|eot_id|end_of_text)\|>|</s>\s*$")


def extract_code(completion: str, language: str, *, function: str | None = None) -> str | None:
    """The program a completion offers, or None when there is none (status `no_code`).

    1. <think> blocks are dropped, one that never closes with everything after it, and so are end-of-turn marks;
       CRLF becomes LF.
    2. Fences tagged with the language are candidates; failing those, untagged fences that look like the language;
       failing those, fences under a tag of no known meaning that do. Fences of other languages (bash, output, …)
       are ignored. A last fence that never closes (a completion cut at its length) runs to the end.
    3. Among several candidates the last one that holds a whole program (`main`, or something that reads the input)
       wins, since models correct themselves further down, but a fence cut off by the end of the completion only if no
       other holds one; with none whole, the longest.
    4. A completion that starts with code and closes a fence that it never opened: the fence is opened for it.
    5. Without any fence the completion itself counts if it looks like the language: prose before the first line of
       code is cut, and prose after it: what follows the last closing brace in languages with braces, and in Python
       what follows an empty line and reads like a sentence.
    6. Where tests call a function (`function` is its name, or "" if that is not known) an answer may also be less than
       a program: that function, or what stands inside it. Then the last fence that defines the function wins, an
       untagged fence may hold anything, and a completion without fences counts from its first line that looks like
       code, however little of it there is.
    """
    if language not in TAGS:
        return None
    text = _without_thinking(completion.replace("\r\n", "\n").replace("\r", "\n"))
    text = _SPECIAL.sub("", text)
    fences = _fences(_opened(text, language))
    if fences:
        return _choose(fences, language, function)
    if function is not None:
        return _part(text, language)
    return _bare(text, language)


def _without_thinking(text: str) -> str:
    kept, start, thinking = [], 0, False
    for mark in _THINK.finditer(text):
        if mark[1]:
            if not thinking:
                kept = []  # the template had opened the block itself: all so far was thinking
            start, thinking = mark.end(), False
        elif not thinking:
            kept.append(text[start : mark.start()])
            thinking = True
    return "".join(kept) + ("" if thinking else text[start:])


def _opened(text: str, language: str) -> str:
    """`text` with the fence that a model closed without having opened it.

    That is so if the first fence line is untagged and what stands above it begins with code, or holds a whole program
    while the number of fence lines is odd.
    """
    lines = text.split("\n")
    marks = [number for number, line in enumerate(lines) if _FENCE.match(line)]
    if not marks or _FENCE.match(lines[marks[0]])[2].strip():
        return text
    head = "\n".join(lines[: marks[0]])
    begins_with_code = _LOOKS_LIKE[language].match(head.lstrip("\n"))
    if not begins_with_code and not (len(marks) % 2 and _WHOLE[language].search(head)):
        return text
    program = _bare(head, language)
    return "\n".join([f"```{language}", program.rstrip("\n"), "```", *lines[marks[0] + 1 :]]) if program else text


def _fences(text: str) -> list[tuple[str, str, bool]]:
    """(tag, body, whether it was closed) of each fence."""
    found: list[tuple[str, str, bool]] = []
    mark, tag, body = "", "", []
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if not mark:
            if fence:
                mark, tag, body = fence[1], _tag(fence[2]), []
        elif fence and fence[1].startswith(mark) and not fence[2].strip():
            found.append((tag, "\n".join(body) + "\n", True))
            mark = ""
        elif fence and fence[1].startswith(mark) and _tag(fence[2]) in _ALL_TAGS:
            # A fence opened inside a fence: the model forgot to close the first.
            found.append((tag, "\n".join(body) + "\n", True))
            mark, tag, body = fence[1], _tag(fence[2]), []
        else:
            body.append(line)
    if mark:
        found.append((tag, "\n".join(body).rstrip("\n") + "\n", False))
    return found


def _tag(info: str) -> str:
    """The language of a fence's info string: "C++ title=x" -> "c++", "{.python}" -> "python"."""
    words = info.strip().strip("{}").split()
    return words[0].lower().lstrip(".").rstrip(":,") if words else ""


_OTHER = {
    *("bash", "sh", "shell", "console", "terminal", "text", "txt", "plaintext", "output", "input", "stdin", "stdout"),
    *("json", "yaml", "makefile", "cmake", "diff", "java", "javascript", "js", "html", "markdown", "md"),
}
_ALL_TAGS = _OTHER.union(*TAGS.values())


def _choose(fences: list[tuple[str, str, bool]], language: str, function: str | None) -> str | None:
    filled = [(tag, body, closed) for tag, body, closed in fences if body.strip()]
    looks = _LOOKS_LIKE[language]
    candidates = [(body, closed) for tag, body, closed in filled if tag in TAGS[language]]
    candidates = candidates or [(body, closed) for tag, body, closed in filled if not tag and looks.search(body)]
    candidates = candidates or [
        (body, closed) for tag, body, closed in filled if tag not in _ALL_TAGS and looks.search(body)
    ]
    if function is not None:
        candidates = candidates or [(body, closed) for tag, body, closed in filled if not tag]
    wholes = [_WHOLE[language]]
    if function:
        wholes.insert(0, _definition(function, language))
    for whole in wholes:
        holding = [(body, closed) for body, closed in candidates if whole.search(body)]
        holding = [body for body, closed in holding if closed] or [body for body, _ in holding]
        if holding:
            return holding[-1]
    return max((body for body, _ in candidates), key=len, default=None)


def _definition(function: str, language: str) -> re.Pattern[str]:
    name = re.escape(function)
    if language in _DEFINING:
        return re.compile(rf"^[ \t]*(?:\w+[ \t]+)*(?:{_DEFINING[language]})[ \t]+{name}\b", re.M)
    body = rf"{name}[ \t\n]*\([^;{{}}]{{0,2000}}\)[^;{{}}]{{0,200}}\{{"
    statement = r"(?![ \t]*(?:if|while|for|return|switch|else)\b)"
    return re.compile(rf"^{statement}[^\n(=]*\b(?:{body}|(?:class|struct)[ \t]+{name}\b)", re.M)


def _bare(text: str, language: str) -> str | None:
    first = _LOOKS_LIKE[language].search(text)
    if not first:
        return None
    start = text.rfind("\n", 0, first.start()) + 1
    # Comments and directives right above the first recognised line belong to the program.
    lines = text[:start].split("\n")[:-1]
    while lines and re.match(r"\s*(?://|/\*|\*|#|$)" if language != "python" else r"\s*(?:#|@|$)", lines[-1]):
        start -= len(lines.pop()) + 1
    return _without_prose_below(text[start:], language)


def _without_prose_below(code: str, language: str) -> str | None:
    if language != "python" and "}" in code:
        code = code[: code.rindex("}") + 1] + code[code.rindex("}") + 1 :].split("\n", 1)[0]
    if language == "python" and (prose := _SENTENCE.search(code)):
        code = code[: prose.start()]
    code = code.strip("\n")
    return code + "\n" if code.strip() else None


def _part(text: str, language: str) -> str | None:
    """A function, or the inside of one: from the first line of code to where prose begins again."""
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if _CODE_LINE.match(line)), None)
    if first is None:
        return None
    # The head of a function may take several lines, of which only the last ends like code.
    while first > 0 and lines[first - 1].strip() and not _PROSE_LINE.match(lines[first - 1].strip()):
        first -= 1
    return _without_prose_below("\n".join(lines[first:]), language)
