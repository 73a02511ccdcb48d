"""Which files of this project decide what a module does: itself, what it imports, what it reads or runs beside it.

Made from the text alone, nothing is imported: `import` statements wherever they stand (in functions too), and files
that are no modules (C++ sources, YAML, templates, the modules that run inside the sandbox) where a string of the
module names them, their folder or their ending.
"""

from __future__ import annotations

import ast
import fnmatch
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent
_NO_MODULES = "inside"
"""The name of folders whose modules are never imported: they run in the sandbox as they are."""


def closure(*files: Path) -> set[Path]:
    """`files` and all that they lead to within the package, `files` themselves wherever they lie."""
    found: set[Path] = set()
    waiting = [file.resolve() for file in files]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += direct(file) if file.suffix == ".py" else ()
    return found


@functools.cache
def direct(file: Path) -> frozenset[Path]:
    """What a module imports of the package, and the files beside it that it names."""
    tree = ast.parse(file.read_bytes(), file)
    return frozenset({*_imported(tree, file), *_named(tree, file)} - {file})


def module_file(name: str) -> Path | None:
    """The file of a module of the package, such as `halo_forge.records`; None for a package without code, or none."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return None
    place = PACKAGE.joinpath(*parts[1:])
    if place.with_suffix(".py").is_file():
        return place.with_suffix(".py")
    init = place / "__init__.py"
    return init if init.is_file() and _has_code(init) else None


def code_digest(files: Iterable[Path]) -> str:
    """SHA-256 of the names and bytes of files of the package."""
    digest = hashlib.sha256()
    for path in sorted(files):
        name = path.relative_to(PACKAGE) if path.is_relative_to(PACKAGE) else path.name
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def imported_names(tree: ast.Module, package: str = "") -> Iterator[str]:
    """Every name that an import statement may mean as a module: of `from a.b import c` it is `a.b` and `a.b.c`.

    `package` is the module's own, which relative names count from.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            yield from (start, *(f"{start}.{alias.name}" for alias in node.names))


def _imported(tree: ast.Module, file: Path) -> Iterator[Path]:
    for name in imported_names(tree):
        if found := module_file(name):
            yield found
        elif (file.parent / f"{name}.py").is_file() and not file.is_relative_to(PACKAGE):
            yield file.parent / f"{name}.py"  # `from begin import stage`: a module beside the script


def _named(tree: ast.Module, file: Path) -> Iterator[Path]:
    if not file.is_relative_to(PACKAGE):
        return
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    words = {word for word in words if any(map(str.isalnum, word))}  # "*" names nothing
    for path in beside(file.parent):
        relative = path.relative_to(file.parent)
        if any(fnmatch.fnmatchcase(name, word) for name in (relative.parts[0], relative.name) for word in words):
            yield path


@functools.cache
def beside(folder: Path) -> tuple[Path, ...]:
    """The files in a package's folder, and below it in folders that are no packages, that are no modules."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name != "__pycache__" and (path.name == _NO_MODULES or not _is_package(path)):
            found += [file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix != ".pyc"]
        elif path.is_file() and path.suffix not in (".py", ".pyc"):
            found.append(path)
    return tuple(found)


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").exists()


def _has_code(init: Path) -> bool:
    body = ast.parse(init.read_bytes()).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)
