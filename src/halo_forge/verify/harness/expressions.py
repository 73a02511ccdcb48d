"""Expressions of test code as the tests' side has them: what is the answer's to say is a step, the rest stays."""

from __future__ import annotations

import json
from collections.abc import Callable

from halo_forge.verify.harness import syntax
from halo_forge.verify.harness.level import Step, Unsplittable, Variable
from halo_forge.verify.harness.owners import COMPARING, LOGICAL, STREAMS, TEXTUAL, inner_of, template_names
from halo_forge.verify.harness.steps import Steps
from halo_forge.verify.harness.syntax import Node, called, walk

_ARITHMETIC = {"+", "-", "*", "%", "&", "|", "^"}
_NUMERIC = {
    *("fabs", "fabsf", "fabsl", "abs", "labs", "llabs", "sqrt", "sqrtf", "cbrt", "pow", "floor", "ceil", "round"),
    *("trunc", "fmod", "isnan", "isinf", "isfinite", "signbit"),
}
_ALGORITHMS = {"equal", "is_permutation"}
_PRINTING = {"printf", "fprintf", "puts", "fputs", "putchar", "print", "println", "fflush"}


class Expressions(Steps):
    """Cuts expressions. What they compare with, and what they assert, never leaves the tests' side."""

    def __init__(
        self,
        code: str,
        language: str,
        *,
        asked: Callable[[set[str]], set[str]],
        remote: set[Variable],
        whole: set[int],
    ):
        """`whole` are comparisons that the answer's process must make, by where they stand."""
        super().__init__(code, language, asked=asked, remote=remote)
        self._whole = whole
        self._compares: dict[int, int] = {}
        self._becomes: dict[int, Variable] = {}
        self._assertions, self._must, self._loops = 0, [], 0
        self._lambdas_here: set[Variable] = set()

    def _is_leaf(self, node: Node) -> bool:
        """Whether an expression of the answer's is one step as a whole."""
        while node.type == "parenthesized_expression":
            node = node.named_children[0]
        if node.type == "binary_expression":
            operator = syntax.text(node.child_by_field_name("operator"))
            sides = [node.child_by_field_name("left"), node.child_by_field_name("right")]
            if operator in LOGICAL | COMPARING:
                return False
            return operator not in _ARITHMETIC or all(map(self._tainted, sides)) or any(map(self._is_object, sides))
        if node.type == "unary_expression":
            return syntax.text(node.child_by_field_name("operator")) not in ("!", "not")
        if node.type == "call_expression":
            return not self._is_call_here(node)
        return node.type not in ("lambda_expression", "comma_expression")

    def _is_call_here(self, node: Node) -> bool:
        name, function = called(node), node.child_by_field_name("function")
        if function.type == "lambda_expression":
            return True
        if name in self._stepping | _NUMERIC | TEXTUAL | {"assert", "memcmp"} and not self._asks(name):
            return True
        return self._is_test_function(name) or self._is_lambda_here(name)

    def _asks(self, name: str) -> bool:
        return name in self._asked and name not in self._globals

    def _is_test_function(self, name: str) -> bool:
        return name in self._functions and name not in self._remote_names

    def _is_lambda_here(self, name: str) -> bool:
        return (self._function, name) in self._lambdas_here

    def _expression(self, node: Node, want: str) -> str:
        """An expression as the tests' side has it; `want` is value, bool or void."""
        if not self._tainted(node):
            if node.type == "call_expression" and called(node) == "assert":
                return self._assertion(node)
            if any(called(one) == "assert" for one in walk(node)):
                return self._splice(node, lambda child: self._expression_or_text(child))
            return syntax.text(node)
        kind = node.type
        if kind == "parenthesized_expression":
            return f"({self._expression(node.named_children[0], want)})"
        if kind == "unary_expression" and syntax.text(node.child_by_field_name("operator")) in ("!", "not"):
            return f"!({self._expression(node.child_by_field_name('argument'), 'bool')})"
        if kind == "binary_expression":
            return self._binary(node, want)
        if kind == "call_expression":
            return self._call(node, want)
        if kind == "lambda_expression":
            return self._lambda(node)
        if kind == "comma_expression":
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            return f"{self._expression(left, 'void')}, {self._expression(right, want)}"
        if kind == "conditional_expression":
            condition, yes, no = (
                node.child_by_field_name(part) for part in ("condition", "consequence", "alternative")
            )
            if not self._tainted(yes) and not self._tainted(no):
                return f"({self._expression(condition, 'bool')} ? {syntax.text(yes)} : {syntax.text(no)})"
        if kind == "assignment_expression":
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            operator = syntax.text(node.child_by_field_name("operator"))
            if not self._tainted(left) and right.type != "initializer_list":
                number, text = len(self._names), self._expression(right, "value")
                if number < len(self._names):
                    text = f"halo_wire::as<{number}, std::decay_t<decltype({syntax.text(left)})>>({text})"
                    for variable in sorted(self._variables(left)):
                        self._becomes[number] = variable
                return f"{syntax.text(left)} {operator} {text}"
        return self._leaf(node, want)

    def _expression_or_text(self, node: Node) -> str:
        return self._expression(node, "value") if node.is_named else syntax.text(node)

    def _binary(self, node: Node, want: str) -> str:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = syntax.text(node.child_by_field_name("operator"))
        if operator in LOGICAL:
            return f"{self._expression(left, 'bool')} {operator} {self._expression(right, 'bool')}"
        if want == "void" and operator == "<<" and _leftmost(node) in STREAMS and not self._asks(_leftmost(node)):
            return self._discarded(node)
        both = self._tainted(left) and self._tainted(right)
        objects, whole = self._is_object(left) or self._is_object(right), node.start_byte in self._whole
        if objects and operator in ("==", "!=") and not both and self._language == "cpp" and not whole:
            return self._told_apart(node, left, operator, right)
        if objects or whole:
            return self._leaf(node, "bool" if operator in COMPARING else want)
        if operator in COMPARING and both:
            return self._compared_pair(left, operator, right)
        if operator in COMPARING:
            number = len(self._names)
            sides = []
            for side in (left, right):
                if self._tainted(side):
                    sides.append(self._expression(side, "value"))
                else:
                    sides.append("")
            if number == len(self._names):
                raise Unsplittable(f"line {node.start_point[0] + 1} of the tests")
            self._compares[number] = node.start_byte
            for at, side in enumerate((left, right)):
                if not self._tainted(side):
                    listed = side.type == "initializer_list"
                    sides[at] = syntax.text(side) if listed else f"halo_wire::against<{number}>({syntax.text(side)})"
            return f"{sides[0]} {operator} {sides[1]}"
        if operator in _ARITHMETIC and not both:
            return f"({self._expression(left, 'value')} {operator} {self._expression(right, 'value')})"
        return self._leaf(node, want)

    def _told_apart(self, node: Node, left: Node, operator: str, right: Node) -> str:
        """The answer's own operator is asked about a plain value, among others that it must not be equal to."""
        number = self._number(syntax.text(node))
        step = Step(number, discarded=False, kept=False)
        plain = right if self._tainted(left) else left
        step.captures.append(("in", "halo_x"))
        step.named.append(f"halo_u{number}_0")
        step.declared.append(f"⟦{number}:0:held:halo_u{number}_0⟧")
        sides = [self._answer(side, step) if self._tainted(side) else f"halo_u{number}_0" for side in (left, right)]
        self._case(step, f"{self._put}(static_cast<bool>({sides[0]} {operator} {sides[1]}));")
        self._compares[number] = node.start_byte
        ask = f"[&](const auto &halo_x) {{ return halo_wire::step<{number}>({step.arguments}); }}"
        return (
            f"halo_wire::told_apart<{number}>({syntax.text(plain)}, {'true' if operator == '==' else 'false'}, {ask})"
        )

    def _compared_pair(self, left: Node, operator: str, right: Node) -> str:
        if not self._is_leaf(left) or not self._is_leaf(right):
            return f"{self._expression(left, 'value')} {operator} {self._expression(right, 'value')}"
        number = self._number(syntax.text(left.parent))
        step = Step(number, discarded=False, kept=False)
        sides = [self._answer(side, step) for side in (left, right)]
        compare = f"[](auto &a, auto &b) {{ return a {operator} b; }}"
        if self._language == "c":
            self._case(step, f"halo_both({sides[0]}, {sides[1]});")
        else:
            self._case(step, f"halo_steps::put_both({sides[0]}, {sides[1]}, {compare});")
        here = f"[](const halo_wire::Value &a, const halo_wire::Value &b) {{ return a {operator} b; }}"
        return f"halo_wire::both(halo_wire::step<{number}>({step.arguments}), {here})"

    def _call(self, node: Node, want: str) -> str:
        name, function = called(node), node.child_by_field_name("function")
        arguments = [one for one in node.child_by_field_name("arguments").named_children if one.type != "comment"]
        if name == "assert":
            return self._assertion(node)
        if want == "void" and name in _PRINTING and not self._asks(name):
            return self._discarded(node)
        if self._asks(name):
            return self._leaf(node, want)
        if name in self._stepping:
            return self._call_cut(node, name, arguments)
        if name == "memcmp" and len(arguments) == 3:
            return self._memcmp(arguments)
        if name in _ALGORITHMS and (ranges := self._range_of_answer(arguments)) is not None:
            return self._algorithm(function, ranges, arguments)
        if name in _NUMERIC:
            return f"{syntax.text(function)}({', '.join(self._wrapped('number', one) for one in arguments)})"
        if name in TEXTUAL:
            return f"{syntax.text(function)}({', '.join(self._wrapped('text', one) for one in arguments)})"
        if function.type == "lambda_expression":
            inside = ", ".join(self._expression(one, "value") for one in arguments)
            return f"{self._lambda(function)}({inside})"
        if self._is_test_function(name):
            return self._call_helper(node, name, arguments)
        if self._is_lambda_here(name):
            return f"{name}({', '.join(self._expression(one, 'value') for one in arguments)})"
        return self._leaf(node, want)

    def _range_of_answer(self, arguments: list[Node]) -> Node | None:
        """What `x.begin(), x.end()` in front of arguments of the tests' own are of, if that is the answer's."""
        if len(arguments) < 3 or any(map(self._tainted, arguments[2:])):
            return None
        owners = []
        for argument, member in zip(arguments[:2], ("begin", "end"), strict=True):
            function = syntax.field(argument, "function") if argument.type == "call_expression" else None
            if function is None or syntax.text(syntax.field(function, "field")).lstrip("c") != member:
                return None
            owners.append(function.child_by_field_name("argument"))
        return owners[0] if syntax.text(owners[0]) == syntax.text(owners[1]) and self._tainted(owners[0]) else None

    def _algorithm(self, function: Node, items: Node, arguments: list[Node]) -> str:
        """A comparison of ranges is made here, with items of the type that the tests' range has."""
        value = self._expression(items, "value")
        other = ", ".join(syntax.text(one) for one in arguments[2:])
        kind = f"std::vector<std::decay_t<decltype(*({syntax.text(arguments[2])}))>>"
        return (
            f"[&](const auto &halo_x) {{ return {syntax.text(function)}(halo_x.begin(), halo_x.end(), {other}); }}"
            f"({value}.template as<{kind}>())"
        )

    def _wrapped(self, how: str, argument: Node) -> str:
        text = self._expression(argument, "value")
        return f"halo_wire::{how}({text})" if self._tainted(argument) else text

    def _call_helper(self, node: Node, name: str, arguments: list[Node]) -> str:
        """A function of the tests that knows nothing of the answer, called with what the answer gives."""
        holder = self._functions[name]
        parameters = self._parameters(syntax.function_of(inner_of(holder).child_by_field_name("declarator")))
        kinds = [syntax.text(one.child_by_field_name("type")) for one in parameters]
        template = {syntax.text(one) for child in [holder] for one in template_names(child)}
        texts = []
        for at, argument in enumerate(arguments):
            text = self._expression(argument, "value")
            if self._tainted(argument) and at < len(kinds) and kinds[at] in template:
                same = [
                    other
                    for number, other in enumerate(arguments)
                    if number < len(kinds) and kinds[number] == kinds[at] and not self._tainted(other)
                ]
                if same:
                    number = len(self._names) - 1
                    text = f"halo_wire::as<{number}, halo_wire::Kept<decltype({syntax.text(same[0])})>>({text})"
            texts.append(text)
        return f"{syntax.text(node.child_by_field_name('function'))}({', '.join(texts)})"

    def _call_cut(self, node: Node, name: str, arguments: list[Node]) -> str:
        declarator = syntax.function_of(inner_of(self._functions[name]).child_by_field_name("declarator"))
        outer, self._function = self._function, name
        remote = [self._is_remote_parameter(one) for one in self._parameters(declarator)]
        self._function = outer
        here, there = [], []
        number = self._number(syntax.text(node)) if any(remote) else 0
        step = Step(number, discarded=True, kept=True, gives_back=False)
        for at, argument in enumerate(arguments):
            if at < len(remote) and remote[at]:
                there.append(self._answer(argument, step))
            else:
                here.append(self._expression(argument, "value"))
        call = f"{name}({', '.join(here)})"
        if not any(remote):
            return call
        self._note(step)
        twin = f"{''.join(step.declared)}halo_twin_{name}({', '.join(there)});"
        self._level.cases.append(f"case {number}: {self._guarded(twin)} break;\n")
        captures = "".join(f", {one}" for one in [step.arguments] if one)
        return f"halo_wire::within<{number}>([&] {{ return {call}; }}{captures})"

    def _memcmp(self, arguments: list[Node]) -> str:
        texts = []
        for pointer in arguments[:2]:
            if not self._tainted(pointer):
                texts.append(syntax.text(pointer))
                continue
            number = self._number(syntax.text(pointer))
            step = Step(number, discarded=False, kept=False)
            start, size = self._answer(pointer, step), self._answer(arguments[2], step)
            put = "halo_steps::put_bytes" if self._language == "cpp" else "halo_bytes"
            self._case(step, f"{put}({start}, {size});")
            texts.append(f"halo_wire::bytes(halo_wire::step<{number}>({step.arguments}))")
        return f"memcmp({', '.join(texts)}, {self._expression(arguments[2], 'value')})"

    def _discarded(self, node: Node) -> str:
        """What is printed decides nothing: only what the answer is asked on the way is kept."""
        if node.type == "binary_expression":
            parts = _operands(node)
        else:
            parts = node.child_by_field_name("arguments").named_children
        texts = [f"(void)({self._expression(part, 'value')})" for part in parts if self._tainted(part)]
        return f"({', '.join(texts)})"

    def _assertion(self, node: Node) -> str:
        arguments = node.child_by_field_name("arguments")
        inside = [one for one in arguments.named_children if one.type != "comment"]
        number, self._assertions = self._assertions, self._assertions + 1
        if self._loops:
            self._must.append(number)
        conditions = ", ".join(self._expression(one, "bool") for one in inside)
        shown = json.dumps(syntax.text(arguments)[1:-1].strip(), ensure_ascii=False)
        line = node.start_point[0] + 1
        return f"(({conditions}) ? (void)halo_wire::held({number}) : halo_wire::failed({shown}, {line}))"

    def _lambda(self, node: Node) -> str:
        """A lambda of the tests that asks the answer: it stays here, its steps are those of the scope around it."""
        declarator = node.child_by_field_name("declarator")
        if declarator is not None and self._tainted(declarator):
            raise Unsplittable("a lambda that takes what the answer defines")
        body = node.child_by_field_name("body")
        return f"{self._code[node.start_byte : body.start_byte].decode()}{self._block(body)}"

    def _block(self, node: Node) -> str:
        raise NotImplementedError


def _leftmost(node: Node) -> str:
    while node.type == "binary_expression":
        node = node.child_by_field_name("left")
    return syntax.text(node).split("::")[-1].strip()


def _operands(node: Node) -> list[Node]:
    found = []
    while node.type == "binary_expression":
        found.append(node.child_by_field_name("right"))
        node = node.child_by_field_name("left")
    return [*reversed([*found, node])]
