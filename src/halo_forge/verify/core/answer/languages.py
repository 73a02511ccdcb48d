"""How the languages that are judged are told: by the tag of a fence, and by what their code looks like."""

from __future__ import annotations

import re

TAGS = {
    "cpp": {"cpp", "c++", "cc", "cxx", "hpp", "cplusplus", "g++", "c"},
    "c": {"c", "h"},
    "python": {"python", "py", "pycon", "ipython", "pypy", "sage"},
    "rust": {"rust", "rs"},
    "go": {"go", "golang"},
}
"""Fence tags without their version: `tag_of` takes it off."""
OTHER_TAGS = {
    *("bash", "sh", "shell", "console", "terminal", "text", "txt", "plaintext", "output", "input", "stdin", "stdout"),
    *("json", "yaml", "makefile", "cmake", "diff", "java", "javascript", "js", "html", "markdown", "md", "xml", "toml"),
}
KNOWN_TAGS = OTHER_TAGS.union(*TAGS.values())

LOOKS_LIKE = {
    "cpp": re.compile(r"^[ \t]*#[ \t]*include\b|\bint[ \t\n]+main[ \t]*\(|\bstd::|\busing[ \t]+namespace\b", re.M),
    "c": re.compile(r"^[ \t]*#[ \t]*include\b|\bint[ \t\n]+main[ \t]*\(", re.M),
    "python": re.compile(
        r"^[ \t]*(?:>>> )?(?:(?:async )?def \w+[(\[]|class \w+|import \w[\w., ]*$|from [\w.]+ import |@\w|print\("
        r"|sys\.stdin|(?:for|while|if|with|try)\b.*:[ \t]*(?:#.*)?$|[A-Za-z_][\w, ]*+[ \t]*[-+*/]?=[^=])",
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
WHOLE = {
    "cpp": re.compile(r"\b(?:int|auto)[ \t\n]+main[ \t]*\("),
    "c": re.compile(r"\bint[ \t\n]+main[ \t]*\("),
    "python": re.compile(r"\binput\(|\bsys\.stdin\b|\bopen\(0\)"),
    "rust": re.compile(r"\bfn[ \t]+main[ \t]*\("),
    "go": re.compile(r"^func[ \t]+main[ \t]*\(", re.M),
}
"""What a whole program holds, where one that reads its input is asked for."""

_FILE = re.compile(r"[\w./-]+\.(py|cpp|cc|cxx|hpp|c|h|rs|go)$")
_VERSIONED = re.compile(r"(?:gnu)?(c\+\+|cpp|c|python|py|ipython|pypy|rust|go)[0-9][0-9.a-z]*$")


def tag_of(info: str) -> str:
    """The language of a fence's info string, without its version.

    "C++ title=x" and "cpp17" are "c++" and "cpp", "{.python}" and "python3:main.py" are "python", "main.rs" is "rs".
    """
    words = re.split(r"[\s,;]+", info.strip().strip("{}").strip().lower(), maxsplit=1)
    word = words[0].split(":")[0].split("{")[0].strip(".\"'`*")
    word = word.removeprefix("language-").removeprefix("lang=").strip("\"'")
    if versioned := _VERSIONED.match(word):
        return versioned[1]
    named = _FILE.match(word)
    return named[1] if named else word


def language_of(tag: str, asked: str) -> str | None:
    """The language that a fence under `tag` is written in; the one asked for if the tag is empty or means it too."""
    if not tag or tag in TAGS[asked]:
        return asked
    return next((language for language, tags in TAGS.items() if tag in tags), None)
