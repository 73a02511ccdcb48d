"""pytest and what it needs, in one folder that the box can read: nothing else of this environment goes in."""

from __future__ import annotations

import compileall
import functools
import hashlib
import importlib.metadata
import py_compile
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from halo_forge.cache import cache_folder, made_once
from halo_forge.errors import InfrastructureError


@functools.cache
def folder() -> Path:
    """The folder, named by what it holds, copied on first use. Raises InfrastructureError if pytest is missing."""
    try:
        distributions = _closure("pytest")
    except importlib.metadata.PackageNotFoundError as error:
        raise InfrastructureError(f"{error.name} is not installed: pip install pytest") from error
    files = sorted(_files(distributions.values()))
    digest = hashlib.sha256()
    for name, source in files:
        digest.update(f"{name}\0{source.stat().st_size}\0".encode() + source.read_bytes())
    versions = "-".join(f"{name}{distribution.version}" for name, distribution in sorted(distributions.items()))
    place = cache_folder("pytest") / f"{versions}-{digest.hexdigest()[:16]}"
    return made_once(place, lambda target: _copy(files, target))


def _closure(name: str) -> dict[str, importlib.metadata.Distribution]:
    from packaging.requirements import Requirement  # slow to import; only who judges Python wants it

    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = [name]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for line in found[name].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name.lower())
    return found


def _files(distributions: Iterable[importlib.metadata.Distribution]) -> Iterator[tuple[str, Path]]:
    """(name below the folder, where it lies) of all that was installed beside each other."""
    for distribution in distributions:
        for file in distribution.files or ():
            source = Path(distribution.locate_file(file))
            if ".." not in file.parts and "__pycache__" not in file.parts and source.is_file():
                yield str(file), source


def _copy(files: Iterable[tuple[str, Path]], target: Path) -> None:
    for name, source in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target / name)
    # The box cannot write, and compiling pytest takes seconds. Unchecked: the copy's times would not match.
    compileall.compile_dir(target, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
