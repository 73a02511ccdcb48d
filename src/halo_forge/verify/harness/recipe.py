"""Tests that use what only the answer defines, cut in two (split.py): built once a task, judged in two processes.

Which variables cannot be sent from one to the other is for the compiler to say. So the tests' half is compiled and
asked (`HALO_TYPES`), what it cannot send goes to the answer's side, and the code is cut again, until all of it fits.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.errors import InfrastructureError
from halo_forge.files import whole_file
from halo_forge.verify.compiled.linker import fastest_linker
from halo_forge.verify.cpp import headers
from halo_forge.verify.cpp.gcc import Gcc
from halo_forge.verify.harness import library, syntax
from halo_forge.verify.harness.apart import building, part, run_alone
from halo_forge.verify.harness.declarations import items
from halo_forge.verify.harness.join import Joined, Prefix
from halo_forge.verify.harness.owners import STREAMS
from halo_forge.verify.harness.split import Again, Split, Splitter, Unsplittable
from halo_forge.verify.harness.testcode import separate
from halo_forge.verify.harness.tokens import Unreadable, directive, scan

_TIMES = 12
"""Cuts after which a task is given up."""
_HEADERS = {
    "vector": "vector", "deque": "deque", "list": "list", "set": "set", "multiset": "set", "map": "map",
    "multimap": "map", "unordered_set": "unordered_set", "unordered_multiset": "unordered_set",
    "unordered_map": "unordered_map", "optional": "optional", "array": "array", "complex": "complex",
}  # fmt: skip
_NEEDED = ("exception", "iterator", "string", "string_view", "tuple", "type_traits", "utility")
_MARK = re.compile(r"⟦(\d+):(\d+):(\w+):(\w+)⟧")
_C_TYPE = re.compile(r"(?:(?:unsigned|signed|long|short|int|char|bool|float|double|__int128)\b ?)+(?: ?(?:\[\d+\])+)?")
_WORD_OF_C = "halo_word_"
_KEYWORDS = {
    *("class", "new", "delete", "this", "template", "typename", "namespace", "operator", "private", "public", "try"),
    *("protected", "virtual", "friend", "explicit", "export", "mutable", "catch", "throw", "using", "and", "or", "not"),
    *("xor", "concept", "requires", "decltype", "constexpr"),
}
_REDIRECTED = re.compile(r"\b(?:freopen|dup2)\b")
_ERROR = re.compile(r"\berror\b|\bsorry, unimplemented\b")
_FREE = "#include <bits/stdc++.h>\nusing namespace std;\n"
"""What tests lean on that leave their headers to the answer."""


@dataclass(frozen=True)
class Recipe:
    """A task's halves: the tests' program, the loop of the answer's, and the steps' source below an answer."""

    tests: bytes
    loop: bytes
    steps: str
    includes: str
    copied: list[str]
    """Names of the tests' in `steps`."""


@dataclass(frozen=True)
class _Given:
    """What the compiler says of an argument of a step, or (`at` -1) of what its value is compared with or becomes."""

    number: int
    at: int
    crosses: bool
    is_lvalue: bool
    comes_back: bool
    type: str


def build(toolchain: Gcc, sandbox, prefix: Prefix, tests: str, language: str, names: set[str]) -> Recipe | str:
    """The halves of a task, from the cache or from the compiler; or why its tests cannot be cut. `names` are what the
    task says that it asks for."""
    options = [*toolchain.options("cpp"), "-w"]
    options += ["-fpermissive"] if language == "c" and not toolchain.clang else []
    parts = [*options, headers.version(options[0]), language, tests, prefix.head, prefix.open_text, *sorted(names)]
    parts += [_own_code(), version("tree-sitter"), version("tree-sitter-cpp")]
    parts += [part(name) for name in ("wire.hpp", "tests.hpp", "value.hpp", "recipe.hpp", "steps_loop.hpp")]
    path = (
        cache_folder("harness")
        / f"recipe-{hashlib.sha256(chr(0).join(parts).encode('utf-8', 'replace')).hexdigest()[:32]}"
    )
    if not path.exists():
        with building:
            if not path.exists():
                made = _Builder(toolchain, sandbox, options, prefix, tests, language, names).build()
                with whole_file(path, "wb") as file:
                    file.write(_packed(made))
    return _unpacked(path.read_bytes())


@functools.cache
def _own_code() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py")))


def answer_source(recipe: Recipe, prefix: Prefix, joined: Joined, language: str) -> str:
    """The answer below the prefix, and below both what the steps of the tests are there."""
    own = {item.name for item in joined.items if item.kind == "function"}
    others = ["main", *joined.renamed, *sorted(own.intersection(recipe.copied))]
    renamed = "".join(f"#define {name} halo_answer_{name}\n" for name in others)
    undone = "".join(f"#undef {name}\n" for name in {*others, *joined.macros})
    steps = part("steps.hpp" if language == "cpp" else "steps.h")
    return (
        f'{joined.includes}# 1 "bridge" 3\n{recipe.includes}# 1 "prompt" 3\n{prefix.head}\n'
        f'{renamed}{joined.source(f"main.{language}")}{undone}{steps}# 1 "bridge" 3\n{recipe.steps}'
    )


class _Builder:
    """Makes the halves of one task."""

    def __init__(
        self, toolchain: Gcc, sandbox, options: list[str], prefix: Prefix, tests: str, language: str, names: set[str]
    ):
        self._toolchain, self._sandbox, self._options = toolchain, sandbox, options
        self._prefix, self._language, self._names = prefix, language, names
        code, self._included = separate(tests, language)
        self._code = _with_words_of_c(code) if language == "c" else code

    def build(self) -> Recipe | str:
        try:
            if found := _REDIRECTED.search(self._code):
                raise Unsplittable(f"they redirect what is printed ({found[0]})")
            code = self._without_macros()
            made, why = self._cut(code, "")
            if made is None and self._language == "cpp":
                made, _ = self._cut(code, _FREE)
            return made or why
        except Unsplittable as error:
            return str(error)

    def _cut(self, code: str, above: str) -> tuple[Recipe | None, str]:
        remote: set[tuple[str, str]] = set()
        whole: set[int] = set()
        for _ in range(_TIMES):
            splitter = None
            try:
                splitter = Splitter(code, self._language, asked=self._asked(code + above), remote=remote, whole=whole)
                split = splitter.split()
            except Again as again:
                remote |= again.variables
                continue
            except RecursionError:
                raise Unsplittable("they are too deep") from None
            built = self._compiled(split, above)
            if isinstance(built, str):
                return None, built
            given, tests, loop = built
            lost = [one for one in given if not self._crosses(one)]
            more = {variable for one in lost for variable in _variables(split, one)}
            more_whole = {split.compares[one.number] for one in lost if _is_compared(split, one)}
            if not (more - remote or more_whole - whole):
                if any(one.at >= 0 for one in lost):
                    return None, "a value that cannot be sent to the answer"
                steps, includes = self._filled(split, given)
                included = f"{self._included}{above if above else ''}{includes}"
                return Recipe(tests, loop, steps, included, split.copied), ""
            remote |= more
            whole |= more_whole
        return None, "its parts cannot be told apart"

    def _crosses(self, one: _Given) -> bool:
        is_array_of_texts = self._language == "c" and "*" in one.type and "[" in one.type
        return one.crosses and not (is_array_of_texts and one.at >= 0)

    def _asked(self, code: str) -> Callable[[set[str]], set[str]]:
        prefix = self._prefix.head
        using = re.search(r"using\s+namespace\s+std\b", prefix + code) is not None
        known = library.names(self._language, using_std=using)
        defined, open_ended = _prefix_names(self._prefix)
        redirected = re.search(r"\brdbuf\b", code) is not None

        def asked(foreign: set[str]) -> set[str]:
            forced = self._names | open_ended | (STREAMS if redirected else set())
            return {name for name in foreign if name in forced or (name not in known and name not in defined)}

        return asked

    def _without_macros(self) -> str:
        """The code as the preprocessor leaves it, if there is anything for it to do."""
        kept, code = [], self._code
        for token in scan(code, self._language):
            if token.kind == "directive":
                name, rest = directive(token)
                if name not in ("pragma",) and rest.split()[:1] != ["NDEBUG"]:
                    kept.append(name)
        if not kept:
            return re.sub(r"^[ \t]*#[ \t]*(?:undef|define)[ \t]+NDEBUG.*$", "", code, flags=re.M)
        compiler = self._toolchain.compiler(self._language)
        kind = "c++" if self._language == "cpp" else "c"
        script = shlex.join([compiler, *self._toolchain.options(self._language)[1:], "-E", "-x", kind, "tests.txt"])
        run = run_alone(self._sandbox, script, {"tests.txt": code.encode("utf-8", "replace")})
        if run.exit_code != 0:
            raise Unsplittable("the preprocessor does not take them")
        return _at_their_lines(run.stdout.decode("utf-8", "replace"))

    def _compiled(self, split: Split, above: str) -> tuple[list[_Given], bytes, bytes] | str:
        sources = {"tests.cpp": self._tests_source(split, above), "loop.cpp": part("wire.hpp") + part("steps_loop.hpp")}
        linker = shlex.join(fastest_linker(self._options[0]))
        command = shlex.join(self._options)
        precompiled = shlex.join(self._toolchain.precompiled("cpp", above + self._prefix.head))
        script = (
            f"{command} {precompiled} -s tests.cpp {linker} -o tests && {command} -c loop.cpp -o loop.o && "
            "HALO_TYPES=1 ./tests > types && stat -c %s types tests && cat types tests loop.o"
        )
        run = run_alone(
            self._sandbox, script, {name: text.encode("utf-8", "replace") for name, text in sources.items()}
        )
        said = run.stderr.decode("utf-8", "replace")
        if run.limit != "-" or (run.exit_code != 0 and not _ERROR.search(said)):
            raise InfrastructureError(f"the tests of a task cannot be compiled: {run.limit} {said.strip()[-300:]}")
        if run.exit_code != 0:
            error = next((line for line in said.splitlines() if _ERROR.search(line)), "")
            return f"without the answer they do not compile: {error[:300]}"
        first, second, data = run.stdout.split(b"\n", 2)
        rows = data[: int(first)].decode().splitlines()
        rest = data[int(first) :]
        return [_read_given(row) for row in rows], rest[: int(second)], rest[int(second) :]

    def _tests_source(self, split: Split, above: str) -> str:
        names = ", ".join(json.dumps(name, ensure_ascii=False) for name in split.names)
        must = "".join(f"{number}, " for number in split.must)
        runtime = part("recipe.hpp").replace("ASSERTIONS", str(split.assertions)).replace("MUST", must)
        return (
            f"{above}{part('wire.hpp')}namespace halo_wire {{ inline const char *const names[] = {{{names}}}; }}\n"
            f'{part("tests.hpp")}{part("value.hpp")}{runtime}{self._included}# 1 "prompt"\n{self._prefix.head}\n'
            f'# 1 "tests"\n{split.tests}\n'
        )

    def _filled(self, split: Split, given: list[_Given]) -> tuple[str, str]:
        """The steps with the types of their arguments in them, and the headers that these need."""
        table = {(one.number, one.at): one for one in given}
        fill = _fill_cpp if self._language == "cpp" else _fill_c

        def filled(mark: re.Match) -> str:
            key = int(mark[1]), int(mark[2])
            if key not in table:
                raise Unsplittable(f"nothing is known of an argument of {split.names[key[0]]}")
            return fill(table[key], mark[3], mark[4])

        steps = _MARK.sub(filled, split.steps)
        if self._language == "c":
            return steps.replace(_WORD_OF_C, ""), ""
        used = {_HEADERS[word] for one in given for word in re.findall(r"\w+", one.type) if word in _HEADERS}
        return steps, "".join(f"#include <{name}>\n" for name in sorted(used | set(_NEEDED)))


def _with_words_of_c(code: str) -> str:
    """Names that are keywords of C++, such as `new`, spelled in another way: the tests' half is compiled as C++."""
    parts, at = [], 0
    for token in scan(code, "c"):
        if token.kind == "word" and token.text in _KEYWORDS:
            parts += [code[at : token.start], _WORD_OF_C]
            at = token.start
    return "".join(parts) + code[at:]


def _is_compared(split: Split, one: _Given) -> bool:
    """Whether it is the tests' side of a comparison with what the answer gives."""
    return one.number in split.compares and (one.at < 0 or not split.captured.get((one.number, one.at)))


def _variables(split: Split, one: _Given) -> set[tuple[str, str]]:
    if one.at >= 0:
        return split.captured.get((one.number, one.at), set())
    return {split.becomes[one.number]} if one.number in split.becomes else set()


def _prefix_names(prefix: Prefix) -> tuple[set[str], set[str]]:
    """What the prompt's head defines, and what it only declares: that is the answer's to define."""
    defined, declared_only = set(), {prefix.open.name} if prefix.open is not None else set()
    for node in syntax.walk(syntax.parse(prefix.head.encode())):
        names = {syntax.text(name) for name in syntax.declared(node)}
        is_prototype = node.type == "declaration" and any(map(syntax.function_of, syntax.declarators(node)))
        if is_prototype and node.parent is not None and node.parent.type in ("translation_unit", "declaration_list"):
            declared_only |= names
        else:
            defined |= names
    return defined - declared_only, declared_only


def _at_their_lines(text: str) -> str:
    """What a preprocessor printed, every line at the number that its markers give it."""
    lines: list[str] = []
    for line in text.splitlines():
        if marker := re.match(r'# (\d+) "(.*?)"', line):
            if marker[2] == "tests.txt":
                at = int(marker[1]) - 1
                lines = lines[:at] + [""] * (at - len(lines))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _read_given(row: str) -> _Given:
    number, at, crosses, is_lvalue, comes_back, kind = row.split("\t")
    spelled = re.sub(r"^halo_wire::Spelled<(.*?) ?>$", r"\1", kind)
    return _Given(int(number), int(at), crosses == "1", is_lvalue == "1", comes_back == "1", spelled)


def _fill_cpp(one: _Given, what: str, name: str) -> str:
    held = f"halo_steps::Held<halo_steps::Same<{one.type}>>"
    if what == "kept":
        return f"auto &{name} = (new {held})->value; (void){name}; "
    if what == "held":
        return f"{held} halo_h{one.number}_{one.at}; auto &{name} = halo_h{one.number}_{one.at}.value; (void){name}; "
    if what == "use":
        return name if one.is_lvalue else f"static_cast<halo_steps::Same<{one.type}> &&>({name})"
    return f"halo_steps::put_back({name}); " if one.comes_back else ""


def _fill_c(one: _Given, what: str, name: str) -> str:
    text = one.type in ("char const*", "const char *")
    if what == "use":
        return name
    if what == "back":
        put = f"halo_put(&{name}, sizeof {name}); " if one.type.endswith("]") else f"halo_value({name}); "
        return put if one.comes_back else ""
    if text:
        return f"const char *{name} = halo_text(); "
    kind = one.type.replace("bool", "_Bool")
    if not _C_TYPE.fullmatch(one.type):
        raise Unsplittable(f"a value of type {one.type} in tests in C")
    return f"__typeof__({kind}) {name}; halo_take(&{name}, sizeof {name}); "


def _packed(made: Recipe | str) -> bytes:
    if isinstance(made, str):
        return json.dumps({"why": made}).encode() + b"\n"
    sizes = {"tests": len(made.tests), "steps": made.steps, "includes": made.includes, "copied": made.copied}
    return json.dumps(sizes).encode() + b"\n" + made.tests + made.loop


def _unpacked(data: bytes) -> Recipe | str:
    head, _, rest = data.partition(b"\n")
    known = json.loads(head)
    if "why" in known:
        return known["why"]
    return Recipe(rest[: known["tests"]], rest[known["tests"] :], known["steps"], known["includes"], known["copied"])


def solution_names(solution: str | None, language: str) -> set[str]:
    """What a task's reference defines at its outer level."""
    if not solution:
        return set()
    try:
        return {item.name for item in items(scan(solution, language)) if item.name and item.name != "main"}
    except Unreadable:
        return set()
