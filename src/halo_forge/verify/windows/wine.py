"""Windows programs by Wine, without a desktop and without Wine's services: a console program needs neither.

Wine keeps a Windows installation (its "prefix") in a folder that must belong to whoever runs it. One is made once,
outside the box; inside, every program gets a prefix of its own that points to that one's files, which it cannot write.
"""

from __future__ import annotations

import filecmp
import functools
import hashlib
import shutil
import subprocess
import threading
from pathlib import Path

from halo_forge.cache import cache_folder, made_once
from halo_forge.errors import InfrastructureError
from halo_forge.verify.compiled.toolchain import ask, content, reason
from halo_forge.verify.sandbox.job import BOX_PATH

ADDRESS_SPACE_MB = 2048
START_S = 2.0
OPEN_FILES = 512
SETUP_TIMEOUT_S = 300
_NO_PROGRAM = (
    "mscoree mshtml winemenubuilder.exe services.exe explorer.exe plugplay.exe winedevice.exe svchost.exe winedbg.exe"
)
_ENVIRONMENT = {
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": ";".join(f"{name}=" for name in _NO_PROGRAM.split()),
    "LANG": "C",  # MinGW's std::locale("") throws at any other name; Windows itself sets none
}
_SETUP = {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree=;mshtml=;winemenubuilder.exe="}
_CURE = "apt install wine wine64"
_making = threading.Lock()


def missing() -> str | None:
    """Why Windows programs cannot be run here, with the cure; None if they can."""
    found = shutil.which("wine", path=BOX_PATH)
    return _broken(found) if found else f"no wine: {_CURE}"


def folder() -> Path:
    """The installation that all programs share; made on first use (seconds). Raises InfrastructureError."""
    with _making:
        return made_once(cache_folder("wine") / version(), _make)


def command(program: str) -> str:
    """A shell command that turns into `program`, a Windows program of the current folder."""
    shared = str(folder())
    settings = " ".join(f"{name}='{value}'" for name, value in _ENVIRONMENT.items())
    return (
        f"if [ ! -d wine ]; then mkdir -p wine/dosdevices && cp {shared}/*.reg {shared}/.update-timestamp wine && "
        f"ln -s {shared}/drive_c wine/drive_c && ln -s ../drive_c wine/dosdevices/c: && "
        f'ln -s / wine/dosdevices/z:; fi; WINEPREFIX="$PWD/wine" {settings} exec wine {program}'
    )


def version() -> str:
    """A name for the installed version. Raises InfrastructureError if wine is missing or does not start."""
    found = shutil.which("wine", path=BOX_PATH)
    if found is None:
        raise InfrastructureError(f"no wine: {_CURE}")
    return _version(found)


@functools.cache
def _version(found: str) -> str:
    return hashlib.sha256((ask([found, "--version"], _CURE) + content(found)).encode()).hexdigest()[:16]


@functools.cache
def _broken(found: str) -> str | None:
    try:
        _version(found)
    except InfrastructureError as error:
        return str(error)
    return None


def _make(place: Path) -> None:
    environment = {"PATH": BOX_PATH, "HOME": str(place), "WINEPREFIX": str(place), **_SETUP}
    said = ""
    for step in (["wine", "wineboot", "--init"], ["wineserver", "--wait"]):
        try:
            done = subprocess.run(step, capture_output=True, text=True, env=environment, timeout=SETUP_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InfrastructureError(f"wine cannot be set up: {error}; {_CURE}") from error
        said += done.stderr
    if not (place / "drive_c/windows/system32/kernel32.dll").exists():
        raise InfrastructureError(f"wine cannot be set up: {reason(said)}; {_CURE}")
    _share(place / "drive_c")
    place.chmod(0o755)


def _share(drive: Path) -> None:
    """Replace copies of Wine's own files by links to them: a few megabytes instead of hundreds."""
    own = {path.name.lower(): path for path in Path("/usr/lib").glob("*/wine/*-windows/*") if path.is_file()}
    for path in list(drive.rglob("*")):
        source = own.get(path.name.lower())
        if source and path.is_file() and not path.is_symlink() and filecmp.cmp(path, source, shallow=False):
            path.unlink()
            path.symlink_to(source)
