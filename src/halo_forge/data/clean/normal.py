"""What is left of a text when everything is taken away that a copy can change without being another text.

Prose loses case, accents, look-alike letters, invisible characters, punctuation, markup, numbers, filler words and
word endings. Programs lose comments, layout, and the names that their author chose.
"""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import unicodedata
from collections.abc import Iterable

# Letters of other alphabets that look like Latin ones: Cyrillic and Greek, the usual disguise (Unicode TR 39).
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁԛԝһкмнтвгѵαενορτυχικβγηωλ",
    "aeopcyxijsdqwhkmhtbrvaevoptuxikbynwl",
)
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_MARKUP = re.compile(r"<\|[^|\n]{1,30}\|>|</?[a-zA-Z]\w{0,10}/?>|&[a-z]{2,6};")
_ENDINGS = ("ations", "ation", "ingly", "ings", "ing", "ies", "ied", "edly", "ed", "ers", "er", "es", "ly", "s", "e")
# Words of every programming task, and those that carry no meaning of their own: a rewording changes them first.
_FILLER_WORDS = """
a about after again all also am an and any are as at be been being both but by can cannot could did do does done
each else for from get give given gives had has have having he help her here him his how i if in into is it its
itself let like made make makes may me might must my need needs no not now of off on once one only or other our out
over own please put same say shall she should so some such take takes than thank thanks that the their them then
there these they this those through to too under until up us use used uses using very want was we well were what
when where whether which while who whose will with within without would you your answer answers ask asked assert c
check code complete compute computes consider count cpp create def determine develop display example examples
expected explain find finds following function functions implement implementation implements include input inputs
method output outputs outputting print printed prints problem program programs python read reads return returned
returns show shown shows solution solve standard std stdin stdout cin cout task test tests value values write
writing written
"""
_FILLER = frozenset(_FILLER_WORDS.split())


def plain(text: str) -> str:
    """`text` without case, accents, look-alike letters and invisible characters (Unicode NFKC, then folded)."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf")).translate(_LOOKALIKES)


def words(text: str) -> list[str]:
    """Words and numbers in order, names taken apart (`maxSum`, `max_sum`): what near duplicates are compared by."""
    return _WORD.findall(plain(_HUMP.sub(" ", _MARKUP.sub(" ", text))))


def stems(text: str) -> list[str]:
    """The words that say which problem it is: no numbers, no filler, no endings."""
    return [_stem(word) for word in words(text) if word not in _FILLER and not any(c.isdigit() for c in word)]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


_CPP = """
alignas auto bool break case catch char class const constexpr continue default delete do double else enum extern
false float for friend goto if inline int long namespace new nullptr operator private protected public return short
signed sizeof static struct switch template this throw true try typedef typename union unsigned using virtual void
while cin cout endl vector string map set pair sort max min abs push_back size begin end to_string getline printf
scanf malloc free strlen
"""
_RUST = """
as async await break const continue crate else enum extern false fn for if impl in let loop match mod move mut pub
ref return self Self static struct super trait true type unsafe use where while i32 i64 u32 u64 usize f64 bool char
str String Vec Option Some None Result Ok Err println format vec
"""
_GO = """
break case chan const continue default defer else fallthrough for func go goto if import interface map package range
return select struct switch type var bool byte error float64 int int64 rune string true false nil append cap len
make new panic fmt
"""
_KEYWORDS = {
    "python": {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)},
    "cpp": set(_CPP.split()),
    "c": set(_CPP.split()),
    "rust": set(_RUST.split()),
    "go": set(_GO.split()),
}
"""Names that no author chose: the language's own, and those of its library that programs use most."""
_INCLUDE = re.compile(r"#[ \t]*include")
_HASH_COMMENT = r"#[^\n]*"
_SLASH_COMMENT = r"//[^\n]*|/\*.*?\*/|^[ \t]*#[ \t]*include[^\n]*|^[ \t]*using namespace[^\n]*|\bstd[ \t]*::"
_LITERAL = (
    r"(?P<text>(?:\b[rbfuRBFU]{1,2})?(?:\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))"
    r"|(?P<number>\b\d[\w.]*)"
)
_TOKEN = r"(?P<name>[^\W\d]\w*)|(?P<sign><<=?|>>=?|[-+*/%&|^=!<>]=|&&|\|\||\+\+|--|->|::|\*\*|//|\S)"
_LEXERS = {
    True: re.compile(f"(?P<skip>{_HASH_COMMENT})|{_LITERAL}|{_TOKEN}", re.S),
    False: re.compile(f"(?P<skip>{_SLASH_COMMENT})|{_LITERAL}|{_TOKEN}", re.S | re.M),
}
RUN = 7
NAME = "\0"
"""What a token begins with that is a name its author chose."""


def tokens(code: str, language: str) -> list[str]:
    """The tokens of a program without comments, layout and includes; names that its author chose begin with NAME.

    Never raises: what is no valid program gives the tokens it gives.
    """
    known = _KEYWORDS.get(language, _KEYWORDS["cpp"])
    found, before = [], ""
    for match in _LEXERS[language == "python"].finditer(unicodedata.normalize("NFKC", code)):
        kind, text = match.lastgroup, match.group()
        if kind == "name" and text not in known and before not in (".", "->", "::"):
            text = NAME + text  # what follows a dot is a library's name, or might be
        elif kind == "text":
            text = f'"{text.lstrip("rbfuRBFU").strip(text[-1])}"'  # either kind of quotes
        if kind != "skip" and text != ";":
            found.append(text)
            before = text
    return found


def renamed(window: Iterable[str]) -> tuple[str, ...]:
    """A run of tokens with its names replaced by the order in which they come: equal under any renaming."""
    order: dict[str, str] = {}
    return tuple(order.setdefault(t, f"{NAME}{len(order)}") if t.startswith(NAME) else t for t in window)


def program(code: str, language: str) -> frozenset[int]:
    """What a program does: its runs of RUN tokens with the author's names replaced by their order, hashed."""
    found = tokens(code, language)
    starts = range(max(1, len(found) - RUN + 1)) if found else ()
    return frozenset(hashed(renamed(found[start : start + RUN])) for start in starts)


def remarks(code: str, language: str) -> str:
    """What a program says in prose: its comments and docstrings."""
    found = []
    for match in _LEXERS[language == "python"].finditer(code):
        text = match.group()
        comment = match.lastgroup == "skip" and text.startswith(("#", "//", "/*")) and not _INCLUDE.match(text)
        if comment or match.lastgroup == "text" and text.endswith(('"""', "'''")):
            found.append(text)
    return "\n".join(found)


def hashed(parts: Iterable[str]) -> int:
    """64 bits that stand for `parts`, the same on every machine and in every process."""
    text = "\1".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
