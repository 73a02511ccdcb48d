"""Test code cut in two: what the tests do, and the steps of it that need the answer.

The answer's objects live in the answer's process, the tests' own values, the flow of control and all that is expected
in the tests'. An expression that names anything of the answer's becomes a numbered step: its text is compiled with the
answer, what it takes of the tests' variables is sent, and its value comes back to be compared here. So

    Stack s;                          a scope of the answer's process, from here to the end of the block
    s.push(n);                        a step that is given n
    assert(s.top() == expected[i]);   a step whose value is compared with what never leaves the tests

A scope is a C++ scope on the other side too (Level): steps run inside of it until the tests' process leaves it, so that
types, lifetimes and destructors are the compiler's business. Which names are the answer's is told by the task alone.

A variable of the tests whose type cannot be sent (a pointer, a stream, an iterator) lives on the other side as well. Which
these are the compiler knows: recipe.py compiles what comes out of here and comes back with a larger `remote`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from halo_forge.verify.harness import syntax
from halo_forge.verify.harness.syntax import NAMES, Node, called, declared, walk

Variable = tuple[str, str]
"""(function of the tests, name); "" for a global one."""
_COMPARING = {"==", "!=", "<", ">", "<=", ">="}
_LOGICAL = {"&&", "||", "and", "or"}
_ARITHMETIC = {"+", "-", "*", "%", "&", "|", "^"}
_NUMERIC = set(
    "fabs fabsf fabsl abs labs llabs sqrt sqrtf cbrt pow floor ceil round trunc fmod isnan isinf isfinite signbit".split()
)
_TEXTUAL = {"strcmp", "strncmp", "strcasecmp", "strncasecmp", "strlen", "strstr", "strchr"}
_PRINTING = {"printf", "fprintf", "puts", "fputs", "putchar", "print", "println", "fflush"}
_STREAMS = {"cout", "cerr", "clog"}
_ENDING = {"assert", "exit", "_exit", "abort", "quick_exit", "_Exit"}
_UNITS = {
    *("identifier", "field_expression", "subscript_expression", "call_expression", "binary_expression"),
    *("unary_expression", "pointer_expression", "parenthesized_expression", "conditional_expression"),
    *("cast_expression", "compound_literal_expression", "update_expression", "type_identifier"),
}
_TOP = {"template_declaration", "linkage_specification", "declaration_list", "namespace_definition"}


class Unsplittable(Exception):
    """The tests cannot be cut: why, in words for the user."""


class Again(Exception):
    """These variables must live with the answer; cut once more."""

    def __init__(self, variables: Iterable[Variable]):
        super().__init__()
        self.variables = set(variables)


@dataclass
class Level:
    """A scope of the answer's process and the steps inside of it."""

    number: int
    parent: Level | None
    around: Level | None = None
    """The scope that goes on when this one is left."""
    cases: list[str] = field(default_factory=list)
    preamble: list[str] = field(default_factory=list)

    def source(self, language: str, run: str = "{}") -> str:
        """The scope's steps, to be run until it is left; `run` is put around the call that does so."""
        cases, above = "".join(self.cases), "".join(self.preamble)
        if language == "c":
            return (
                f"{above}for (int halo_k; (halo_k = halo_next()) > 0;) "
                f"switch (halo_k) {{\n{cases}default: halo_enter(halo_k); }}\n"
            )
        outer = f"halo_s{self.parent.number}(halo_s{self.parent.number}, halo_k)" if self.parent else "halo_enter(halo_k)"
        me = self.number
        run = run.format(f"halo_steps::run(halo_l{me})")
        return (
            f"{above}auto halo_l{me} = [&](auto &halo_s{me}, int halo_k) -> void {{\n(void)halo_s{me};\n"
            f"switch (halo_k) {{\n{cases}default: {outer}; }}\n}};\n{run};\n"
        )


@dataclass(frozen=True)
class Split:
    """What a task's test code becomes."""

    tests: str
    """The tests' side: C++ that calls halo_wire::step<…> where it needs the answer."""
    steps: str
    """The answer's side. ⟦step:at:…⟧ stands where recipe.py puts what the compiler said of a step's arguments."""
    names: list[str]
    """What each step is, for messages; the first is none."""
    captured: dict[tuple[int, int], set[Variable]]
    """(step, which argument) -> the tests' variables in it."""
    becomes: dict[int, Variable]
    """step -> the tests' variable that takes its value."""
    compares: dict[int, int]
    """step -> where in the code the comparison stands that its value is part of."""
    assertions: int
    must: list[int]
    """Assertions that must have been reached: those in loops over what the answer gives."""


class _Step:
    """One step in the making: its arguments and its text."""

    def __init__(self, number: int, *, discarded: bool, kept: bool, gives_back: bool = True):
        self.number, self.discarded, self.kept, self.gives_back = number, discarded, kept, gives_back
        self.hidden: frozenset[str] = frozenset()
        self.captures: list[tuple[str, str]] = []
        self.named: list[str] = []
        self.declared: list[str] = []
        self.backs: list[str] = []

    def unit(self, text: str, way: str) -> str:
        """What stands in the step's text for an argument."""
        way = way if self.gives_back else "in"
        entry = next((at for at, (_, known) in enumerate(self.captures) if known == text), None)
        if entry is not None:
            if way != "in":
                self.captures[entry] = (way, text)
            return self.named[entry]
        at = len(self.captures)
        plain = re.fullmatch(r"\w+", text) is not None
        name = text if plain else f"halo_u{self.number}_{at}"
        self.captures.append((way, text))
        kind = "kept" if self.kept else "held"
        self.declared.append(f"⟦{self.number}:{at}:{kind}:{name}⟧")
        self.backs.append(f"⟦{self.number}:{at}:back:{name}⟧")
        self.named.append(name if plain else f"⟦{self.number}:{at}:use:{name}⟧")
        return self.named[at]

    @property
    def arguments(self) -> str:
        return ", ".join(f"halo_wire::{way}({text})" for way, text in self.captures)


class Splitter:
    """Cuts one task's test code, for a given set of variables that live with the answer."""

    def __init__(
        self,
        code: str,
        language: str,
        *,
        asked: Callable[[set[str]], set[str]],
        remote: set[Variable],
        whole: set[int],
    ):
        """`asked` picks, of names that the tests do not declare, the answer's. `whole` are comparisons that the answer's
        process makes, by where they stand."""
        self._code, self._language = code.encode(), language
        self._root = syntax.parse(self._code)
        self._remote, self._whole = set(remote), whole
        self._function = ""
        self._names, self._levels = [""], 0
        self._captured: dict[tuple[int, int], set[Variable]] = {}
        self._becomes: dict[int, Variable] = {}
        self._compares: dict[int, int] = {}
        self._assertions, self._must, self._loops = 0, [], 0
        self._mentioned: set[str] = set()
        self._lambdas_here: set[Variable] = set()
        self._kinds: list[str] = []
        self._twins: list[tuple[str, str]] = []
        self._enter: dict[str, int] = {}
        self._opened: list[list[tuple[Level, Callable[[Level], str]]]] = []
        self._level = self._new_level(None)
        if self._root.has_error:
            bad = next(node for node in walk(self._root) if node.is_error or node.is_missing)
            raise Unsplittable(f"line {bad.start_point[0] + 1} of the tests cannot be parsed")
        self._read(asked)

    # ---- what the tests declare

    def _read(self, asked: Callable[[set[str]], set[str]]) -> None:
        self._top = list(self._top_level(self._root))
        self._functions: dict[str, Node] = {}
        self._globals: dict[str, Node] = {}
        self._prototypes: list[Node] = []
        for node in self._top:
            inner = _inner(node)
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
            self._locals[name] = _locals(node)
            foreign |= self._unknown(node, self._locals[name])
        for node in self._top:
            if node not in self._functions.values() and node not in self._prototypes:
                foreign |= self._unknown(node, _locals(node))
        for node in self._prototypes:
            foreign |= {syntax.text(name) for name in declared(_inner(node))}
        self._asked = asked(foreign - self._globals.keys())
        self._find_remote_definitions()
        for name, node in self._functions.items():
            self._find_evidence(name, node)

    def _top_level(self, node: Node) -> Iterable[Node]:
        for child in node.children:
            if child.type == "linkage_specification":
                yield from self._top_level(child)
            elif child.type == "declaration_list":
                yield from self._top_level(child)
            elif child.is_named and child.type not in ("comment", "string_literal"):
                yield child

    def _unknown(self, node: Node, locals_: dict[str, str]) -> set[str]:
        found = set()
        for one in _references(node):
            name = syntax.text(one)
            if name not in locals_ and name not in self._globals:
                found.add(name)
        return found

    def _find_remote_definitions(self) -> None:
        """Which of the tests' own types, variables and functions belong to the answer's side."""
        self._remote_names: set[str] = set()
        self._stepping: set[str] = set()
        changed = True
        while changed:
            changed = False
            for node in self._top:
                inner = _inner(node)
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
                elif any(called(one) in _ENDING for one in walk(inner)):
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
        odd = node.type == "template_declaration" or syntax.text(function.child_by_field_name("type")) == "auto"
        odd |= returned is not None and returned.type != "function_declarator"
        if parameters is not None:
            odd |= any(one.type == "placeholder_type_specifier" for one in walk(parameters))
        ends = any(called(one) in _ENDING for one in walk(function))
        if odd:
            return False
        return ends or not (of_answer or self._returned_remote(function))

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
            if node.type == "binary_expression" and syntax.text(node.child_by_field_name("operator")) in _COMPARING:
                if self._tainted(node):
                    continue
                for side in ("left", "right"):
                    operand = node.child_by_field_name(side)
                    if operand.type == "identifier":
                        bare.add(syntax.text(operand))
                    looked |= {syntax.text(one) for one in _references(operand)}
            elif called(node) in _TEXTUAL | {"memcmp", "equal", "is_sorted", "is_permutation", "count", "isnan"}:
                if not self._tainted(node):
                    looked |= {syntax.text(one) for one in _references(node)}
            elif node.type == "for_range_loop" and not self._tainted(node.child_by_field_name("right")):
                looked |= {syntax.text(one) for one in _references(node.child_by_field_name("right"))}
            if node.type == "for_statement":
                for part in ("initializer", "condition", "update"):
                    if (one := node.child_by_field_name(part)) is not None:
                        steering |= {syntax.text(each) for each in walk(one) if each.type in NAMES}
            elif node.type in ("while_statement", "do_statement"):
                steering |= {syntax.text(one) for one in _references(node.child_by_field_name("condition"))}
        self._looked_at[name], self._bare[name], self._steering[name] = looked, bare - steering, steering
        self._function = ""

    # ---- which side a piece of code belongs to

    def _is_remote(self, node: Node) -> bool:
        name = syntax.text(node)
        if name in self._locals.get(self._function, ()):
            return (self._function, name) in self._remote
        if name in self._globals:
            return name in self._remote_names or ("", name) in self._remote
        return name in self._asked

    def _tainted(self, node: Node | None) -> bool:
        return node is not None and any(self._is_remote(one) for one in _references(node))

    def _variable(self, node: Node) -> Variable | None:
        """The variable of the tests, on their side, that a name stands for."""
        name = syntax.text(node)
        local = self._locals.get(self._function, {})
        if name in local:
            found = (self._function, name) if local[name] == "variable" else None
        else:
            holder = self._globals.get(name)
            inner = _inner(holder) if holder is not None else None
            is_variable = inner is not None and inner.type == "declaration" and name in map(syntax.text, declared(inner))
            found = ("", name) if is_variable and name not in self._remote_names else None
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
            return operator not in _COMPARING | _LOGICAL and any(map(self._is_object, sides))
        if node.type == "identifier":
            return (self._function, syntax.text(node)) in self._objects or ("", syntax.text(node)) in self._objects
        if node.type == "call_expression":
            return called(node) in self._type_names
        if node.type == "compound_literal_expression":
            return self._tainted(node.child_by_field_name("type"))
        return False

    # ---- the cut

    def split(self) -> Split:
        """Raises Unsplittable, or Again where more variables must live with the answer."""
        self._objects: set[Variable] = set()
        self._type_names = {
            syntax.text(one) for one in walk(self._root) if one.type == "type_identifier" and self._is_asked(one)
        }
        for name, node in self._functions.items():
            self._function = name
            for one in walk(node):
                if one.type == "declaration" and self._tainted(one.child_by_field_name("type")):
                    for declarator in syntax.declarators(one):
                        core = syntax.core_of(declarator)
                        if core is not None and not syntax.is_pointer(declarator):
                            self._objects.add((name, syntax.text(core)))
        self._function = ""
        tests = self._splice(self._root, self._top_text)
        if len(self._names) == 1:
            raise Unsplittable("they name nothing that the answer should define")
        return Split(
            tests,
            self._steps(),
            self._names,
            self._captured,
            self._becomes,
            self._compares,
            self._assertions,
            self._must,
        )

    def _is_asked(self, node: Node) -> bool:
        return syntax.text(node) in self._asked | self._remote_names

    def _steps(self) -> str:
        copied = self._copied()
        catching = "".join(
            f"try {{ throw; }} catch (const {kind} &) {{ kinds |= 1ULL << {at}; }} catch (...) {{}}\n"
            for at, kind in enumerate(self._kinds)
        )
        cases = "".join(f"case {number}: halo_twin_{name}(); break;\n" for name, number in self._enter.items())
        heads = "".join(f"static void halo_twin_{name}(void);\n" for name in self._enter)
        enter = f"{heads}static void halo_enter(int halo_k) {{\nswitch (halo_k) {{\n{cases}default: _exit(1); }}\n}}\n"
        main = next((twin for name, twin in self._twins if name == "main"), "")
        twins = "".join(twin for name, twin in self._twins if name != "main")
        kinds = "unsigned long long halo_kinds(void) { return 0; }\n"
        if self._language == "cpp":
            kinds = f'extern "C" unsigned long long halo_kinds(void) {{\nunsigned long long kinds = 0;\n{catching}return kinds;\n}}\n'
        return f"{copied}{enter}{twins}{main}{kinds}"

    def _copied(self) -> str:
        """The tests' definitions that the steps need, in the order of the tests."""
        wanted = {name for name in self._mentioned if name in self._globals} | self._remote_names
        queue = list(wanted)
        while queue:
            for one in _references(self._globals[queue.pop()]):
                name = syntax.text(one)
                if name in self._globals and name not in wanted:
                    wanted.add(name)
                    queue.append(name)
        if called_here := (wanted & self._stepping) - {"main"}:
            raise Unsplittable(f"{sorted(called_here)[0]} is called inside of what the answer is asked")
        text = []
        for node in self._top:
            inner = _inner(node)
            names = {syntax.text(one) for one in declared(inner)}
            names |= {syntax.text(one) for one in declared(inner.child_by_field_name("type") or inner)}
            names |= {syntax.text(one.child_by_field_name("name")) for one in walk(inner) if one.type == "enumerator"}
            is_using = inner.type in ("using_declaration", "namespace_alias_definition")
            if node in self._prototypes:
                own = {syntax.text(one) for one in declared(inner)}
                is_using = bool(own & wanted)
            if not (is_using or names & wanted) or names & self._stepping:
                continue
            variables = names & {name for _, name in [v for v in self._all_global_variables(inner)]}
            here = {("", name) for name in variables} - self._remote
            if here and not variables & self._remote_names and "const" not in syntax.text(inner).split("=")[0]:
                raise Again(here)
            text.append(syntax.text(node) + (";\n" if inner.type in syntax.TYPES else "\n"))
        return "".join(text)

    def _all_global_variables(self, inner: Node) -> set[Variable]:
        if inner.type != "declaration":
            return set()
        return {("", syntax.text(one)) for one in declared(inner)}

    def _top_text(self, node: Node) -> str:
        if node.type in ("linkage_specification", "declaration_list"):
            return self._splice(node, self._top_text)
        if node not in self._top:
            return syntax.text(node)
        inner = _inner(node)
        names = {syntax.text(one) for one in declared(inner)}
        names |= {syntax.text(one) for one in declared(inner.child_by_field_name("type") or inner)}
        if names & self._stepping:
            return self._cut_function(inner, next(iter(names & self._stepping)))
        remote = names & self._remote_names or any(("", name) in self._remote for name in names)
        if remote or (node in self._prototypes and names & (self._asked | self._stepping)):
            return _blank(node)
        if inner.type in syntax.TYPES | {"declaration", "static_assert_declaration"} and self._tainted(inner):
            return _blank(node)
        return syntax.text(node)

    def _cut_function(self, function: Node, name: str) -> str:
        self._function, outer = name, self._level
        self._level = self._new_level(None)
        body = function.child_by_field_name("body")
        if body is None or body.type != "compound_statement":
            raise Unsplittable(f"{name} has no plain body")
        declarator = syntax.function_of(function.child_by_field_name("declarator"))
        remote = [one for one in self._parameters(declarator) if self._is_remote_parameter(one)]
        for parameter in remote:
            self._remote |= {(name, syntax.text(one)) for one in declared(parameter)}
            if not syntax.is_pointer(parameter.child_by_field_name("declarator")):
                self._objects |= {(name, syntax.text(one)) for one in declared(parameter)}
        text = self._block(body)
        here, self._level = self._level, outer
        begin = "halo_steps::done();" if self._language == "cpp" else "halo_done();"
        guard = ""
        if name == "main":
            linkage = 'extern "C" ' if self._language == "cpp" else ""
            self._twins.append(("main", f"{linkage}void halo_main(void) {{\n{here.source(self._language)}}}\n"))
            guard = "halo_wire::types(); "
            text = f"{text[:-1]} return 0; }}" if syntax.text(function.child_by_field_name("type")) == "int" else text
        else:
            given = ", ".join(syntax.text(one) for one in remote) or "void"
            twin = f"static void halo_twin_{name}({given}) {{\n{begin}\n{here.source(self._language)}{begin}\n}}\n"
            self._twins.append((name, twin))
            if not remote:
                number = self._number(f"{name}()")
                self._enter[name] = number
                guard = f"halo_wire::Scope halo_f{number} = halo_wire::enter<{number}>(); "
        self._function = ""
        head = self._code[function.start_byte : body.start_byte].decode()
        if remote:
            dropped = [(one.start_byte - function.start_byte, one.end_byte - function.start_byte) for one in remote]
            head = _without_parameters(self._code[function.start_byte : body.start_byte], dropped)
        return f"{head}{{ {guard}{text[1:]}"

    def _parameters(self, declarator: Node | None) -> list[Node]:
        parameters = syntax.field(declarator, "parameters") if declarator is not None else None
        return [one for one in parameters.named_children if one.type.endswith("declaration")] if parameters else []

    def _is_remote_parameter(self, parameter: Node) -> bool:
        return self._tainted(parameter) or any(
            (self._function, syntax.text(one)) in self._remote for one in declared(parameter)
        )

    # ---- statements

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

    def _statement(self, node: Node) -> str:
        if not node.is_named or node.type == "comment":
            return syntax.text(node)
        special = getattr(self, f"_{node.type}", None)
        if special is not None:
            return _as_long(special(node), node)
        if node.type in syntax.TYPES | {"type_definition", "alias_declaration", "using_declaration"}:
            return self._local_type(node)
        if self._tainted(node):
            raise Unsplittable(f"{node.type} in line {node.start_point[0] + 1} of the tests")
        return syntax.text(node)

    def _compound_statement(self, node: Node) -> str:
        return self._block(node)

    def _labeled_statement(self, node: Node) -> str:
        raise Unsplittable("a label")

    def _local_type(self, node: Node) -> str:
        end = "" if syntax.text(node).endswith(";") else ";"
        if any(called(one) in _ENDING for one in walk(node)) and self._tainted(node):
            raise Unsplittable("a class of the tests that asserts")
        self._level.preamble.append(f"{syntax.text(node)}{end}\n")
        self._mention(node)
        return _blank(node) if self._tainted(node) else syntax.text(node)

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
        first = condition.child_by_field_name("initializer")
        text = f"if ({self._condition(condition)}) {self._block_of(node.child_by_field_name('consequence'))}"
        if (other := node.child_by_field_name("alternative")) is not None:
            branch = next(one for one in other.named_children if one.type != "comment")
            text += f" else {self._block_of(branch)}"
        if first is not None:
            raise Unsplittable("an if with a declaration") if self._tainted(node) else None
        return text if first is None else syntax.text(node)

    def _condition(self, node: Node) -> str:
        value = node.child_by_field_name("value") if node.type == "condition_clause" else node
        if node.type == "parenthesized_expression":
            value = node.named_children[0]
        if value.type in ("declaration", "condition_declaration"):
            if self._tainted(value):
                raise Unsplittable("a condition that declares")
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
        step = _Step(number, discarded=False, kept=True, gives_back=False)
        changes = "&" in head and "const" not in head
        if changes and (variables := self._variables(right)):
            raise Again(variables)
        items = self._answer(right, step, direct=True)
        declaration = head[head.index("(") + 1 :].strip().rstrip(":").strip()
        yes = "halo_begin(); halo_steps::put(true); halo_insert(1); halo_reply();"
        no = yes.replace("true", "false")

        def case(level: Level) -> str:
            inside = level.source("cpp", "if ({}) break")
            return (
                f"case {number}: try {{ {{ {''.join(step.declared)}for ({declaration} : {items}) {{ {yes}\n{inside}}} }} "
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
        text = self._expression(value, "value")
        if self._tainted(value):
            text = f"halo_wire::as<0, long long>({text})"
        return f"switch ({text}) {self._block(body)}"

    def _case_statement(self, node: Node) -> str:
        return self._splice(node, lambda child: self._statement(child) if _is_statement(child) else syntax.text(child))

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
        return (
            f" catch (const halo_wire::Named &halo_n) {{ if (!(halo_n.kinds >> {bit} & 1)) throw; "
            f"{enter} {body} }}"
        )

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
                head = self._code[node.start_byte : first.start_byte].decode()
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
        if any(called(one) in _ENDING for one in walk(node)):
            raise Unsplittable(f"an assertion inside of what the answer is given, line {node.start_point[0] + 1}")
        number = self._number(syntax.text(node))
        step = _Step(number, discarded=False, kept=True)
        text = self._answer(node, step, direct=self._holds_addresses(node))
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

    # ---- expressions

    def _is_leaf(self, node: Node) -> bool:
        """Whether an expression of the answer's is one step as a whole."""
        while node.type == "parenthesized_expression":
            node = node.named_children[0]
        if node.type == "binary_expression":
            operator = syntax.text(node.child_by_field_name("operator"))
            sides = [node.child_by_field_name("left"), node.child_by_field_name("right")]
            if operator in _LOGICAL | _COMPARING:
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
        if name in self._stepping | _NUMERIC | _TEXTUAL | {"assert", "memcmp"} and not self._asks(name):
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
            condition, yes, no = (node.child_by_field_name(part) for part in ("condition", "consequence", "alternative"))
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
        if operator in _LOGICAL:
            return f"{self._expression(left, 'bool')} {operator} {self._expression(right, 'bool')}"
        if want == "void" and operator == "<<" and _leftmost(node) in _STREAMS:
            return self._discarded(node)
        both = self._tainted(left) and self._tainted(right)
        if self._is_object(left) or self._is_object(right) or node.start_byte in self._whole:
            return self._leaf(node, "bool" if operator in _COMPARING else want)
        if operator in _COMPARING and both:
            return self._compared_pair(left, operator, right)
        if operator in _COMPARING:
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

    def _compared_pair(self, left: Node, operator: str, right: Node) -> str:
        if self._language == "c":
            return self._leaf(left.parent, "bool")
        if not self._is_leaf(left) or not self._is_leaf(right):
            return f"{self._expression(left, 'value')} {operator} {self._expression(right, 'value')}"
        number = self._number(syntax.text(left.parent))
        step = _Step(number, discarded=False, kept=False)
        sides = [self._answer(side, step) for side in (left, right)]
        compare = f"[](auto &a, auto &b) {{ return a {operator} b; }}"
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
        if name in _NUMERIC:
            return f"{syntax.text(function)}({', '.join(self._wrapped('number', one) for one in arguments)})"
        if name in _TEXTUAL:
            return f"{syntax.text(function)}({', '.join(self._wrapped('text', one) for one in arguments)})"
        if function.type == "lambda_expression":
            inside = ", ".join(self._expression(one, "value") for one in arguments)
            return f"{self._lambda(function)}({inside})"
        if self._is_test_function(name):
            return self._call_helper(node, name, arguments)
        if self._is_lambda_here(name):
            return f"{name}({', '.join(self._expression(one, 'value') for one in arguments)})"
        return self._leaf(node, want)

    def _wrapped(self, how: str, argument: Node) -> str:
        text = self._expression(argument, "value")
        return f"halo_wire::{how}({text})" if self._tainted(argument) else text

    def _call_helper(self, node: Node, name: str, arguments: list[Node]) -> str:
        """A function of the tests that knows nothing of the answer, called with what the answer gives."""
        holder = self._functions[name]
        parameters = self._parameters(syntax.function_of(_inner(holder).child_by_field_name("declarator")))
        kinds = [syntax.text(one.child_by_field_name("type")) for one in parameters]
        template = {syntax.text(one) for child in [holder] for one in _template_names(child)}
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
        declarator = syntax.function_of(_inner(self._functions[name]).child_by_field_name("declarator"))
        outer, self._function = self._function, name
        remote = [self._is_remote_parameter(one) for one in self._parameters(declarator)]
        self._function = outer
        here, there = [], []
        number = self._number(syntax.text(node)) if any(remote) else 0
        step = _Step(number, discarded=True, kept=True, gives_back=False)
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

    def _guarded(self, text: str) -> str:
        return f"{{ {text} }}" if self._language == "c" else f"try {{ {text} }} catch (...) {{ halo_caught(); }}"

    def _memcmp(self, arguments: list[Node]) -> str:
        texts = []
        for pointer in arguments[:2]:
            if not self._tainted(pointer):
                texts.append(syntax.text(pointer))
                continue
            number = self._number(syntax.text(pointer))
            step = _Step(number, discarded=False, kept=False)
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

    def _leaf(self, node: Node, want: str) -> str:
        """One step: the whole expression is the answer's to say."""
        if any(called(one) in _ENDING for one in walk(node)):
            raise Unsplittable(f"an assertion inside of what the answer is given, line {node.start_point[0] + 1}")
        number = self._number(syntax.text(node))
        step = _Step(number, discarded=want == "void", kept=node.type == "new_expression")
        text = self._answer(node, step)
        if want == "void":
            self._case(step, f"(void)({text});")
        elif want == "bool":
            yes = f"static_cast<bool>({text})" if self._language == "cpp" else f"(_Bool)({text})"
            self._case(step, f"{self._put}({yes});")
        else:
            self._case(step, f"{self._put}({text});" if self._language == "c" else f"{self._put}(({text}));")
        return f"halo_wire::step<{number}>({step.arguments})"

    @property
    def _put(self) -> str:
        return "halo_steps::put" if self._language == "cpp" else "halo_value"

    def _case(self, step: _Step, action: str) -> None:
        self._note(step)
        text = f"{''.join(step.declared)}halo_begin(); {action} halo_insert(1); {''.join(step.backs)}halo_reply();"
        self._level.cases.append(f"case {step.number}: {self._guarded(text)} break;\n")

    def _note(self, step: _Step) -> None:
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

    # ---- a step's text, its arguments taken out

    def _answer(self, node: Node, step: _Step, *, direct: bool = False, way: str = "in") -> str:
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
            step.hidden = hidden | frozenset(_locals(node))
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
            return self._splice(
                node, lambda child: self._answer(child, step, way="back" if child == target else "in")
            )
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

    def _way(self, variable: Variable, step: _Step, way: str) -> str:
        """Whether what a step does to a variable of the tests comes back: only where they look at it afterwards, so that
        an answer which changes its arguments does not change what it is compared with."""
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

    def _loop(self, over_answer: bool) -> _Counting:
        return _Counting(self, over_answer)


class _Counting:
    """While inside of a loop that the answer steers."""

    def __init__(self, splitter: Splitter, counts: bool):
        self._splitter, self._by = splitter, int(counts)

    def __enter__(self) -> None:
        self._splitter._loops += self._by

    def __exit__(self, *_: object) -> None:
        self._splitter._loops -= self._by


_PLAIN_RESULTS = set("void bool char short int long unsigned float double size_t int64_t uint64_t int32_t".split()) | {
    *("long long", "unsigned int", "unsigned long", "unsigned long long", "long double", "std::size_t"),
}


def _inner(node: Node) -> Node:
    """The definition inside of `template <…>`."""
    while node.type == "template_declaration":
        node = node.named_children[-1]
    return node


def _template_names(node: Node) -> list[Node]:
    parameters = node.child_by_field_name("parameters") if node.type == "template_declaration" else None
    return [one for child in (parameters.named_children if parameters else []) for one in declared(child)]


def _locals(node: Node) -> dict[str, str]:
    """What a function or lambda declares inside, parameters too: name -> variable or type."""
    found: dict[str, str] = {}
    own = {one.id for one in declared(_inner(node))}
    for one in walk(node):
        for name in declared(one):
            if name.id in own or name.type == "field_identifier":
                continue
            is_type = one.type in syntax.TYPES | {"alias_declaration", "type_definition", "enumerator"}
            is_type |= one.type.endswith("type_parameter_declaration") or one.type == syntax.FUNCTION
            found[syntax.text(name)] = "type" if is_type else "variable"
    return found


def _references(node: Node) -> Iterable[Node]:
    """The names that are used, without members of namespace std."""
    if node.type == "qualified_identifier" and syntax.text(node).lstrip(":").startswith("std"):
        # Template arguments may be anybody's.
        for one in walk(node):
            if one.type == "template_argument_list":
                yield from _references(one)
        return
    if node.type in NAMES:
        yield node
        return
    if node.type in ("attribute_declaration", "attribute_specifier", "preproc_call"):
        return
    for child in node.children:
        yield from _references(child)


def _is_statement(node: Node) -> bool:
    return node.type.endswith("statement") or node.type in ("declaration", "for_range_loop")


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


def _without_parameters(head: bytes, spans: list[tuple[int, int]]) -> str:
    kept, at = b"", 0
    for start, end in spans:
        kept += head[at:start]
        at = end
    text = (kept + head[at:]).decode()
    opening = text.index("(")
    inside = text[opening + 1 : text.rindex(")")]
    parts = [part for part in inside.split(",") if part.strip()]
    return f"{text[: opening + 1]}{','.join(parts)}{text[text.rindex(')') :]}"


def _blank(node: Node) -> str:
    return "\n" * syntax.text(node).count("\n")


def _as_long(text: str, node: Node) -> str:
    """With as many line ends as the node had, so that the lines below keep their numbers."""
    return text + "\n" * max(0, syntax.text(node).count("\n") - text.count("\n"))
