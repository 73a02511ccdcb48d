"""The operators: what each does to a program's syntax tree. They are those of mutation testing: small slips.

After DeMillo, Lipton, Sayward, "Hints on test data selection" (1978): programmers write programs that are nearly right,
and tests that find the small faults find the larger ones too. What differs from tools such as mutmut: one set of
operators on tree-sitter's trees serves every language, and white space in strings is left alone, for comparing by words
forgives it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from halo_forge.audit.grammars import Grammar

_COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_ARITHMETIC = {"+": "-", "-": "+", "*": "+", "/": "*", "//": "*", "%": "*", "**": "*"}
_LOGIC = {"&&": "||", "||": "&&", "and": "or", "or": "and"}
_STEPS = {"++": "--", "--": "++"}
_EXTREMES = {"min": "max", "max": "min"}
_INTEGER = re.compile(r"(0[xX][0-9a-fA-F]+|\d[\d_']*)([a-zA-Z]\w*)?")
_LITERALS = ("literal", "integer", "float", "string", "true", "false", "none", "null", "nil")


class Edit(NamedTuple):
    """The bytes from `start` to `end` become `text`."""

    start: int
    end: int
    text: str


def _comparison(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """`<` for `<=`, `==` for `!=`, and the other way round."""
    if node.type in grammar.comparisons:
        yield from _swapped(node, _COMPARISONS)


def _arithmetic(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """Another operation: `-` for `+`, `+` for `*`, also in `+=`."""
    if node.type in grammar.arithmetic:
        yield from _swapped(node, _ARITHMETIC | {"%": grammar.quotient})
    if node.type in grammar.compound:
        yield from _swapped(node, {f"{old}=": f"{new}=" for old, new in _ARITHMETIC.items()})


def _constant(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """An integer, one larger or smaller."""
    if node.type in grammar.integers and (found := _INTEGER.fullmatch(_text(node))):
        digits, suffix = found[1].replace("_", "").replace("'", ""), found[2] or ""
        value = int(digits, 0) if digits[:2].lower() == "0x" else int(digits)
        yield Edit(node.start_byte, node.end_byte, f"{value + 1}{suffix}")
        yield Edit(node.start_byte, node.end_byte, f"{value - 1}{suffix}" if value else f"(-1{suffix})")


def _negation(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """`not` and `!` taken away, true for false."""
    if node.type in ("true", "false", "boolean_literal"):
        yield _over(node, grammar.false if _text(node) == grammar.true else grammar.true)
    if node.type in grammar.unary and node.children[0].type in ("!", "not"):
        yield _over(node, _text(node.children[-1]))


def _sign(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """A minus before a value taken away; `++` for `--`, but not where a loop counts: it would never end."""
    if node.type in grammar.unary and node.children[0].type == "-":
        yield _over(node, _text(node.children[-1]))
    if node.type in grammar.steps and not _counts_a_loop(node):
        yield from _swapped(node, _STEPS)


def _removal(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """A statement taken away."""
    if node.type not in grammar.statements or _counts_a_loop(node) or not node.named_children:
        return
    inner = node.named_children[0].type
    if inner.endswith(_LITERALS) or inner in (
        "if_expression",
        "for_expression",
        "while_expression",
        "match_expression",
    ):
        return  # a docstring; what Rust calls an expression
    if "return" in inner or "break" in inner or "continue" in inner:
        return
    yield _over(node, grammar.nothing)


def _result(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """`return` of an empty value; not of `main`, whose value is no result."""
    values = [child for child in node.named_children if child.type != "comment"]
    if node.type not in grammar.returns or grammar.empty is None or not values:
        return
    if _text(values[0]) in (grammar.empty, "0") or _in_main(grammar, node):
        return
    yield Edit(values[0].start_byte, values[-1].end_byte, grammar.empty)


def _bounds(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """Off by one: the end of a range, a slice or a counting loop."""
    end = None
    if node.type in grammar.calls and _called(node) == "range":
        given = node.child_by_field_name("arguments").named_children
        end = given[min(1, len(given) - 1)] if given else None
    elif node.type == "slice":
        parts = node.named_children
        end = parts[-1] if parts else None
    elif node.type == "range_expression":
        end = node.children[-1] if node.children[-1].is_named else None
    elif _ends_a_loop(node):
        end = node.child_by_field_name("right")
    if end is not None and not end.type.endswith(_LITERALS):
        for step in ("+ 1", "- 1"):
            yield Edit(end.end_byte, end.end_byte, f" {step}")


def _connective(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """`and` for `or`."""
    if node.type in grammar.logic:
        yield from _swapped(node, _LOGIC)


def _jump(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """`continue` for `break`; in a switch it may not compile, and is not counted then."""
    if node.type in grammar.breaks:
        yield _over(node.children[0], grammar.breaks[node.type])


def _condition(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """The condition of an `if` always true, or never; that of a `while` never."""
    if node.type not in grammar.ifs | grammar.whiles:
        return
    asked = _asked(node)
    if asked is None or asked.type.endswith((*_LITERALS, "declaration", "let_condition", "let_chain")):
        return
    yield _over(asked, grammar.false)
    if node.type in grammar.ifs:
        yield _over(asked, grammar.true)


def _string(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """Another text: one letter more, the next character."""
    text = _text(node)
    if node.type in grammar.strings and text.strip() and not _is_docstring(node):
        yield Edit(node.start_byte, node.start_byte, "X")
    if node.type in grammar.characters and len(text) == 1 and text.isalnum():
        yield _over(node, chr(ord(text) + 1) if text not in "zZ9" else chr(ord(text) - 1))


def _extreme(grammar: Grammar, node: Node) -> Iterator[Edit]:
    """`max` for `min`."""
    if node.type in grammar.calls and (name := _called(node)) in _EXTREMES:
        function = node.child_by_field_name("function")
        yield Edit(function.end_byte - len(name), function.end_byte, _EXTREMES[name])


OPERATORS: dict[str, Callable[[Grammar, Node], Iterator[Edit]]] = {
    "comparison": _comparison,
    "arithmetic": _arithmetic,
    "constant": _constant,
    "negation": _negation,
    "sign": _sign,
    "removal": _removal,
    "result": _result,
    "bounds": _bounds,
    "connective": _connective,
    "jump": _jump,
    "condition": _condition,
    "string": _string,
    "extreme": _extreme,
}


def edits(grammar: Grammar, root: Node) -> Iterator[tuple[str, Edit]]:
    """(operator, edit) for every place below `root` where an operator finds something to do, from top to bottom."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type in grammar.untouched or _ends_main(grammar, node):
            continue
        for name, operator in OPERATORS.items():
            for edit in operator(grammar, node):
                yield name, edit
        waiting += reversed(node.children)


def _swapped(node: Node, other: dict[str, str]) -> Iterator[Edit]:
    for child in node.children:
        if not child.is_named and child.type in other:
            yield _over(child, other[child.type])


def _over(node: Node, text: str) -> Edit:
    return Edit(node.start_byte, node.end_byte, text)


def _text(node: Node) -> str:
    return node.text.decode("utf-8", "replace")


def _called(node: Node) -> str:
    """The last name of what a call calls: `min` of `std::min(…)` and of `a.min(…)`."""
    function = node.child_by_field_name("function")
    return re.split(r"\W", _text(function))[-1] if function else ""


def _role(node: Node) -> str | None:
    """The field of its parent that a node stands in."""
    parent = node.parent
    for number, child in enumerate(parent.children):
        if child.id == node.id:
            return parent.field_name_for_child(number)
    return None


def _asked(node: Node) -> Node | None:
    """The condition of an `if` or `while`, without what encloses it."""
    asked = node.child_by_field_name("condition")
    if asked is None and node.type == "if_clause":  # Python: [… for … if asked]
        asked = node.named_children[0]
    if asked is None and node.type == "conditional_expression":  # Python: a if asked else b
        asked = node.named_children[1]
    while asked is not None and asked.type in ("condition_clause", "parenthesized_expression"):
        asked = asked.named_children[0] if len(asked.named_children) == 1 else None
    return asked


def _counts_a_loop(node: Node) -> bool:
    return node.parent is not None and node.parent.type in ("for_statement", "for_clause") and _role(node) == "update"


def _ends_a_loop(node: Node) -> bool:
    """Whether it compares a counter with where it stops."""
    inside = node.parent is not None and node.parent.type in ("for_statement", "for_clause")
    compares = node.type == "binary_expression" and node.child_by_field_name("operator").type in _COMPARISONS
    return inside and compares and _role(node) == "condition"


def _in_main(grammar: Grammar, node: Node) -> bool:
    above = node.parent
    while above is not None and above.type not in grammar.functions:
        above = above.parent
    if above is None:
        return False
    declarator = above.child_by_field_name("declarator") or above
    return _text(declarator).startswith("main(")


def _ends_main(grammar: Grammar, node: Node) -> bool:
    """`return 0;` of a main: with another value no output changes, and every test fails."""
    return node.type in grammar.returns and _in_main(grammar, node)


def _is_docstring(node: Node) -> bool:
    string = node.parent
    return string.type == "string" and string.parent is not None and string.parent.type == "expression_statement"
