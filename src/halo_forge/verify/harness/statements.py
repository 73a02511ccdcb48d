"""Statements of test code as the tests' side has them: a variable of the answer's opens a scope of its process."""

from __future__ import annotations

from halo_forge.verify.harness import syntax
from halo_forge.verify.harness.expressions import Expressions
from halo_forge.verify.harness.level import Again, Level, Step, Unsplittable
from halo_forge.verify.harness.owners import ENDING
from halo_forge.verify.harness.syntax import Node, called, declared, walk


class Statements(Expressions):
    """Cuts statements."""

    _numbered: dict[int, int] = {}
    """Labels of switches that the answer defines, by their nodes."""

    def _block(self, node: Node) -> str:
        self._opened.append([])
        text = self._splice(node, self._statement)
        self._close()
        return text

    def _block_of(self, node: Node) -> str:
        if node.type == "compound_statement":
            return self._block(node)
        self._opened.append([])
        text = self._statement(node)
        self._close()
        return f"{{ {text} }}"

    def _statement(self, node: Node) -> str:
        if not node.is_named or node.type == "comment":
            return syntax.text(node)
        special = getattr(self, f"_{node.type}", None)
        if special is not None:
            return _as_long(special(node), node)
        if node.type in syntax.TYPES | {"type_definition", "alias_declaration", "using_declaration"}:
            return self._local_type(node)
        if node.type == "static_assert_declaration" and self._tainted(node):
            self._level.preamble.append(f"{syntax.text(node)}\n")
            self._mention(node)
            return blank(node)
        if self._tainted(node):
            raise Unsplittable(f"{node.type} in line {node.start_point[0] + 1} of the tests")
        return syntax.text(node)

    def _compound_statement(self, node: Node) -> str:
        return self._block(node)

    def _labeled_statement(self, node: Node) -> str:
        label, inner = node.child_by_field_name("label"), node.named_children[-1]
        return f"{syntax.text(label)}: {self._statement(inner)}"

    def _local_type(self, node: Node) -> str:
        end = "" if syntax.text(node).endswith(";") else ";"
        if any(called(one) in ENDING for one in walk(node)) and self._tainted(node):
            raise Unsplittable("a class of the tests that asserts")
        self._level.preamble.append(f"{syntax.text(node)}{end}\n")
        self._mention(node)
        return blank(node) if self._tainted(node) else syntax.text(node)

    def _expression_statement(self, node: Node) -> str:
        inner = next((one for one in node.named_children if one.type != "comment"), None)
        return syntax.text(node) if inner is None else f"{self._expression(inner, 'void')};"

    def _return_statement(self, node: Node) -> str:
        inner = next((one for one in node.named_children if one.type != "comment"), None)
        if inner is None or not self._tainted(inner):
            return syntax.text(node)
        return f"return {self._expression(inner, 'value')};"

    def _if_statement(self, node: Node) -> str:
        condition = node.child_by_field_name("condition")
        first, value = condition.child_by_field_name("initializer"), condition.child_by_field_name("value")
        self._opened.append([])
        above = ""
        if first is not None:
            inner = first.named_children[0] if first.type == "init_statement" else first
            above = self._statement(inner)
        if value is not None and value.type in ("declaration", "condition_declaration"):
            above += self._declaration_before(value)
            check = self._expression(syntax.core_of(syntax.declarators(value)[0]), "bool")
        else:
            check = self._condition(condition)
        text = f"if ({check}) {self._block_of(node.child_by_field_name('consequence'))}"
        if (other := node.child_by_field_name("alternative")) is not None:
            branch = next(one for one in other.named_children if one.type != "comment")
            text += f" else {self._block_of(branch)}"
        self._close()
        return f"{{ {above} {text} }}" if above else text

    def _declaration_before(self, node: Node) -> str:
        """The declaration in a condition, as a statement in front of it."""
        names = {(self._function, syntax.text(one)) for one in declared(node)}
        if not (self._tainted(node) or names & self._remote):
            return f"{syntax.text(node)};"
        self._remote |= names
        return self._declared_there(node)

    def _condition(self, node: Node) -> str:
        value = node.child_by_field_name("value") if node.type == "condition_clause" else node
        if node.type == "parenthesized_expression":
            value = node.named_children[0]
        if value.type in ("declaration", "condition_declaration"):
            if self._tainted(value):
                raise Unsplittable("a loop's condition that declares")
            return syntax.text(value)
        return self._expression(value, "bool")

    def _while_statement(self, node: Node) -> str:
        condition = node.child_by_field_name("condition")
        with self._loop(self._tainted(condition)):
            return f"while ({self._condition(condition)}) {self._block_of(node.child_by_field_name('body'))}"

    def _do_statement(self, node: Node) -> str:
        body = self._block_of(node.child_by_field_name("body"))
        return f"do {body} while ({self._condition(node.child_by_field_name('condition'))});"

    def _for_statement(self, node: Node) -> str:
        first, condition, update = map(node.child_by_field_name, ("initializer", "condition", "update"))
        self._opened.append([])
        above, head = "", ";"
        if first is not None and first.type == "declaration":
            names = {(self._function, syntax.text(one)) for one in declared(first)}
            if self._tainted(first) or names & self._remote:
                above = self._declaration(first)
                if "halo_wire::enter" not in above:
                    head, above = above, ""
            else:
                head = syntax.text(first)
        elif first is not None:
            head = f"{self._expression(first, 'void')};"
        with self._loop(self._tainted(condition)):
            check = self._expression(condition, "bool") if condition is not None else ""
            step = self._expression(update, "void") if update is not None else ""
            body = self._block_of(node.child_by_field_name("body"))
        self._close()
        return f"{{ {above} for ({head} {check}; {step}) {body} }}"

    def _for_range_loop(self, node: Node) -> str:
        right, body = node.child_by_field_name("right"), node.child_by_field_name("body")
        head = self._code[node.start_byte : right.start_byte].decode()
        names = {(self._function, syntax.text(one)) for one in declared(node)}
        if not (self._tainted(right) or self._tainted(node.child_by_field_name("type")) or names & self._remote):
            return f"{head}{syntax.text(right)}) {self._block_of(body)}"
        self._remote |= names
        number = self._number(syntax.text(right))
        step = Step(number, discarded=False, kept=True, gives_back=False)
        changes = "&" in head and "const" not in head
        if changes and (variables := self._variables(right)):
            raise Again(variables)
        items = self._answer(right, step, direct=True)
        declaration, bound = _bound(head[head.index("(") + 1 :].strip().rstrip(":").strip(), node)
        above = "".join(step.declared)
        yes = "halo_begin(); halo_steps::put(true); halo_insert(1); halo_reply();"
        no = yes.replace("true", "false")

        def case(level: Level) -> str:
            inside = level.source("cpp", "if ({}) break")
            return (
                f"case {number}: try {{ {{ {above}for ({declaration} : {items}) {{ {bound}{yes}\n{inside}}} }} "
                f"{no} }} catch (...) {{ halo_caught(); }} break;\n"
            )

        self._opened.append([])
        self._open(case)
        with self._loop(True):
            text = self._block_of(body)
        self._close()
        self._note(step)
        arguments = step.arguments
        return f"for (halo_wire::Loop<{number}> halo_i{number}{{{arguments}}}; halo_i{number}.next();) {text}"

    def _switch_statement(self, node: Node) -> str:
        condition, body = node.child_by_field_name("condition"), node.child_by_field_name("body")
        value = condition.child_by_field_name("value")
        labels = [one.child_by_field_name("value") for one in body.named_children if one.type == "case_statement"]
        if any(map(self._tainted, labels)):
            return f"switch ({self._which_label(value, labels)}) {self._block(body)}"
        text = self._expression(value, "value")
        if self._tainted(value):
            text = f"halo_wire::as<0, long long>({text})"
        return f"switch ({text}) {self._block(body)}"

    def _which_label(self, value: Node, labels: list[Node | None]) -> str:
        """Which of the answer's constants it is: they are numbered in the order of the switch."""
        number = self._number(syntax.text(value))
        step = Step(number, discarded=False, kept=False)
        cases = "".join(
            f"case {self._answer(label, step)}: halo_c = {at}; break; " for at, label in enumerate(labels) if label
        )
        asked = f"({{ int halo_c = -1; switch ({self._answer(value, step)}) {{ {cases}default:; }} halo_c; }})"
        self._case(step, f"{self._put}({asked});")
        self._numbered = self._numbered | {label.id: at for at, label in enumerate(labels) if label}
        return f"halo_wire::as<0, long long>(halo_wire::step<{number}>({step.arguments}))"

    def _case_statement(self, node: Node) -> str:
        label = node.child_by_field_name("value")

        def part(child: Node) -> str:
            if label is not None and child == label and label.id in self._numbered:
                return str(self._numbered[label.id])
            return self._statement(child) if _is_statement(child) else syntax.text(child)

        return self._splice(node, part)

    def _try_statement(self, node: Node) -> str:
        clauses = [child for child in node.named_children if child.type == "catch_clause"]
        text = self._block(node.child_by_field_name("body"))
        plain = ""
        for clause in clauses:
            parameters = clause.child_by_field_name("parameters")
            if not self._tainted(parameters):
                plain += f" catch {syntax.text(parameters)} {self._block(clause.child_by_field_name('body'))}"
                continue
            if plain:
                text, plain = f"{{ try {text}{plain} }}", ""
            text = f"{{ try {text}{self._named_catch(clause, parameters)} }}"
        return f"try {text}{plain}" if plain else text

    def _named_catch(self, clause: Node, parameters: Node) -> str:
        """A catch clause for a type that the answer defines."""
        parameter = parameters.named_children[0]
        kind = syntax.text(parameter.child_by_field_name("type"))
        if kind not in self._kinds:
            self._kinds.append(kind)
        bit, names = self._kinds.index(kind), declared(parameter)
        self._remote |= {(self._function, syntax.text(one)) for one in names}
        number = self._number(f"catch ({kind})")

        def case(level: Level) -> str:
            inside = level.source(self._language)
            return (
                f"case {number}: try {{ halo_again(); }} catch ({syntax.text(parameter)}) {{ halo_steps::done();\n"
                f"{inside}halo_steps::done(); }} catch (...) {{ halo_caught(); }} break;\n"
            )

        self._opened.append([])
        self._open(case)
        body = self._block(clause.child_by_field_name("body"))
        self._close()
        enter = f"halo_wire::Scope halo_c{number} = halo_wire::enter<{number}>();"
        return f" catch (const halo_wire::Named &halo_n) {{ if (!(halo_n.kinds >> {bit} & 1)) throw; {enter} {body} }}"

    def _throw_statement(self, node: Node) -> str:
        if self._tainted(node):
            raise Unsplittable("a throw of the tests")
        return syntax.text(node)

    def _declaration(self, node: Node) -> str:
        kind = node.child_by_field_name("type")
        names = {(self._function, syntax.text(one)) for one in declared(node)}
        if kind is not None and kind.type in syntax.TYPES and kind.child_by_field_name("body") is not None:
            return self._local_type(node)
        if not self._tainted(kind) and not names & self._remote:
            parts = [self._initialised(node, kind, one) for one in syntax.declarators(node)]
            if all(part is not None for part in parts):
                if all(part == syntax.text(one) for part, one in zip(parts, syntax.declarators(node), strict=True)):
                    return syntax.text(node)
                first = syntax.declarators(node)[0]
                head = self._code[node.start_byte : first.start_byte].decode().replace("constexpr", "const")
                return f"{head}{', '.join(parts)};"
        self._remote |= names
        return self._declared_there(node)

    def _initialised(self, node: Node, kind: Node, declarator: Node) -> str | None:
        """A declarator of a variable that stays with the tests; None if it cannot."""
        if not self._tainted(declarator):
            return syntax.text(declarator)
        value = declarator.child_by_field_name("value")
        core = syntax.core_of(declarator)
        simple = declarator.type == "init_declarator" and core == declarator.child_by_field_name("declarator")
        if not simple or value is None or core.type == "structured_binding_declarator":
            return None
        name, braced = syntax.text(core), value.type in ("argument_list", "initializer_list")
        if syntax.text(kind) == "auto":
            if braced or self._is_leaf(value):
                return None
            if value.type == "lambda_expression":
                if self._tainted(value.child_by_field_name("declarator")):
                    self._remote |= {
                        (self._function, syntax.text(one))
                        for parameter in walk(value.child_by_field_name("declarator"))
                        for one in declared(parameter)
                    }
                    if any(map(self._compares_outside, walk(value))):
                        raise Unsplittable("a lambda that compares what it is given of the answer's")
                    return None
                self._lambdas_here.add((self._function, name))
            return f"{name} = {self._expression(value, 'value')}"
        if braced:
            if kind.type not in ("primitive_type", "sized_type_specifier") or value.named_child_count != 1:
                return None
            value = value.named_children[0]
        if value.type in ("lambda_expression", "initializer_list", "conditional_expression"):
            return None
        number = len(self._names)
        text = self._expression(value, "value")
        if number == len(self._names):
            return f"{name} = {text}"
        self._becomes[number] = (self._function, name)
        return f"{name} = halo_wire::as<{number}, {syntax.text(kind)}>({text})"

    def _declared_there(self, node: Node) -> str:
        if any(called(one) in ENDING for one in walk(node)):
            raise Unsplittable(f"an assertion inside of what the answer is given, line {node.start_point[0] + 1}")
        number = self._number(syntax.text(node))
        step = Step(number, discarded=False, kept=True)
        text = self._answer(node, step, direct=self._holds_addresses(node))
        text += "" if text.endswith(";") else ";"
        text, bound = _bound(text, node)
        text += bound
        self._note(step)
        done = "halo_steps::done();" if self._language == "cpp" else "halo_done();"
        above, made = "".join(step.declared), f"halo_begin(); halo_insert(1); {''.join(step.backs)}halo_reply();"

        def case(level: Level) -> str:
            inside = level.source(self._language)
            if self._language == "c":
                return f"case {number}: {{ {{ {above}{text}\n{made}\n{inside}}} {done} }} break;\n"
            return (
                f"case {number}: try {{ {{ {above}{text}\n{made}\n{inside}}} {done} }} "
                "catch (...) { halo_caught(); } break;\n"
            )

        self._open(case)
        return f"halo_wire::Scope halo_v{number} = halo_wire::enter<{number}>({step.arguments});"

    def _holds_addresses(self, node: Node) -> bool:
        kinds = {"pointer_declarator", "reference_declarator", "structured_binding_declarator"}
        return any(one.type in kinds for one in walk(node)) or syntax.text(node.child_by_field_name("type")) == "auto"

    def _loop(self, over_answer: bool) -> _Counting:
        return _Counting(self, over_answer)


class _Counting:
    """While inside of a loop that the answer steers."""

    def __init__(self, splitter: Statements, counts: bool):
        self._splitter, self._by = splitter, int(counts)

    def __enter__(self) -> None:
        self._splitter._loops += self._by

    def __exit__(self, *_: object) -> None:
        self._splitter._loops -= self._by


def _bound(text: str, node: Node) -> tuple[str, str]:
    """A declaration whose structured bindings have other names, and references of theirs: lambdas can capture these."""
    bindings = [one for declarator in syntax.declarators(node) for one in walk(declarator)]
    binding = next((one for one in bindings if one.type == "structured_binding_declarator"), None)
    if binding is None:
        return text, ""
    names = [syntax.text(one) for one in binding.named_children if one.type == "identifier"]
    other = ", ".join(f"halo_b_{name}" for name in names)
    return text.replace(syntax.text(binding), f"[{other}]", 1), "".join(f"auto &{n} = halo_b_{n}; " for n in names)


def _is_statement(node: Node) -> bool:
    return node.type.endswith("statement") or node.type in ("declaration", "for_range_loop")


def blank(node: Node) -> str:
    return "\n" * syntax.text(node).count("\n")


def _as_long(text: str, node: Node) -> str:
    """With as many line ends as the node had, so that the lines below keep their numbers."""
    return text + "\n" * max(0, syntax.text(node).count("\n") - text.count("\n"))
