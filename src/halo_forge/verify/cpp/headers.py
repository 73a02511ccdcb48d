"""Precompiled standard headers: the same program, compiled in less than half the time, and no other program.

A precompiled <iostream> defines what <iostream> defines and nothing more, so a program that forgot <vector> still does
not compile. Compilers take one precompiled header a program, and only before the first token of code; g++ picks it up
by itself where the header is included first. Where other standard headers stand before it, it is moved to the front
with -include: the order of standard headers carries no meaning ([using.headers] of the C++ standard). clang++ is given
the file itself with -include-pch.

What the headers themselves instantiate is instantiated while they are precompiled (`instantiated`). What is left of
<bits/stdc++.h> is a quarter less without headers that few programs use. So there is a lean one without those, for
programs in which none of the names occurs that only they declare: such a program cannot tell the difference.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from halo_forge.cache import cache_folder, unfinished
from halo_forge.errors import InfrastructureError
from halo_forge.files import read_json, whole_file, write_json
from halo_forge.hashing import digest
from halo_forge.verify.compiled.toolchain import ask, content, reason
from halo_forge.verify.cpp import instantiated
from halo_forge.verify.sandbox.job import BOX_PATH

HEADERS = ("bits/stdc++.h", "iostream")
"""The dearest first; a program gets the first of them that it includes at its head."""
RARE = ("future", "filesystem", "regex", "thread", "shared_mutex", "condition_variable", "mutex", "execution")
RARE += ("memory_resource", "charconv", "scoped_allocator")
"""What the lean <bits/stdc++.h> lacks."""
_UNFINISHED = {"pmr"}
"""Namespaces whose members the lean one names and does not define."""
_RARE_LINE = re.compile(rf"^[ \t]*#[ \t]*include[ \t]*<(?:{'|'.join(RARE)})>.*\n", re.M)
_NAME = re.compile(r"[A-Za-z_]\w*")
_HEAD = re.compile(r"(?:\s+|//[^\n]*(?:\n|$)|/\*.*?\*/|#[ \t]*include[ \t]*<[\w./+]+>)*", re.S)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<([\w./+]+)>", re.M)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_building = threading.Lock()
_fresh: set[Path] = set()
"""Precompiled files that this process has compared with their headers."""


def folder() -> Path:
    """Where they lie: a folder that the sandbox must be able to read."""
    return cache_folder("headers")


def options(compiler: str, flags: list[str], code: str, *, clang: bool = False, whole: bool = False) -> list[str]:
    """Options that make `code` use the precompiled header it includes; building that on first use.

    `whole` says that nothing is added to `code` which could need more than it does.
    """
    header = first_header(code)
    if header is None:
        return []
    if whole and not clang and header == "bits/stdc++.h" and not _needs_rare(compiler, tuple(flags), code):
        path = _lean(compiler, tuple(flags))
    else:
        path = _precompiled(compiler, tuple(flags), header, ".pch" if clang else ".gch")
    if clang:
        return ["-include-pch", str(path)]
    return ["-isystem", str(path.parents[header.count("/")]), "-include", header]


def first_header(code: str) -> str | None:
    """The header of HEADERS among the includes before any code or other directive."""
    if "\\\n" in code or "??/" in code:
        return None  # a line may go on where it seems to end
    head = _COMMENT.sub(" ", _HEAD.match(code)[0])
    included = set(_INCLUDE.findall(head))
    return next((header for header in HEADERS if header in included), None)


@functools.cache
def version(compiler: str) -> str:
    """What the compiler says of itself (its version, target and configuration) and the digest of its file."""
    return ask([compiler, "-v"], f"install {Path(compiler).name} again") + content(compiler)


def _needs_rare(compiler: str, flags: tuple[str, ...], code: str) -> bool:
    pasted = "##" in code or "%:%:" in code  # a name may be put together
    return pasted or not _rare_names(compiler, flags).isdisjoint(_NAME.findall(code))


@functools.cache
def _rare_names(compiler: str, flags: tuple[str, ...]) -> frozenset[str]:
    """The names, macros too, that tell a program which needs the whole <bits/stdc++.h>."""
    return frozenset(read_json(_names_file(_lean(compiler, flags))))


def _names_file(lean: Path) -> Path:
    return lean.with_name("names.json")


def _find_rare_names(compiler: str, flags: tuple[str, ...], lean: str) -> list[str]:
    """Every name that stands in <bits/stdc++.h> and in no header that the lean one includes, and the names of std that
    only the former has: `promise` is a parameter elsewhere, `lock` a member."""
    full = "#include <bits/stdc++.h>\n"
    names = set(_NAME.findall(_preprocessed(compiler, flags, full)))
    known = set(_NAME.findall(_preprocessed(compiler, flags, lean)))
    asked = sorted(name for name in names & known if not name.startswith("_"))
    only = _not_in_std(compiler, flags, lean, asked) - _not_in_std(compiler, flags, full, asked)
    return sorted(names - known | only | _UNFINISHED)


def _not_in_std(compiler: str, flags: tuple[str, ...], header: str, names: Sequence[str]) -> set[str]:
    """Those of `names` that are not declared in namespace std below `header`."""
    lines = "".join(f"using std::{name};\n" for name in names)
    command = [compiler, *flags, "-w", "-fsyntax-only", "-fmax-errors=0", "-x", "c++", "-"]
    text = f'{header}\n#line 1 "names"\nnamespace halo {{\n{lines}}}\n'
    done = subprocess.run(command, input=text, capture_output=True, text=True, env={"PATH": BOX_PATH})
    return {names[int(line) - 2] for line in re.findall(r"^names:(\d+):\d+: error:", done.stderr, re.M)}


def _lean(compiler: str, flags: tuple[str, ...]) -> Path:
    """The precompiled lean <bits/stdc++.h>: the compiler's own file without the lines that include RARE."""
    path = _folder_of(compiler, (*flags, *RARE)) / "bits/stdc++.h.gch"
    with _building:
        if not _is_fresh(path):
            text = _preprocessed(compiler, flags, "#include <bits/stdc++.h>\n", "-dD")
            original = re.search(r'^# 1 "([^"]*/bits/stdc\+\+\.h)"', text, re.M)
            if original is None:
                raise InfrastructureError(f"{compiler} has no <bits/stdc++.h>")
            lean = _RARE_LINE.sub("", Path(original[1]).read_text(encoding="utf-8"))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(_names_file(path), _find_rare_names(compiler, flags, lean))
            _build(compiler, flags, lean, path)
    return path


def _preprocessed(compiler: str, flags: tuple[str, ...], text: str, *more: str) -> str:
    command = [compiler, *flags, "-E", *(more or ("-dD", "-P")), "-x", "c++", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, env={"PATH": BOX_PATH})
    if done.returncode != 0:
        raise InfrastructureError(f"{compiler} cannot read its own headers: {reason(done.stderr)}")
    return done.stdout


def _folder_of(compiler: str, what: tuple[str, ...]) -> Path:
    return folder() / hashlib.sha256("\0".join([compiler, version(compiler), *what, "4"]).encode()).hexdigest()[:16]


def _precompiled(compiler: str, flags: tuple[str, ...], header: str, suffix: str) -> Path:
    """The precompiled file, in a folder by compiler, its version and flags."""
    path = _folder_of(compiler, flags) / f"{header}{suffix}"
    with _building:
        if not _is_fresh(path):
            _build(compiler, flags, f"#include_next <{header}>\n", path)
    return path


def _is_fresh(path: Path) -> bool:
    """Whether a precompiled file is there and no header that it was made from has changed (make's rules, by content).

    Compilers do not see to that: both go on with the old ones.
    """
    made_from = path.with_suffix(".json")
    if not path.exists() or not made_from.exists():
        return False
    if path not in _fresh and read_json(made_from) == _digests(read_json(made_from)):
        _fresh.add(path)
    return path in _fresh


def _digests(files: Iterable[str]) -> dict[str, str]:
    """file -> SHA-256, "" for one that is gone."""
    return {file: digest(file) if os.path.exists(file) else "" for file in files}


def _build(compiler: str, flags: tuple[str, ...], text: str, path: Path) -> None:
    clang = path.suffix == ".pch"
    # g++ takes the precompiled file in the place of this header, and reads this one wherever that cannot be.
    stub = path.with_suffix("")
    with whole_file(stub) as file:
        file.write(text if clang else text + instantiated.PRAGMA)
    with unfinished(path) as scratch:
        if _is_fresh(path):
            return  # another process has built it meanwhile
        built, rule = scratch / f"built{path.suffix}", scratch / "built.d"
        command = [compiler, *flags, "-w", "-x", "c++-header", str(stub), "-o", str(built), "-MD", "-MF", str(rule)]
        # clang refuses every program once the time of the stub has changed, which another process may write again.
        command += ["-Xclang", "-fno-pch-timestamp"] if clang else []
        command += instantiated.options(compiler, _folder_of(compiler, ("plugin",)), clang=clang)
        done = subprocess.run(command, capture_output=True, text=True, env={"PATH": BOX_PATH})
        if done.returncode != 0:
            raise InfrastructureError(f"{compiler} cannot precompile {stub}: {reason(done.stderr)}")
        os.replace(built, path)
        _, _, files = rule.read_text(encoding="utf-8").replace("\\\n", " ").partition(": ")
        write_json(path.with_suffix(".json"), _digests(files.split()))
