"""How the languages spell what the operators look for: names of syntax nodes in the tree-sitter grammars."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass, field

from tree_sitter import Language, Node, Parser


@dataclass(frozen=True)
class Grammar:
    """One language. The names are node types of its grammar; an operator whose nodes are not named does nothing."""

    module: str
    """The package that brings the grammar."""
    comparisons: frozenset[str] = frozenset({"binary_expression"})
    arithmetic: frozenset[str] = frozenset({"binary_expression"})
    compound: frozenset[str] = frozenset({"assignment_expression"})
    """Assignments that calculate, `+=`."""
    integers: frozenset[str] = frozenset({"number_literal"})
    strings: frozenset[str] = frozenset({"string_content"})
    characters: frozenset[str] = frozenset({"character"})
    logic: frozenset[str] = frozenset({"binary_expression"})
    unary: frozenset[str] = frozenset({"unary_expression"})
    steps: frozenset[str] = frozenset({"update_expression"})
    """`++` and `--`."""
    statements: frozenset[str] = frozenset({"expression_statement"})
    """Those that can be taken away."""
    returns: frozenset[str] = frozenset({"return_statement"})
    breaks: dict[str, str] = field(
        default_factory=lambda: {"break_statement": "continue", "continue_statement": "break"}
    )
    ifs: frozenset[str] = frozenset({"if_statement", "conditional_expression"})
    whiles: frozenset[str] = frozenset({"while_statement"})
    calls: frozenset[str] = frozenset({"call_expression"})
    functions: frozenset[str] = frozenset({"function_definition"})
    true: str = "true"
    false: str = "false"
    quotient: str = "/"
    """Division of integers."""
    nothing: str = ";"
    """A statement that does nothing."""
    empty: str | None = None
    """What a function returns that returns nothing of use; None where no one value fits."""
    untouched: frozenset[str] = frozenset()
    """Nodes in which nothing is changed: it would not compile, or could not matter."""


GRAMMARS = {
    "python": Grammar(
        module="tree_sitter_python",
        comparisons=frozenset({"comparison_operator"}),
        arithmetic=frozenset({"binary_operator"}),
        compound=frozenset({"augmented_assignment"}),
        integers=frozenset({"integer"}),
        characters=frozenset(),
        logic=frozenset({"boolean_operator"}),
        unary=frozenset({"unary_operator", "not_operator"}),
        steps=frozenset(),
        ifs=frozenset({"if_statement", "elif_clause", "conditional_expression", "if_clause"}),
        calls=frozenset({"call"}),
        true="True",
        false="False",
        quotient="//",
        nothing="pass",
        empty="None",
        untouched=frozenset({"import_statement", "import_from_statement", "type", "decorator"}),
    ),
    "cpp": Grammar(
        module="tree_sitter_cpp",
        empty="{}",
        untouched=frozenset({"preproc_include", "array_declarator", "template_argument_list", "case_label"}),
    ),
    "c": Grammar(
        module="tree_sitter_c",
        true="1",
        false="0",
        empty="0",
        untouched=frozenset({"preproc_include", "array_declarator"}),
    ),
    "rust": Grammar(
        module="tree_sitter_rust",
        compound=frozenset({"compound_assignment_expr"}),
        integers=frozenset({"integer_literal"}),
        characters=frozenset(),
        steps=frozenset(),
        returns=frozenset({"return_expression"}),
        breaks={"break_expression": "continue", "continue_expression": "break"},
        ifs=frozenset({"if_expression"}),
        whiles=frozenset({"while_expression"}),
        functions=frozenset({"function_item"}),
        empty="Default::default()",
        untouched=frozenset(
            {"use_declaration", "attribute_item", "array_type", "type_arguments", "tuple_struct_pattern"}
        ),
    ),
    "go": Grammar(
        module="tree_sitter_go",
        compound=frozenset({"assignment_statement"}),
        integers=frozenset({"int_literal"}),
        strings=frozenset({"interpreted_string_literal_content"}),
        characters=frozenset(),
        steps=frozenset({"inc_statement", "dec_statement"}),
        statements=frozenset({"expression_statement", "assignment_statement", "inc_statement", "dec_statement"}),
        ifs=frozenset({"if_statement"}),
        whiles=frozenset(),
        functions=frozenset({"function_declaration"}),
        nothing="",
        untouched=frozenset({"import_declaration", "package_clause", "array_type"}),
    ),
}


@functools.cache
def _parser(module: str) -> Parser:
    return Parser(Language(importlib.import_module(module).language()))


def parse(grammar: Grammar, source: bytes) -> Node:
    """The root of the syntax tree; nodes of type ERROR stand where the source is wrong."""
    return _parser(grammar.module).parse(source).root_node
