"""How a stage or command starts and ends: quiet surroundings, errors as lines, exit codes.

A process ends with 0, the exit code of a HaloForgeError, 3 for a full disk, or 130 when interrupted.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from halo_forge.errors import HaloForgeError, InfrastructureError
from halo_forge.interrupts import INTERRUPTED, interruptible
from halo_forge.state import drop_state


def exit_code(main: Callable[[], None]) -> int:
    """Run `main` and return what the process should end with.

    Errors meant for the user are printed as `error: …` lines; any other exception is a bug and keeps its traceback.
    """
    _quiet_surroundings()
    with interruptible():
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
