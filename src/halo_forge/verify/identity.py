"""What decides a verifier's verdicts beside task and program: the code that judges, and what it says of itself.

The code is the text of the modules that its class and the objects it holds come from (a CompiledVerifier's toolchain)
and of all that these lead to within verify/: an edit of one verifier is none of another. Of a user's own class it is
the text of its module and of the user's modules which that imports; what these read beside is for its `fingerprint` to
say, and so is the version of an installed library.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from halo_forge.imports import PACKAGE, closure, code_digest, imported_names
from halo_forge.verify.core.protocol import Verifier

_VERIFY = Path(__file__).parent
_ALWAYS = (_VERIFY / "late.py",)
"""What decides verdicts and is no part of any verifier."""
_INSTALLED = {"site-packages", "dist-packages"}


def identity(verifier: Verifier) -> list[str]:
    """Digest of its code, name, isolation, and its fingerprint, "" if it has none. Raises what `fingerprint` raises.

    It takes a while to ask.
    """
    return [code_of(verifier), verifier.name, verifier.isolation, getattr(verifier, "fingerprint", str)()]


def code_of(verifier: Verifier) -> str:
    """Digest of the text that judges for this verifier, as this process found it when it was first asked."""
    return _digest(frozenset(_modules(verifier)))


@functools.cache
def _digest(modules: frozenset[Path]) -> str:
    found = closure(*_ALWAYS, *modules)
    return code_digest(file for file in found if file.is_relative_to(_VERIFY) or not file.is_relative_to(PACKAGE))


def _modules(verifier: Verifier) -> Iterator[Path]:
    """The files that define the classes of a verifier and of the objects it holds, and what these inherit from."""
    home = _top(type(verifier).__module__)
    waiting: list[object] = [verifier]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, (list, tuple, set, frozenset)):
            waiting += part
        elif files := [file for kind in type(part).__mro__ for file in _own(kind.__module__, home)]:
            yield from files
            waiting += getattr(part, "__dict__", {}).values()


@functools.cache
def _own(module: str, home: str) -> frozenset[Path]:
    """The files of a module in verify/, or of one of the user's own and of his that it imports; none of any other.

    His own are those that are not installed, and all of the package `home`.
    """
    if _top(module) == PACKAGE.name:
        file = _source(module)
        return frozenset({file} if file and file.is_relative_to(_VERIFY) else ())
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if not name or name in found or _top(name) in {PACKAGE.name, *sys.stdlib_module_names}:
            continue
        file = _source(name)
        if file is None or (_top(name) != home and not _INSTALLED.isdisjoint(file.parts)):
            continue
        found[name] = file
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting.append(package)
        if file.suffix == ".py":
            waiting += imported_names(ast.parse(file.read_bytes(), file), package)
    return frozenset(found.values())


def _top(module: str) -> str:
    return module.split(".")[0]


def _source(name: str) -> Path | None:
    """The file of a module, as an import would find it; nothing is imported."""
    if loaded := getattr(sys.modules.get(name), "__file__", None):
        return Path(loaded).resolve()
    parts, places, spec = name.split("."), None, None
    for end in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:end]), places)
        places = spec.submodule_search_locations if spec else None
        if spec is None or (places is None and end < len(parts)):
            return None
    return Path(spec.origin).resolve() if spec and spec.has_location else None
