"""Which side a name of test code belongs to: the answer's process, or the tests'.

The task alone says it. A name that the tests neither declare nor have from a library is the answer's. So is what the
tests make of such names: their own types built on them, their variables of such types, and those of any type that
cannot be sent from one process to the other (the compiler finds these, see recipe.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from halo_forge.verify.harness import syntax
from halo_forge.verify.harness.level import Unsplittable, Variable
from halo_forge.verify.harness.syntax import NAMES, Node, called, declared, walk

COMPARING = {"==", "!=", "<", ">", "<=", ">="}
LOGICAL = {"&&", "||", "and", "or"}
TEXTUAL = {"strcmp", "strncmp", "strcasecmp", "strncasecmp", "strlen", "strstr", "strchr"}
STREAMS = {"cout", "cerr", "clog", "cin"}
ENDING = {"assert", "exit", "_exit", "abort", "quick_exit", "_Exit"}
_PLAIN_RESULTS = {
    *("void", "bool", "char", "short", "int", "long", "unsigned", "float", "double", "long double", "long long"),
    *("unsigned int", "unsigned long", "unsigned long long", "size_t", "std::size_t", "int32_t", "int64_t", "uint64_t"),
}


class Owners:
    """What a task's test code declares, and for which side."""

    def __init__(self, code: str, language: str, *, asked: Callable[[set[str]], set[str]], remote: set[Variable]):
        """`asked` picks, of names that the tests do not declare, the answer's."""
        self._code, self._language = code.encode(), language
        self._root = syntax.parse(self._code)
        self._remote = set(remote)
        self._function = ""
        if self._root.has_error:
            bad = next(node for node in walk(self._root) if node.is_error or node.is_missing)
            raise Unsplittable(f"line {bad.start_point[0] + 1} of the tests cannot be parsed")
        self._read(asked)

    def _read(self, asked: Callable[[set[str]], set[str]]) -> None:
        self._top = list(self._top_level(self._root))
        self._functions: dict[str, Node] = {}
        self._globals: dict[str, Node] = {}
        self._prototypes: list[Node] = []
        for node in self._top:
            inner = inner_of(node)
            if inner.type == syntax.FUNCTION:
                for name in declared(inner):
                    self._functions[syntax.text(name)] = node
            elif inner.type == "declaration" and any(syntax.function_of(d) for d in syntax.declarators(inner)):
                self._prototypes.append(node)
                continue
            for one in [inner, syntax.field(inner, "type")]:
                for name in declared(one) if one is not None else []:
                    self._globals[syntax.text(name)] = node
            for enumerator in (one for one in walk(inner) if one.type == "enumerator"):
                self._globals[syntax.text(enumerator.child_by_field_name("name"))] = node
        self._locals: dict[str, dict[str, str]] = {}
        self._looked_at: dict[str, set[str]] = {}
        self._bare: dict[str, set[str]] = {}
        self._steering: dict[str, set[str]] = {}
        foreign: set[str] = set()
        for name, node in self._functions.items():
            self._locals[name] = locals_of(node)
            foreign |= self._unknown(node, self._locals[name])
        for node in self._top:
            if node not in self._functions.values() and node not in self._prototypes:
                foreign |= self._unknown(node, locals_of(node))
        for node in self._prototypes:
            foreign |= {syntax.text(name) for name in declared(inner_of(node))}
        self._asked = asked(foreign - self._globals.keys())
        self._remote_names: set[str] = set()
        self._hand_objects()
        self._find_remote_definitions()
        for name, node in self._functions.items():
            self._find_evidence(name, node)

    def _top_level(self, node: Node) -> Iterable[Node]:
        for child in node.children:
            if is_wrapper(child):
                yield from self._top_level(child)
            elif child.is_named and child.type not in ("comment", "string_literal"):
                yield child

    def _unknown(self, node: Node, locals_: dict[str, str]) -> set[str]:
        found = set()
        for one in references(node):
            name = syntax.text(one)
            if name not in locals_ and name not in self._globals:
                found.add(name)
        return found

    def _hand_objects(self) -> None:
        """Parameters of the tests' own templates that take the answer's objects live with the answer."""
        for caller, node in self._functions.items():
            self._function = caller
            objects = {
                syntax.text(name)
                for one in walk(node)
                if one.type == "declaration" and self._tainted(one.child_by_field_name("type"))
                for name in declared(one)
            }
            for call in walk(node):
                holder = self._functions.get(called(call)) if call.type == "call_expression" else None
                if holder is None or holder.type != "template_declaration":
                    continue
                kinds = {syntax.text(one) for one in template_names(holder)}
                given = call.child_by_field_name("arguments").named_children
                declarator = syntax.function_of(inner_of(holder).child_by_field_name("declarator"))
                for parameter, argument in zip(self._parameters(declarator), given, strict=False):
                    if syntax.text(argument) in objects and syntax.text(parameter.child_by_field_name("type")) in kinds:
                        self._remote |= {(called(call), syntax.text(one)) for one in declared(parameter)}
        self._function = ""

    def _find_remote_definitions(self) -> None:
        """Which of the tests' own types, variables and functions belong to the answer's side."""
        self._stepping: set[str] = set()
        changed = True
        while changed:
            changed = False
            for node in self._top:
                inner = inner_of(node)
                names = {syntax.text(one) for one in declared(inner)}
                names |= {syntax.text(one) for one in declared(inner.child_by_field_name("type") or inner)}
                names -= self._remote_names | self._stepping
                if not names or node in self._prototypes or inner.type in ("preproc_def", "preproc_function_def"):
                    continue
                self._function = next(iter(names)) if inner.type == syntax.FUNCTION else ""
                marked = any(("", name) in self._remote for name in names)
                if not (marked or names == {"main"} or self._tainted(inner)):
                    continue
                if inner.type == syntax.FUNCTION and (names == {"main"} or self._runs_here(node, inner)):
                    self._stepping |= names
                elif any(called(one) in ENDING for one in walk(inner)):
                    raise Unsplittable(f"{'/'.join(sorted(names))} asserts and is a template or a class of the tests")
                else:
                    self._remote_names |= names
                changed = True
        self._function = ""

    def _runs_here(self, node: Node, function: Node) -> bool:
        """Whether a function of the tests that needs the answer is cut, rather than moved to the other side."""
        declarator = syntax.function_of(function.child_by_field_name("declarator"))
        parameters = syntax.field(declarator, "parameters") if declarator else None
        of_answer = self._tainted(function.child_by_field_name("type")) or (
            parameters is not None and self._tainted(parameters)
        )
        returned = function.child_by_field_name("declarator")
        odd = bool(self._open_kinds(node, declarator)) or syntax.text(function.child_by_field_name("type")) == "auto"
        odd |= returned is not None and returned.type != "function_declarator"
        if parameters is not None:
            odd |= any(one.type == "placeholder_type_specifier" for one in walk(parameters))
        for parameter in self._parameters(declarator):
            if self._tainted(parameter):
                self._remote |= {(self._function, syntax.text(one)) for one in declared(parameter)}
        ends = any(called(one) in ENDING or self._compares_outside(one) for one in walk(function))
        if odd:
            return False
        return ends or not (of_answer or self._returned_remote(function))

    def _open_kinds(self, node: Node, declarator: Node | None) -> set[str]:
        """The parameters of a template that are more than the types of the answer's objects it is given."""
        here = [one for one in self._parameters(declarator) if not self._is_remote_parameter(one)]
        used = {syntax.text(name) for parameter in here for name in walk(parameter) if name.type in NAMES}
        names = {syntax.text(one) for one in template_names(node)}
        there = {syntax.text(one) for parameter in self._parameters(declarator) for one in walk(parameter)} - used
        return names - there

    def _compares_outside(self, node: Node) -> bool:
        """Whether something of the answer's is compared here with what is not: a value that the answer may not see."""
        if node.type != "binary_expression" or syntax.text(node.child_by_field_name("operator")) not in COMPARING:
            return False
        sides = [node.child_by_field_name("left"), node.child_by_field_name("right")]
        here = [side for side in sides if not self._tainted(side)]
        return len(here) == 1 and here[0].type != "null" and syntax.text(here[0]) not in ("0", "NULL", "nullptr")

    def _returned_remote(self, function: Node) -> bool:
        return syntax.text(function.child_by_field_name("type")) not in _PLAIN_RESULTS and not re.match(
            r"(std\s*::\s*)?(vector|string|map|set|pair|optional|deque|list|tuple|array|unordered_\w+)\b",
            syntax.text(function.child_by_field_name("type")),
        )

    def _find_evidence(self, name: str, function: Node) -> None:
        """Which variables the tests look at after steps, and which steer loops: these never come back changed."""
        self._function = name
        looked, bare, steering = set(), set(), set()
        for node in walk(function):
            if node.type == "binary_expression" and syntax.text(node.child_by_field_name("operator")) in COMPARING:
                if self._tainted(node):
                    continue
                for side in ("left", "right"):
                    operand = node.child_by_field_name(side)
                    if operand.type == "identifier":
                        bare.add(syntax.text(operand))
                    looked |= {syntax.text(one) for one in references(operand)}
            elif called(node) in TEXTUAL | {"memcmp", "equal", "is_sorted", "is_permutation", "count", "isnan"}:
                if not self._tainted(node):
                    looked |= {syntax.text(one) for one in references(node)}
            elif node.type == "for_range_loop" and not self._tainted(node.child_by_field_name("right")):
                looked |= {syntax.text(one) for one in references(node.child_by_field_name("right"))}
            if node.type == "for_statement":
                for part in ("initializer", "condition", "update"):
                    if (one := node.child_by_field_name(part)) is not None:
                        steering |= {syntax.text(each) for each in walk(one) if each.type in NAMES}
            elif node.type in ("while_statement", "do_statement"):
                steering |= {syntax.text(one) for one in references(node.child_by_field_name("condition"))}
        self._looked_at[name], self._bare[name], self._steering[name] = looked, bare - steering, steering
        self._function = ""

    def _parameters(self, declarator: Node | None) -> list[Node]:
        parameters = syntax.field(declarator, "parameters") if declarator is not None else None
        return [one for one in parameters.named_children if one.type.endswith("declaration")] if parameters else []

    def _is_remote_parameter(self, parameter: Node) -> bool:
        return self._tainted(parameter) or any(
            (self._function, syntax.text(one)) in self._remote for one in declared(parameter)
        )

    def _is_remote(self, node: Node) -> bool:
        name = syntax.text(node)
        if name in self._locals.get(self._function, ()):
            return (self._function, name) in self._remote
        if name in self._globals:
            return name in self._remote_names or ("", name) in self._remote
        return name in self._asked

    def _tainted(self, node: Node | None) -> bool:
        return node is not None and any(self._is_remote(one) for one in references(node))

    def _variable(self, node: Node) -> Variable | None:
        """The variable of the tests, on their side, that a name stands for."""
        name = syntax.text(node)
        local = self._locals.get(self._function, {})
        if name in local:
            found = (self._function, name) if local[name] == "variable" else None
        else:
            holder = self._globals.get(name)
            inner = inner_of(holder) if holder is not None else None
            is_variable = inner is not None and inner.type == "declaration" and name not in self._remote_names
            found = ("", name) if is_variable and name in map(syntax.text, declared(inner)) else None
        return found if found is not None and found not in self._remote else None

    def _variables(self, node: Node) -> set[Variable]:
        found = {self._variable(one) for one in walk(node) if one.type in NAMES}
        return {variable for variable in found if variable is not None}

    def _is_object(self, node: Node | None) -> bool:
        """Whether an expression is an object of a type that the tests name and the answer defines."""
        if node is None:
            return False
        if node.type in ("parenthesized_expression", "unary_expression"):
            return any(self._is_object(child) for child in node.named_children)
        if node.type == "binary_expression":
            sides = [node.child_by_field_name("left"), node.child_by_field_name("right")]
            operator = syntax.text(node.child_by_field_name("operator"))
            return operator not in COMPARING | LOGICAL and any(map(self._is_object, sides))
        if node.type == "identifier":
            return (self._function, syntax.text(node)) in self._objects or ("", syntax.text(node)) in self._objects
        if node.type == "call_expression":
            return called(node) in self._type_names
        if node.type == "compound_literal_expression":
            return self._tainted(node.child_by_field_name("type"))
        return False

    def _is_asked(self, node: Node) -> bool:
        return syntax.text(node) in self._asked | self._remote_names


def is_wrapper(node: Node) -> bool:
    """Whether what it holds is the outer level too: `extern "C" { … }` and a namespace without a name."""
    nameless = node.type == "namespace_definition" and node.child_by_field_name("name") is None
    return nameless or node.type in ("linkage_specification", "declaration_list")


def inner_of(node: Node) -> Node:
    """The definition inside of `template <…>`."""
    while node.type == "template_declaration":
        node = node.named_children[-1]
    return node


def template_names(node: Node) -> list[Node]:
    parameters = node.child_by_field_name("parameters") if node.type == "template_declaration" else None
    return [one for child in (parameters.named_children if parameters else []) for one in declared(child)]


def locals_of(node: Node) -> dict[str, str]:
    """What a function or lambda declares inside, parameters too: name -> variable or type."""
    found: dict[str, str] = {}
    own = {one.id for one in declared(inner_of(node))}
    for one in walk(node):
        for name in declared(one):
            if name.id in own or name.type == "field_identifier":
                continue
            is_type = one.type in syntax.TYPES | {"alias_declaration", "type_definition", "enumerator"}
            is_type |= one.type.endswith("type_parameter_declaration") or one.type == syntax.FUNCTION
            found[syntax.text(name)] = "type" if is_type else "variable"
    return found


def references(node: Node) -> Iterable[Node]:
    """The names that are used, without members of namespace std."""
    if node.type == "qualified_identifier" and syntax.text(node).lstrip(":").startswith("std"):
        # Template arguments may be anybody's.
        for one in walk(node):
            if one.type == "template_argument_list":
                yield from references(one)
            elif one.type == "identifier" and syntax.text(one) in STREAMS:
                yield one
        return
    if node.type in NAMES:
        yield node
        return
    if node.type in ("attribute_declaration", "attribute_specifier", "preproc_call"):
        return
    for child in node.children:
        yield from references(child)
