"""The syntax tree of test code, by tree-sitter: what its nodes declare, name and are."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import tree_sitter
import tree_sitter_cpp

Node = tree_sitter.Node
NAMES = {"identifier", "type_identifier", "namespace_identifier"}
FUNCTION = "function_definition"
TYPES = {"class_specifier", "struct_specifier", "union_specifier", "enum_specifier"}
_DECLARING = {
    *("declaration", "parameter_declaration", "optional_parameter_declaration", "for_range_loop", "init_declarator"),
    *("field_declaration", "condition_declaration", "type_definition", "variadic_parameter_declaration"),
}
_DECLARATORS = {
    *("function_declarator", "pointer_declarator", "reference_declarator", "array_declarator", "init_declarator"),
    *("parenthesized_declarator", "attributed_declarator", "variadic_declarator"),
}


@functools.cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_cpp.language()))


def parse(code: bytes) -> Node:
    """The root of C or C++ code: the grammar of C++ reads what tests in C hold."""
    return _parser().parse(code).root_node


def text(node: Node | None) -> str:
    return "" if node is None else node.text.decode("utf-8", "replace")


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, in the order of the text."""
    yield node
    for child in node.children:
        yield from walk(child)


def field(node: Node, *names: str) -> Node | None:
    """What one field after the other leads to."""
    found: Node | None = node
    for name in names:
        found = found.child_by_field_name(name) if found is not None else None
    return found


def core_of(declarator: Node | None) -> Node | None:
    """The name that a declarator declares, or its structured binding."""
    while declarator is not None and declarator.type in _DECLARATORS:
        inner = declarator.child_by_field_name("declarator")
        declarator = inner or next((child for child in declarator.named_children if _declares(child)), None)
    return declarator if declarator is not None and _declares(declarator) else None


def declarators(node: Node) -> list[Node]:
    """Each declarator of a declaration."""
    return node.children_by_field_name("declarator")


def declared(node: Node) -> list[Node]:
    """The names that this node itself declares, as nodes."""
    if node.type in _DECLARING:
        found = []
        for declarator in declarators(node):
            core = core_of(declarator)
            if core is not None and core.type == "structured_binding_declarator":
                found += [child for child in core.named_children if child.type == "identifier"]
            elif core is not None:
                found.append(core)
        return found
    if node.type == FUNCTION:
        name = core_of(field(node, "declarator"))
        return [name] if name is not None else []
    if node.type in TYPES | {"alias_declaration", "enumerator", "namespace_definition", "concept_definition"}:
        name = field(node, "name")
        has_body = node.type not in TYPES or field(node, "body") is not None
        return [name] if name is not None and has_body else []
    if node.type in ("type_parameter_declaration", "variadic_type_parameter_declaration"):
        return [child for child in node.named_children if child.type == "type_identifier"]
    if node.type == "lambda_capture_initializer":
        return node.named_children[:1]
    if node.type in ("preproc_def", "preproc_function_def"):
        return [node.child_by_field_name("name")]
    return []


def function_of(declarator: Node | None) -> Node | None:
    """The function declarator inside, if what is declared is a function (or looks like one: `Stack s(n);`)."""
    while declarator is not None and declarator.type in _DECLARATORS:
        if declarator.type == "function_declarator":
            return declarator
        inner = declarator.child_by_field_name("declarator")
        declarator = inner or next((child for child in declarator.named_children if _declares(child)), None)
    return None


def is_pointer(declarator: Node | None) -> bool:
    return declarator is not None and any(one.type == "pointer_declarator" for one in walk(declarator))


def called(node: Node) -> str:
    """The plain name of what a call calls; "" where that is an expression or a member. `std::f<int>` is f."""
    function = field(node, "function")
    while function is not None and function.type in ("qualified_identifier", "template_function"):
        function = field(function, "name")
    return text(function) if function is not None and function.type == "identifier" else ""


def _declares(node: Node) -> bool:
    return node.type in _DECLARATORS | NAMES | {"field_identifier", "operator_name", "structured_binding_declarator"}
