"""The tests and the answer as two processes, where all that crosses is plain data.

The prefix of a harness task ends with the head of the function it asks for, so the function's type is known. The tests
are then compiled without the answer, against a stub that sends its arguments through a pipe, and the answer without
the tests, below a loop that takes such calls (wire.hpp, tests.hpp, answer.hpp). Macros, operators, symbols, static
initialisers and exits of the answer meet nothing of the tests; it can read neither their file, which comes into the
box when the answer is already compiled and is gone before it starts, nor their memory, nor write to their stdout.

The tests' program is the same for every answer to a task: it is built once, in a box too, and kept.

C goes this way too where the function takes and returns numbers: the tests are then compiled as C++, if they are that.
"""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
import shlex
import threading
from dataclasses import dataclass
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.errors import InfrastructureError
from halo_forge.files import whole_file
from halo_forge.verify.compiled.linker import fastest_linker
from halo_forge.verify.cpp import headers
from halo_forge.verify.cpp.gcc import Gcc
from halo_forge.verify.harness.declarations import FUNDAMENTAL, Item, parameters
from halo_forge.verify.harness.join import Joined, Prefix
from halo_forge.verify.harness.testcode import separate
from halo_forge.verify.sandbox.box import Sandbox
from halo_forge.verify.sandbox.job import Job, Limits, Run

BUILD = Limits(cpu_s=120, memory_mb=4096, processes=16, output_kb=32 << 10, file_mb=60)
START = "read -r HALO_NONCE && cat > tests && chmod 700 tests && export HALO_NONCE && exec ./tests"
_STANDARD = {
    *("string", "vector", "array", "deque", "list", "set", "multiset", "unordered_set", "map", "multimap"),
    *("unordered_map", "pair", "tuple", "optional", "complex", "size_t"),
    *("int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t"),
}
_NUMBERS = {text for text in _STANDARD | FUNDAMENTAL if text.endswith("_t")} | FUNDAMENTAL
building = threading.Lock()


@dataclass(frozen=True)
class Function:
    """A function of the answer that the tests call; `declaration` has {} in the place of its name."""

    name: str
    declaration: str


@dataclass(frozen=True)
class Built:
    """A task's two halves, compiled: the tests' program and the answer's loop."""

    tests: bytes
    loop: bytes


def functions(prefix: Prefix, language: str) -> list[Function]:
    """What the tests call: the function whose head ends the prefix; nothing if that does not tell its type.

    An answer has no say in it.
    """
    if prefix.open is None:
        return []
    if language == "c":
        return [_from_prefix(prefix.open)] if _takes_numbers(prefix.open) else []
    return [_from_prefix(prefix.open)] if prefix.open.says_its_type else []


def surely(prefix: Prefix, language: str) -> bool:
    """Whether the prefix says the function's type with the language's and the library's own types: these cross."""
    if not functions(prefix, language):
        return False
    known, item = _STANDARD | FUNDAMENTAL | {"std"}, prefix.open
    types = [item.tokens[: item.name_at], *(one[:-1] if len(one) > 1 else one for one in parameters(item))]
    words = {token.text for tokens in types for token in tokens if token.kind == "word"}
    return words <= known and not any(token.text == "*" for tokens in types for token in tokens)


def build(toolchain: Gcc, sandbox: Sandbox, prefix: Prefix, asked: list[Function], tests: str) -> Built | None:
    """The halves of a task, from the cache or from the compiler; None if its values cannot cross."""
    sources = {"tests.cpp": _tests_source(prefix, asked, tests), "loop.cpp": _loop_source(prefix, asked)}
    options = [*toolchain.options("cpp"), "-w"]
    parts = [*options, headers.version(options[0]), *sources.values()]
    path = cache_folder("harness") / hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
    if not path.exists():
        with building:
            if not path.exists():
                _compile(sandbox, [*options, *toolchain.precompiled("cpp", prefix.head)], sources, path)
    size, _, data = path.read_bytes().partition(b"\n")
    return Built(data[: int(size)], data[int(size) :]) if int(size) else None


def nonce() -> bytes:
    """What only the tests' process is told; it prints that when all of the tests held."""
    return secrets.token_hex(16).encode()


def _from_prefix(item: Item) -> Function:
    return Function(item.name, item.declared_as("{}"))


def _takes_numbers(item: Item) -> bool:
    """Whether a C function's parameters, each with a name, and its result are numbers."""
    given = parameters(item)
    types = [item.tokens[: item.name_at], *(parameter[:-1] for parameter in given)]
    kept = [[token.text for token in tokens if token.text not in ("static", "inline", "extern")] for tokens in types]
    named = all(parameter[-1].text not in _NUMBERS for parameter in given)
    return (
        item.kind == "function" and bool(item.name) and named and all(texts and {*texts} <= _NUMBERS for texts in kept)
    )


@functools.cache
def part(name: str) -> str:
    """A header of this folder as source text."""
    return f'# 1 "{name}" 3\n{Path(__file__).with_name(name).read_text(encoding="utf-8")}\n'


def _declared(asked: list[Function]) -> str:
    return "".join(f"{function.declaration.format(f'halo_type_{n}')};\n" for n, function in enumerate(asked))


def _tests_source(prefix: Prefix, asked: list[Function], tests: str) -> str:
    code, included = separate(tests, "cpp")
    names = ", ".join(f'"{function.name}"' for function in asked)
    stubs = "".join(
        f"static auto &halo_stub_{n} = halo_wire::Stub<{n}, decltype(halo_type_{n})>::call;\n"
        f"#define {function.name} halo_stub_{n}\n"
        for n, function in enumerate(asked)
    )
    named = f"namespace halo_wire {{ inline const char *const names[] = {{{names}}}; }}\n"
    return (
        f'{part("wire.hpp")}{named}{part("tests.hpp")}{included}# 1 "prompt"\n{prefix.head}\n{_declared(asked)}'
        f'{stubs}# 1 "tests"\n{code}\n'
    )


def _loop_source(prefix: Prefix, asked: list[Function]) -> str:
    entries = "".join(f"extern decltype(halo_type_{n}) *halo_entry_{n};\n" for n in range(len(asked)))
    cases = "".join(f"case {n}: halo_wire::answer(in, out, halo_entry_{n}); break; " for n in range(len(asked)))
    return f"""{part("wire.hpp")}{part("answer.hpp")}# 1 "prompt"
{prefix.head}
{_declared(asked)}{entries}
int main() {{
    halo_wire::In in;
    while (halo_wire::receive(3, in)) {{
        halo_wire::Out out;
        switch (halo_wire::Wire<int>::get(in)) {{ {cases}}}
        if (!halo_wire::send(4, out)) break;
    }}
    _exit(0);
}}
"""


def answer_source(prefix: Prefix, joined: Joined, asked: list[Function], language: str) -> str:
    """The answer below the prefix, and what the loop calls below the answer. It knows nothing of the tests."""
    bridges = _c_bridge(prefix, asked[0]) if language == "c" else _bridges(asked)
    return f'{answer_text(prefix, joined, language)}# 1 "bridge" 3\n{bridges}'


def answer_text(prefix: Prefix, joined: Joined, language: str) -> str:
    """The answer below the prefix; what its names and macros would do to what stands below is undone."""
    others = ["main", *joined.renamed]
    renamed = "".join(f"#define {name} halo_answer_{name}\n" for name in others)
    undone = "".join(f"#undef {name}\n" for name in {*others, *joined.macros})
    return f'{joined.includes}# 1 "prompt" 3\n{prefix.head}\n{renamed}{joined.source(f"main.{language}")}{undone}'


def _bridges(asked: list[Function]) -> str:
    bridges = "".join(_BRIDGE.replace("NUMBER", str(n)).replace("NAME", f.name) for n, f in enumerate(asked))
    return f"{_declared(asked)}{_PASS}{bridges}"


def _c_bridge(prefix: Prefix, asked: Function) -> str:
    """For the one function, on numbers, that the prefix opens."""
    names = ", ".join(parameter[-1].text for parameter in parameters(prefix.open))
    kind = asked.declaration.split("{}")[0]
    call = f"return {asked.name}({names});"
    if not re.search(r"\b(void|float|double|bool|_Bool)\b", kind):
        call = f"__auto_type halo_r = {asked.name}({names}); __typeof__({kind}) halo_fit = halo_r; "
        call += "if (halo_fit != halo_r || (halo_fit < 0) != (halo_r < 0)) halo_lost(); return halo_fit;"
    return (
        f"extern void halo_lost(void);\nstatic {asked.declaration.format('halo_bridge')} {{ {call} }}\n"
        f"extern {asked.declaration.format('(*halo_entry_0)')};\n"
        f"{asked.declaration.format('(*halo_entry_0)')} = halo_bridge;\n"
    )


# The answer's function may take and return what converts to the types that were asked for.
_PASS = """
#include <type_traits>
extern "C" [[noreturn]] void halo_lost(void);
// A number must survive the way into the type that was asked for: nothing is cut off or wrapped round.
template <class R, class X> R halo_fit(X &&value) {
    using From = std::remove_cv_t<std::remove_reference_t<X>>;
    if constexpr (std::is_integral_v<R> && !std::is_same_v<R, bool> && std::is_arithmetic_v<From>) {
        const R fitted = static_cast<R>(value);
        if (static_cast<From>(fitted) != value || (fitted < R()) != (value < From())) halo_lost();
        return fitted;
    } else {
        return static_cast<X &&>(value);
    }
}
template <class T> struct halo_pass { using type = T &; };
template <class T> struct halo_pass<T &&> { using type = T &&; };
"""
_BRIDGE = """
template <class F> struct halo_bridge_NUMBER;
template <class R, class... A> struct halo_bridge_NUMBER<R(A...)> {
    static R call(A... a) { return halo_fit<R>(::NAME(static_cast<typename halo_pass<A>::type>(a)...)); }
};
template <class... A> struct halo_bridge_NUMBER<void(A...)> {
    static void call(A... a) { ::NAME(static_cast<typename halo_pass<A>::type>(a)...); }
};
decltype(halo_type_NUMBER) *halo_entry_NUMBER = halo_bridge_NUMBER<decltype(halo_type_NUMBER)>::call;
"""


def _compile(sandbox: Sandbox, options: list[str], sources: dict[str, str], path: Path) -> None:
    command = shlex.join(options)
    linker = shlex.join(fastest_linker(options[0]))
    script = (
        f"{command} -s tests.cpp {linker} -o tests && {command} -c loop.cpp -o loop.o && "
        "stat -c %s tests && cat tests loop.o"
    )
    run = run_alone(sandbox, script, {name: text.encode("utf-8", "replace") for name, text in sources.items()})
    words = run.stderr.decode("utf-8", "replace")
    if run.limit != "-" or (run.exit_code != 0 and "error:" not in words):
        raise InfrastructureError(f"the tests of a task cannot be compiled: {run.limit} {words.strip()[-300:]}")
    with whole_file(path, "wb") as file:
        file.write(run.stdout if run.exit_code == 0 else b"0\n")


def run_alone(sandbox: Sandbox, script: str, files: dict[str, bytes]) -> Run:
    """A shell script in a box, for what a task needs before there is any answer."""
    report = sandbox.run(Job(files, BUILD, cases=[{"stdin": b""}], run=["/bin/sh", "-c", script]))
    if not report.tests:
        raise InfrastructureError("the tests of a task cannot be compiled: the sandbox broke off")
    return report.tests[0]
