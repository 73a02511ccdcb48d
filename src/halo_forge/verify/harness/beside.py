"""The tests and the answer in one process: the guarded mode, for tests that cannot be cut in two (split.py).

It is asked for by `verify.beside: allow` only. Nothing can contain native code inside a process for good: what it could
read and write of its own memory, it could read and write of the tests, and the constants that it is compared with stand
in the code that calls it. So a pass that was reached here is worth less, and the verdict says where it was reached.
The practical ways are closed one by one (gate.py says which), the test code is compiled below the answer so that it
means what it says, and a pass must be proved to the judge outside:

- A random number stands at every assertion that must be reached, and two more stand in the code that runs when all is
  done. They are constants in instructions, new for every judgement, and so are the names of everything around them.
- An assertion that holds mixes its number into a state, one that fails ends the process at once, by a system call
  written in assembly. Where the tests end well, a nonce is read from stdin, mixed with state and constants, and the
  result is written as the last bytes of stdout. The judge computes the same outside and compares.

So exit code 0 proves nothing, nor does a flag, a return from the tests' main, or a message: whoever skips an assertion
does not have its number. Nor can the tests be asked twice, or changed: before any of its code runs the program gives up
copying or replacing itself, filtering its own system calls and making code of data (and starting threads, unless the
tests do). What is left to an answer is to read the tests' machine code while it runs, and to understand it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halo_forge.verify.harness import testcode
from halo_forge.verify.harness.declarations import Item, defined, items, parameters
from halo_forge.verify.harness.join import Joined, Prefix
from halo_forge.verify.harness.tokens import Token, directive, scan

_MASK = (1 << 64) - 1
_LIBRARY = {
    "cmath": "abs fabs pow sqrt cbrt floor ceil round trunc fmod exp log log2 log10 sin cos tan hypot isnan isinf",
    "cstdlib": "abs rand srand atoi atof malloc free",
    "cstring": "strcmp strncmp strlen strcpy strcat strstr strchr memcmp memcpy memset",
    "cstdio": "printf fprintf sprintf snprintf puts fputs putchar",
    "algorithm": "max min sort find count equal reverse is_sorted all_of any_of none_of is_permutation max_element "
    "min_element lexicographical_compare unique swap transform find_if count_if",
    "numeric": "accumulate iota",
    "string": "to_string stoi stol stoll stod stof getline",
    "utility": "make_pair move swap",
    "tuple": "make_tuple tie get",
    "iterator": "begin end distance",
}
_HIDDEN = ("==", "!=", "<", ">", "<=", ">=", "&&", "||", "+", "-", "*", "/", "%", ",")


@dataclass(frozen=True)
class Guarded:
    """A program whose last bytes of output prove that its tests passed."""

    source: str
    includes: str
    """The lines of the source that stand at its head."""
    mark: str
    """What every name of the guard begins with."""
    nonce: bytes
    """What stdin must hold."""
    proof: bytes


def guarded(prefix: Prefix, joined: Joined, tests: str, language: str) -> Guarded:
    """The answer with the tests below it. `tests` must have a `main`."""
    mark, numbers = f"h{secrets.token_hex(8)}", [secrets.randbits(64) for _ in range(3)]
    marked = testcode.mark(tests, language, mark)
    included, test_items = marked.includes, items(scan(tests, language))
    core = Path(__file__).with_name("guard.h").read_text(encoding="utf-8").replace("R_", f"{mark}_")
    for word, value in zip(("SEED", "FIRST", "SECOND"), numbers, strict=True):
        core = core.replace(word, hex(value))
    core = core.replace("ASSERTING", str(int(marked.asserting)))
    renamed = {"main", *joined.renamed}
    if language == "c":
        # Without namespaces, a helper of the answer may have the name of one of the tests'.
        renamed |= defined(test_items).keys() & {item.name for item in joined.items if item.kind == "function"}
    main = next(item for item in test_items if item.name == "main")
    call = f"{mark}_tests({f'1, {mark}_arguments' if parameters(main) else ''})"
    run = f"static char *{mark}_arguments[] = {{0, 0}};\n"
    run += f"static int {mark}_run(void) {{\n    return {mark}_end({call});\n}}\n"
    above = below = ""
    if language == "cpp":
        hidden, headers = _hidden(prefix, joined, test_items, scan(tests, language), mark)
        included = headers + included
        above, inside = _bridge(prefix.open, mark)
        core = f"namespace {mark} {{\n{hidden}{core}{inside}"
        below, run = f"int main() {{ return {mark}::{mark}_run(); }}\n", run + "}\n"
    else:
        below = f"int main(void) {{ return {mark}_run(); }}\n"
    answer = _around(joined, sorted(renamed), mark, f"main.{language}")
    source = (
        f'{joined.includes}# 1 "harness" 3\n{included}# 1 "prompt" 3\n{prefix.head}\n{above}{answer}'
        f'# 1 "harness" 3\n{core}# 1 "tests" 3\n{marked.code}\n# 1 "harness" 3\n{run}{below}'
    )
    nonce = secrets.token_bytes(16)
    return Guarded(
        source, joined.includes + included + prefix.head, mark, nonce, _proof(numbers, marked.numbers, nonce)
    )


def _around(joined: Joined, renamed: Sequence[str], mark: str, name: str) -> str:
    """The answer, between what gives some of its names another spelling and what undoes its macros."""
    macros = [macro for macro in joined.macros if macro not in renamed]
    saved = "".join(f'#pragma push_macro("{macro}")\n' for macro in macros)
    spelled = "".join(f"#define {other} {mark}_{other}\n" for other in renamed)
    undone = "".join(f"#undef {other}\n" for other in renamed)
    undone += "".join(f'#undef {macro}\n#pragma pop_macro("{macro}")\n' for macro in macros)
    if any(token.kind == "directive" and directive(token)[0] == "pragma" for token in joined.tokens):
        undone += "#if !defined(__clang__)\n#pragma GCC reset_options\n#endif\n"
    return f'# 1 "harness" 3\n{saved}{spelled}{joined.source(name)}# 1 "harness" 3\n{undone}'


def _hidden(prefix: Prefix, joined: Joined, test_items: list[Item], tests: list[Token], mark: str) -> tuple[str, str]:
    """Declarations that keep the answer's operators and functions out of the tests' namespace, and their headers.

    An operator of that name in the namespace itself ends the search for others outside of it, except in the namespaces
    of the operands' types, which are std or the answer's own.
    """
    kind = f"{mark}_nothing"
    text = f"struct {kind};\n" + "".join(f"void operator{name}({kind} &, {kind} &);\n" for name in _HIDDEN)
    text += f"void operator!({kind} &);\n"
    used = {token.text for token in tests if token.kind == "word"}
    answers = {item.name for item in joined.items if item.kind == "function"} & used
    asked = {prefix.open.name} if prefix.open is not None else answers if len(answers) == 1 else set()
    taken = asked | defined(test_items).keys() | defined(prefix.items).keys()
    headers = ""
    for header, names in _LIBRARY.items():
        wanted = [name for name in names.split() if name in used - taken]
        text += "".join(f"using std::{name};\n" for name in wanted)
        headers += f"#include <{header}>\n" if wanted else ""
    return text, headers


def _bridge(asked: Item | None, mark: str) -> tuple[str, str]:
    """What makes the function that the prefix opens return the type that the prefix says, whatever the answer's."""
    if asked is None or not asked.says_its_type:
        return "", ""
    return (
        f"{asked.declared_as(f'{mark}_type')};\n",
        f"""
template <class F> struct {mark}_bridge;
template <class R, class... A> struct {mark}_bridge<R(A...)> {{
    static R call(A... a) {{ return ::{asked.name}(static_cast<A &&>(a)...); }}
}};
template <class... A> struct {mark}_bridge<void(A...)> {{
    static void call(A... a) {{ ::{asked.name}(static_cast<A &&>(a)...); }}
}};
static auto &{asked.name} = {mark}_bridge<decltype(::{mark}_type)>::call;
""",
    )


def _proof(numbers: Sequence[int], musts: Sequence[int], nonce: bytes) -> bytes:
    """What the guard of these numbers writes for this nonce when every assertion held."""
    state = numbers[0]
    for number in musts:
        state = ((state ^ number) * 0x9E3779B97F4A7C15 + 1) & _MASK
    halves = int.from_bytes(nonce[:8], "little"), int.from_bytes(nonce[8:], "little")
    first = _mix(state ^ numbers[1] ^ _mix(halves[0]))
    return f"{first:016x}{_mix(first ^ numbers[2] ^ halves[1]):016x}".encode()


def _mix(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)
