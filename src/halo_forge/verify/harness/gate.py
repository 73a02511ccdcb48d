"""What an answer may not hold where the tests run in its process: `refuse` says what, in words for the verdict.

Each rule keeps a class of tricks away from the test code that is compiled below the answer:
- text: nothing of it swallows what follows (tokens.scan and join see to comments, conditionals and braces);
- files: it includes standard headers by their name, so not itself and not the tests, and holds no assembly;
- macros: those it leaves are undone below it, which pragmas and pasted words would escape;
- namespace std: it adds nothing but specialisations for types of its own, so std means to the tests what it should;
- operators: its types may compare as they like, unless the tests are handed one that they do not name (operators.py);
- symbols, after compiling: it defines no function of the libraries that the tests rely on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from halo_forge.verify.harness import operators
from halo_forge.verify.harness.declarations import Item, close, close_angle
from halo_forge.verify.harness.join import Joined
from halo_forge.verify.harness.tokens import Token, directive, words

_DIRECTIVES = {
    *("define", "undef", "include", "if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif"),
    *("error", "warning", "pragma"),
}
_HEADER = re.compile(r"[<\"][A-Za-z_][\w+-]*(?:/[A-Za-z_][\w+-]*)*(?:\.h)?(?:pp)?[>\"]")
_HARMLESS_PRAGMAS = re.compile(
    r"once|(?:omp|region|endregion|comment|warning)\b.*|clang\s+(?:diagnostic|loop|optimize)\b.*"
    r"|GCC\s+(?:optimize|target|diagnostic|ivdep|unroll|push_options|pop_options|reset_options)\b.*",
    re.S,
)
_FORBIDDEN = re.compile(
    r"asm|__asm|__asm__|ifunc|__ifunc__|_Pragma|__pragma|__FILE__|__BASE_FILE__|__INCLUDE_LEVEL__|__COUNTER__"
    r"|__builtin_(?:return_address|frame_address|longjmp|setjmp|eh_return|apply\w*|extract_return_addr|unwind_init)"
)
_SECTION = {"section", "__section__"}
_LONGEST = 50
_STD = {"std", "__gnu_cxx", "__cxxabiv1"}
_STD_SYMBOL = re.compile(r"_ZN?K?S[tabsiod]|_ZN?K?9__gnu_cxx|_ZN?K?10__cxxabiv1")
_FOR_OWN_TYPES = {"hash", "less", "greater", "equal_to", "tuple_size", "tuple_element", "numeric_limits"}
"""What of std may be specialised; `hash` for any type: what it returns decides no comparison."""


def refuse(joined: Joined, tests: Sequence[Token], language: str) -> str | None:
    """Why this answer cannot be tested in its own process; None if it can."""
    everything = [*joined.included, *joined.tokens]
    if _names_a_section(everything):
        return "a section of its own, which may be run before the program"
    for word in sorted(words(everything)):
        if _FORBIDDEN.fullmatch(word):
            return word
    return _directives(everything) or (_cpp(joined, tests) if language == "cpp" else None)


def symbol(defined: Iterable[str], library: set[str], tests: set[str], language: str, asked: str) -> str | None:
    """The first symbol of an object file that belongs to a library, so that an answer may not define it.

    C has no namespaces, and an honest helper may be called `select`: there only what the tests use is guarded.
    """
    for name in sorted(set(defined) - {asked}):
        if language == "cpp" and _STD_SYMBOL.match(name):
            return name
        if name in library and (language == "cpp" or name in tests or name.startswith("_")):
            return name
    return None


def _names_a_section(tokens: Sequence[Token]) -> bool:
    """Whatever its name: that can be spelled in many ways."""
    if _SECTION & words([token for token in tokens if token.kind == "directive"]):
        return True
    texts = [(token.text, token.kind) for token in tokens]
    return any(
        text in _SECTION and following[0] == "(" and argument[1] == "string"
        for (text, _), following, argument in zip(texts, texts[1:], texts[2:], strict=False)
    )


def _directives(tokens: Iterable[Token]) -> str | None:
    changed = False
    for token in tokens:
        if token.kind != "directive":
            continue
        name, rest = directive(token)
        if name and name not in _DIRECTIVES:
            return f"#{name}"
        if name == "define" and re.search(r"##|%:%:", rest):
            return "a macro that pastes words together (##)"
        if name == "define" and (word := re.search(r"\b(?:namespace|operator|template)\b", rest)):
            return f"a macro that holds {word[0]!r}"
        if name == "pragma" and not _HARMLESS_PRAGMAS.fullmatch(rest):
            return f"#pragma {rest}"
        if name == "include" and not _HEADER.fullmatch(rest):
            return f"#include {rest}"
        if name == "include" and changed:
            return f"#include {rest} below a macro and inside a conditional"
        changed |= name in ("define", "undef")
    return None


def _cpp(joined: Joined, tests: Sequence[Token]) -> str | None:
    tokens = [token for token in joined.tokens if token.kind != "directive"]
    macros = set(joined.macros)
    own = operators.own_types(tokens)
    for at, token in enumerate(tokens):
        if token.text == "namespace" and token.kind == "word" and (at == 0 or tokens[at - 1].text != "using"):
            opening = at + 1
            while opening < min(len(tokens), at + _LONGEST) and tokens[opening].text not in ("{", "=", ";"):
                opening += 1
            named = {name.text for name in tokens[at:opening]}
            if named & macros:
                return "a namespace named by a macro"
            if named & _STD and not _only_specialisations(tokens, opening, own):
                return "additions to namespace std"
    for item in joined.items:
        texts = item.words
        if texts[:3] == ("template", "<", ">") and macros & set(texts[3 : item.name_at + 1]):
            return "a specialisation named by a macro"
        if item.kind == "type" and item.name in _STD:
            if not _specialisation(item.tokens, item.name_at + 2, own):
                return "additions to namespace std"
        elif item.name_at >= 2 and texts[item.name_at - 1] == "::" and _qualified_by(item) in _STD:
            return "additions to namespace std"
    return operators.handed_to_tests(joined.tokens, words(tests))


def _qualified_by(item: Item) -> str:
    """The outermost namespace in front of an item's name: std of `std::chrono::x`."""
    at = item.name_at
    while at >= 2 and item.tokens[at - 1].text == "::":
        at -= 2
    return item.tokens[at].text


def _only_specialisations(tokens: Sequence[Token], opening: int, own: set[str]) -> bool:
    if opening >= len(tokens) or tokens[opening].text != "{":
        return False
    inside = tokens[opening + 1 : close(tokens, opening)]
    at = 0
    while at < len(inside):
        if inside[at].text == ";":
            at += 1
            continue
        keyword = close_angle(inside, at + 1) + 1
        if inside[at].text != "template" or keyword >= len(inside) or inside[keyword].text not in ("struct", "class"):
            return False
        if not _specialisation(inside, keyword + 1, own):
            return False
        while at < len(inside) and inside[at].text not in ("{", ";"):
            at += 1
        at = close(inside, at) + 1 if at < len(inside) and inside[at].text == "{" else at
    return True


def _specialisation(tokens: Sequence[Token], name: int, own: set[str]) -> bool:
    """Whether `name<…>`, at this place, is something of std that an answer may specialise for these arguments."""
    if name + 1 >= len(tokens) or tokens[name + 1].text != "<" or tokens[name].text not in _FOR_OWN_TYPES:
        return False
    arguments = {token.text for token in tokens[name + 2 : close_angle(tokens, name + 1)]}
    return tokens[name].text == "hash" or bool(arguments & own)
