"""Steps in the making: an expression of the tests as the answer's process has it, and what it takes of the tests'."""

from __future__ import annotations

import re
from collections.abc import Callable

from halo_forge.verify.harness import syntax
from halo_forge.verify.harness.level import Again, Level, Step, Unsplittable, Variable
from halo_forge.verify.harness.owners import ENDING, Owners, locals_of
from halo_forge.verify.harness.syntax import NAMES, Node, called, declared, walk

_UNITS = {
    *("identifier", "field_expression", "subscript_expression", "call_expression", "binary_expression"),
    *("unary_expression", "pointer_expression", "parenthesized_expression", "conditional_expression"),
    *("sizeof_expression", "cast_expression", "compound_literal_expression", "update_expression", "type_identifier"),
}


class Steps(Owners):
    """Numbers the steps, writes their cases into the scope that they belong to, and their calls for the tests' side."""

    def __init__(self, code: str, language: str, *, asked: Callable[[set[str]], set[str]], remote: set[Variable]):
        super().__init__(code, language, asked=asked, remote=remote)
        self._names, self._levels = [""], 0
        self._captured: dict[tuple[int, int], set[Variable]] = {}
        self._mentioned: set[str] = set()
        self._opened: list[list[tuple[Level, Callable[[Level], str]]]] = []
        self._level = self._new_level(None)

    def _leaf(self, node: Node, want: str) -> str:
        """One step: the whole expression is the answer's to say."""
        if any(called(one) in ENDING for one in walk(node)):
            raise Unsplittable(f"an assertion inside of what the answer is given, line {node.start_point[0] + 1}")
        number = self._number(syntax.text(node))
        step = Step(number, discarded=want == "void", kept=node.type == "new_expression")
        text = self._answer(node, step)
        if want == "void":
            self._case(step, f"(void)({text});")
        elif want == "bool":
            yes = f"static_cast<bool>({text})" if self._language == "cpp" else f"(_Bool)({text})"
            self._case(step, f"{self._put}({yes});")
        else:
            self._case(step, f"{self._put}({text});" if self._language == "c" else f"{self._put}(({text}));")
        return f"halo_wire::step<{number}>({step.arguments})"

    def _case(self, step: Step, action: str) -> None:
        self._note(step)
        text = f"{''.join(step.declared)}halo_begin(); {action} halo_insert(1); {''.join(step.backs)}halo_reply();"
        self._level.cases.append(f"case {step.number}: {self._guarded(text)} break;\n")

    def _guarded(self, text: str) -> str:
        return f"{{ {text} }}" if self._language == "c" else f"try {{ {text} }} catch (...) {{ halo_caught(); }}"

    def _note(self, step: Step) -> None:
        for at, (_, text) in enumerate(step.captures):
            names = set(re.findall(r"[^\W\d]\w*", text))
            known = self._locals.get(self._function, {})
            self._captured[step.number, at] = {
                (self._function, name) if name in known else ("", name)
                for name in names
                if known.get(name) == "variable" or (name not in known and name in self._globals)
            }

    def _number(self, text: str) -> int:
        self._names.append(" ".join(text.split())[:80])
        return len(self._names) - 1

    def _answer(self, node: Node, step: Step, *, direct: bool = False, way: str = "in") -> str:
        """`direct`: what is made here may keep the address of what it is given."""
        if node.type in NAMES:
            if syntax.text(node) in step.hidden:
                return syntax.text(node)
            variable = self._variable(node)
            if variable is None:
                self._mention(node)
                return syntax.text(node)
            if direct:
                raise Again([variable])
            return step.unit(syntax.text(node), self._way(variable, step, way))
        if node.type == "lambda_expression":
            hidden = step.hidden
            step.hidden = hidden | frozenset(locals_of(node))
            text = self._splice(node, lambda child: self._answer(child, step))
            step.hidden = hidden
            return text
        if node.type == "call_expression" and syntax.field(node, "function").type == "field_expression":
            function = node.child_by_field_name("function")
            if self._tainted(node) and not self._tainted(function):
                held = self._answer(function.child_by_field_name("argument"), step, way="object")
                rest = self._code[function.child_by_field_name("argument").end_byte : function.end_byte].decode()
                return f"{held}{rest}{self._answer(node.child_by_field_name('arguments'), step)}"
        if node.type == "pointer_expression" and syntax.text(node).startswith("&"):
            argument = node.child_by_field_name("argument")
            variables = self._variables(argument)
            if argument.type == "identifier" and not direct:
                return f"&{self._answer(argument, step, way='back')}"
            if variables and not self._tainted(argument):
                raise Again(variables)
        if node.type in ("assignment_expression", "update_expression"):
            target = node.child_by_field_name("left") or node.child_by_field_name("argument")
            return self._splice(node, lambda child: self._answer(child, step, way="back" if child == target else "in"))
        is_unit = node.type in _UNITS and not step.hidden and not self._tainted(node)
        if is_unit and self._variables(node) and not any(one.type == "lambda_expression" for one in walk(node)):
            if direct and node.type in ("subscript_expression", "field_expression", "binary_expression"):
                raise Again(self._variables(node))
            return step.unit(" ".join(syntax.text(node).split()), "in")
        inner = direct and node.type != "argument_list"
        skip = {one.id for one in declared(node)} if node.type in ("declaration", "init_declarator") else set()
        return self._splice(
            node,
            lambda child: syntax.text(child) if child.id in skip else self._answer(child, step, direct=inner),
        )

    def _way(self, variable: Variable, step: Step, way: str) -> str:
        """Whether what a step does to a variable of the tests comes back: only where they look at it afterwards.

        So an answer which changes its arguments does not change what it is compared with.
        """
        name = variable[1]
        if way != "in":
            return way
        if name in self._steering.get(self._function, ()):
            return "in"
        if name in self._bare.get(self._function, ()):
            return "back"
        return "object" if step.discarded or name in self._looked_at.get(self._function, ()) else "in"

    def _mention(self, node: Node) -> None:
        self._mentioned |= {syntax.text(one) for one in walk(node) if one.type in NAMES}

    def _splice(self, node: Node, change: Callable[[Node], str]) -> str:
        """The node's text with each of its children changed."""
        if not node.children:
            return syntax.text(node)
        parts, at = [], node.start_byte
        for child in node.children:
            parts += [self._code[at : child.start_byte].decode(), change(child)]
            at = child.end_byte
        parts.append(self._code[at : node.end_byte].decode())
        return "".join(parts)

    def _close(self) -> None:
        for level, case in reversed(self._opened.pop()):
            self._level = level.around
            self._level.cases.append(case(level))

    def _open(self, case: Callable[[Level], str]) -> None:
        level = self._new_level(self._level)
        level.around = self._level
        self._opened[-1].append((level, case))
        self._level = level

    def _new_level(self, parent: Level | None) -> Level:
        self._levels += 1
        return Level(self._levels, parent)

    @property
    def _put(self) -> str:
        return "halo_steps::put" if self._language == "cpp" else "halo_value"
