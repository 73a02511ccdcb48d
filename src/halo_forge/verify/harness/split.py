"""Test code cut in two: what the tests do, and the steps of it that need the answer.

The answer's objects live in the answer's process, the tests' own values, the flow of control and all that is expected
in the tests'. An expression that names anything of the answer's becomes a numbered step: its text is compiled with the
answer, what it takes of the tests' variables is sent, and its value comes back to be compared here. So

    Stack s;                          a scope of the answer's process, from here to the end of the block
    s.push(n);                        a step that is given n
    assert(s.top() == expected[i]);   a step whose value is compared with what never leaves the tests

A scope is a C++ scope on the other side too (Level): steps run inside of it until the tests' process leaves it, so that
types, lifetimes and destructors are the compiler's business. Which names are the answer's is told by the task alone.

A variable of the tests whose type cannot be sent (a pointer, a stream, an iterator) lives on the other side as well.
Which these are the compiler knows: recipe.py compiles what comes out of here and comes back with a larger `remote`.
"""

from __future__ import annotations

from collections.abc import Callable

from halo_forge.verify.harness import syntax
from halo_forge.verify.harness.level import Again, Split, Unsplittable, Variable
from halo_forge.verify.harness.owners import inner_of, is_wrapper, references
from halo_forge.verify.harness.statements import Statements, blank
from halo_forge.verify.harness.syntax import Node, declared, walk

_TEMPLATE = "template_declaration"
_SHARED = {"using_declaration", "namespace_alias_definition", "static_assert_declaration"}
"""What is said on the answer's side too."""


class Splitter(Statements):
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
        super().__init__(code, language, asked=asked, remote=remote, whole=whole)
        self._kinds: list[str] = []
        self._shared: set[str] = set()
        self._twins: list[tuple[str, str]] = []
        self._enter: dict[str, int] = {}

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
            sorted(self._shared),
            self._must,
        )

    def _steps(self) -> str:
        copied = self._copied()
        catching = "".join(
            f"try {{ throw; }} catch (const {kind} &) {{ kinds |= 1ULL << {at}; }} catch (...) {{}}\n"
            for at, kind in enumerate(self._kinds)
        )
        cases = "".join(f"case {number}: halo_twin_{name}(); break;\n" for name, number in self._enter.items())
        heads = "".join(f"static void halo_twin_{name}(void);\n" for name in self._enter)
        enter = (
            f"{heads}static void halo_enter(int halo_k) {{\nswitch (halo_k) {{\n{cases}default: halo_gone(); }}\n}}\n"
        )
        main = next((twin for name, twin in self._twins if name == "main"), "")
        twins = "".join(twin for name, twin in self._twins if name != "main")
        kinds = "unsigned long long halo_kinds(void) { return 0; }\n"
        if self._language == "cpp":
            kinds = 'extern "C" unsigned long long halo_kinds(void) {\nunsigned long long kinds = 0;\n'
            kinds += f"{catching}return kinds;\n}}\n"
        return f"{copied}{enter}{twins}{main}{kinds}"

    def _copied(self) -> str:
        """The tests' definitions that the steps need, in the order of the tests."""
        wanted = {name for name in self._mentioned if name in self._globals} | self._remote_names
        queue = list(wanted)
        while queue:
            for one in references(self._globals[queue.pop()]):
                name = syntax.text(one)
                if name in self._globals and name not in wanted:
                    wanted.add(name)
                    queue.append(name)
        if called_here := (wanted & self._stepping) - {"main"}:
            raise Unsplittable(f"{sorted(called_here)[0]} is called inside of what the answer is asked")
        text = []
        for node in self._top:
            inner = inner_of(node)
            names = {syntax.text(one) for one in declared(inner)}
            names |= {syntax.text(one) for one in declared(inner.child_by_field_name("type") or inner)}
            names |= {syntax.text(one.child_by_field_name("name")) for one in walk(inner) if one.type == "enumerator"}
            is_using = inner.type in _SHARED and (inner.type != "static_assert_declaration" or self._tainted(inner))
            if node in self._prototypes:
                own = {syntax.text(one) for one in declared(inner)}
                is_using = bool(own & wanted)
            if not (is_using or names & wanted) or names & self._stepping:
                continue
            variables = names & {name for _, name in self._all_global_variables(inner)}
            here = {("", name) for name in variables} - self._remote
            if here and not variables & self._remote_names and "const" not in syntax.text(inner).split("=")[0]:
                raise Again(here)
            self._shared |= names
            text.append(syntax.text(node) + (";\n" if inner.type in syntax.TYPES else "\n"))
        return "".join(text)

    def _all_global_variables(self, inner: Node) -> set[Variable]:
        if inner.type != "declaration":
            return set()
        return {("", syntax.text(one)) for one in declared(inner)}

    def _top_text(self, node: Node) -> str:
        if is_wrapper(node):
            return self._splice(node, self._top_text)
        if node not in self._top:
            return syntax.text(node)
        inner = inner_of(node)
        names = {syntax.text(one) for one in declared(inner)}
        names |= {syntax.text(one) for one in declared(inner.child_by_field_name("type") or inner)}
        if names & self._stepping:
            return self._cut_function(inner, next(iter(names & self._stepping)))
        remote = names & self._remote_names or any(("", name) in self._remote for name in names)
        if remote or (node in self._prototypes and names & (self._asked | self._stepping)):
            return blank(node)
        if inner.type in _SHARED | syntax.TYPES | {"declaration"} and self._tainted(inner):
            return blank(node)
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
            holder = self._functions[name]
            head = self._code[holder.start_byte : function.start_byte].decode() if holder.type == _TEMPLATE else ""
            twin = (
                f"{head}static void halo_twin_{name}({given}) {{\n{begin}\n{here.source(self._language)}{begin}\n}}\n"
            )
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
