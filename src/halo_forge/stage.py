"""What every stage script shares: how it starts, ends, is interrupted, and where it keeps unfinished work.

A stage ends with 0, the exit code of a HaloForgeError, 3 for a full disk, or 130 when interrupted. It dies with the
`dvc` that started it: a stage left over from a killed `dvc` would write into the outputs of the next run.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from halo_forge.errors import HaloForgeError, InfrastructureError, InputError

INTERRUPTED = 130
GRACE_S = 10.0
"""How long an interrupted stage may take to end by itself before it is ended."""

_PARENT = os.getppid()  # read at import, so that a parent that dies while the stage script loads is noticed
_held: dict[Path, int] = {}  # state folders of this process: folder -> descriptor of its lock


def stage(main: Callable[[], None]) -> int:
    """Run a stage's `main` and return its exit code: `if __name__ == "__main__": sys.exit(stage(main))`."""
    if "DVC_STAGE" in os.environ:
        _die_with_parent()
    return exit_code(main)


def exit_code(main: Callable[[], None]) -> int:
    """Run `main` and return what the process should end with.

    Errors meant for the user are printed as `error: …` lines; any other exception is a bug and keeps its traceback.
    """
    _quiet_surroundings()
    with _interruptible():
        try:
            main()
            drop_state()
            return 0
        except SystemExit as end:  # how argparse and typer end
            if end.code in (None, 0):
                drop_state()
            raise
        except HaloForgeError as error:
            return _fail(error, error.exit_code)
        except KeyboardInterrupt:
            print("interrupted; run the same command again to resume", file=sys.stderr)
            return INTERRUPTED
        except Exception as error:
            full = _disk_full(error)
            if full is None:
                raise
            return _fail(full, InfrastructureError.exit_code)


def state_dir(name: str, inputs: object) -> Path:
    """The folder for the unfinished work of stage `name`, kept over a kill and removed once the stage succeeded.

    It lies outside the DVC outputs, at `$DVC_ROOT/.state/<name>-<hash of inputs>`; `inputs` is JSON (settings, and the
    `digest` of every input file), pydantic models and paths included, so that other inputs never resume this work.
    A run that wants a folder in use by another process waits for it.
    """
    root = Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()
    folder = root / ".state" / f"{name}-{fingerprint(inputs)}"
    if folder not in _held:
        _held[folder] = _lock(folder.with_name(folder.name + ".lock"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fingerprint(inputs: object) -> str:
    """16 hexadecimal digits that name `inputs`: JSON, pydantic models and paths."""
    text = json.dumps(inputs, sort_keys=True, default=_as_json)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's relative file names and bytes. Raises InputError if missing."""
    path = Path(path)
    if path.is_dir():
        lines = [
            f"{file.relative_to(path).as_posix()}\0{digest(file)}\n"
            for file in sorted(path.rglob("*"), key=lambda file: file.relative_to(path).as_posix())
            if file.is_file()
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file or folder") from error


def _as_json(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"fingerprint: {type(value).__name__} is not JSON, a pydantic model or a path")


def _lock(path: Path) -> int:
    """Take the lock file `path` for the life of this process; it vanishes with its owner's success."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode() or "unknown"
            print(f"process {owner} is doing the same work; waiting for it to end", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(os.fstat(lock), path.stat()):
            os.truncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            return lock
        os.close(lock)  # its last owner removed the file: what we locked is no longer the lock


def drop_state() -> None:
    """Remove the unfinished work of this process, now finished, and let go of its locks."""
    for folder, lock in _held.items():
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(folder.name + ".lock").unlink(missing_ok=True)
        os.close(lock)
    _held.clear()


def _die_with_parent() -> None:
    """Have SIGTERM sent to this process when the `dvc` that started it dies; outside Linux the stage outlives it."""
    if sys.platform != "linux":
        return
    set_parent_death_signal = 1  # prctl(2)
    ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != _PARENT:  # it died before the request was made, so no signal will come
        sys.exit(INTERRUPTED)
    command, grandparent = _name_and_parent(_PARENT)
    if not command.endswith("sh"):
        return

    # dvc starts a stage with `$SHELL -c`: bash and zsh become the stage, but dash stays between, and outlives dvc.
    def watch() -> None:
        while _name_and_parent(_PARENT)[1] == grandparent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _name_and_parent(process: int) -> tuple[str, int]:
    """The command name and the parent of a process, from proc(5); ("", 0) when it is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except OSError:
        return "", 0
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, int(rest.split()[1])


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, and end the process when that takes longer than GRACE_S.

    Python runs signal handlers between bytecodes, and one call of an inference engine can last minutes. The
    interpreter writes the signal's number to the wake-up descriptor at once, where a thread waits for it.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def watch() -> None:
        while number := os.read(reader, 1):
            if number[0] in (signal.SIGINT, signal.SIGTERM) and not ended.wait(GRACE_S):
                os._exit(INTERRUPTED)
        os.close(reader)

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ended = threading.Event()
    old_handler = signal.signal(signal.SIGTERM, interrupt)
    old_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=watch, name="interrupt watch", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(old_writer)
        signal.signal(signal.SIGTERM, old_handler)
        os.close(writer)


def _quiet_surroundings() -> None:
    """Log to stderr, pass lines on at once in a pipe, and keep libraries from reporting home or drawing bars."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("halo_forge").setLevel(logging.INFO)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    for library in ("transformers", "torch", "peft", "mlflow"):  # what they will change is no news to a user
        warnings.filterwarnings("ignore", category=FutureWarning, module=rf"{library}\.")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TQDM_DISABLE", "1")


def _fail(message: object, code: int) -> int:
    for line in str(message).splitlines() or ["failed"]:
        print(f"error: {line}", file=sys.stderr)
    return code


def _disk_full(error: BaseException | None) -> str | None:
    """The line to show if `error`, or what it came from, is a full disk or quota; else None."""
    while error is not None:
        number = getattr(error, "errno", None) if isinstance(error, OSError) else None
        # Writers in C++ and Rust (torch, safetensors) carry the system's words, not its number.
        if number in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error):
            place = Path(getattr(error, "filename", None) or _fullest_place())
            free_mb = shutil.disk_usage(place if place.exists() else place.parent).free / 1e6
            return (
                f"{place}: the disk is full ({free_mb:.0f} MB free); free some space "
                "(`dvc gc -w` drops cached results of other runs), then run the same command again to resume"
            )
        error = error.__cause__ or error.__context__
    return None


def _fullest_place() -> str:
    places = {os.environ.get("DVC_ROOT") or os.getcwd(), os.getcwd(), tempfile.gettempdir()}
    return min(sorted(places), key=lambda place: shutil.disk_usage(place).free)
