"""How a process is interrupted, and how it dies with the `dvc` that started it.

A stage left over from a killed `dvc` would write into the outputs of the next run.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

INTERRUPTED = 130
GRACE_S = 10.0
"""How long an interrupted stage may take to end by itself before it is ended."""

_PARENT = os.getppid()  # read at import, so that a parent that dies while the stage script loads is noticed


def die_with_parent() -> None:
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
def interruptible() -> Iterator[None]:
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
