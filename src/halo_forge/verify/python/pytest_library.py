"""pytest and what it needs, in one folder that the box can read: nothing else of this environment goes in."""

from __future__ import annotations

import compileall
import functools
import importlib.metadata
import py_compile
import shutil
from collections.abc import Iterable
from pathlib import Path

from halo_forge.cache import cache_folder, made_once
from halo_forge.errors import InfrastructureError


@functools.cache
def folder() -> Path:
    """The folder, copied on first use. Raises InfrastructureError if pytest is not installed."""
    try:
        distributions = _closure("pytest")
    except importlib.metadata.PackageNotFoundError as error:
        raise InfrastructureError(f"{error.name} is not installed: pip install pytest") from error
    name = "-".join(f"{name}{distribution.version}" for name, distribution in sorted(distributions.items()))
    return made_once(cache_folder("pytest") / name, lambda target: _copy(distributions.values(), target))


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


def _copy(distributions: Iterable[importlib.metadata.Distribution], target: Path) -> None:
    for distribution in distributions:
        for file in distribution.files or ():
            source = Path(distribution.locate_file(file))
            if ".." not in file.parts and "__pycache__" not in file.parts and source.is_file():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target / file)
    # The box cannot write, and compiling pytest takes seconds. Unchecked: the copy's times would not match.
    compileall.compile_dir(target, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
