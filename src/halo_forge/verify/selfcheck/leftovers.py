"""What judging has left behind on this machine: processes, files, descriptors, threads.

Processes are found by descent, however they hide: while a `Watch` is open this process adopts every orphan below it
(prctl PR_SET_CHILD_SUBREAPER), so a double fork or setsid does not lead out of its tree. Files are looked for in a
temporary folder made for the watch, and by name in the places that a program could reach if nothing held it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "halo-selfcheck"
"""What the names of files begin with that hostile programs try to leave somewhere."""
GRACE_S = 3.0
"""How long what is just ending may take to be gone."""
_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/usr", "/usr/bin", "/usr/local", "/usr/include", "/etc")


class Watch:
    """`with Watch() as watch: …; watch.settle(); …; found = watch.new()`."""

    def __enter__(self) -> Watch:
        self._libc = ctypes.CDLL(None, use_errno=True)
        before = ctypes.c_int()
        self._libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
        self._adopted_before = before.value
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._tempdir_before = tempfile.tempdir, os.environ.get("TMPDIR")
        self._folder = tempfile.TemporaryDirectory(prefix="halo-forge-")
        tempfile.tempdir = os.environ["TMPDIR"] = self._folder.name
        self._marked = set(_marked_files(Path(self._folder.name)))
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, self._adopted_before)
        tempfile.tempdir, variable = self._tempdir_before
        if variable is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = variable
        self._folder.cleanup()

    def settle(self) -> None:
        """Take what is there now as what may be there: a verifier may keep helpers of its own."""
        self._processes = dict(_descendants())
        self._files = set(os.listdir(self._folder.name))
        self._descriptors, self._threads = _descriptors(), _threads()

    def new(self) -> list[str]:
        """What is there and was not before, in words, after a while of grace; processes are killed, all is settled."""
        deadline = time.monotonic() + GRACE_S
        while (found := self._compare()) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in dict(_descendants()).keys() - self._processes.keys() if found else ():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has just ended
        _reap()
        self._marked |= set(_marked_files(Path(self._folder.name)))
        self.settle()
        return found

    def _compare(self) -> list[str]:
        _reap()
        found = []
        processes = dict(_descendants())
        if len(processes) > len(self._processes):  # a helper may be replaced by a new one
            new = processes.keys() - self._processes.keys()
            found += [f"process {pid} ({processes[pid]}) is still running" for pid in sorted(new)]
        files = {*os.listdir(self._folder.name)} - self._files
        marked = set(_marked_files(Path(self._folder.name))) - self._marked
        found += [f"the file {name} lies in the temporary folder" for name in sorted(files)]
        found += [f"the file {path} was made" for path in sorted(marked)]
        if (more := _descriptors() - self._descriptors) > 0:
            found.append(f"{more} more open descriptors")
        if (more := _threads() - self._threads) > 0:
            found.append(f"{more} more threads")
        return found


def _marked_files(own: Path) -> Iterator[str]:
    for place in dict.fromkeys((*_PLACES, str(Path.home()), os.getcwd())):
        try:
            names = os.listdir(place)
        except OSError:
            continue  # not there, or not ours to read; then nobody below us can write there either
        yield from (f"{place}/{name}" for name in names if name.startswith(MARK) and f"{place}/{name}" != str(own))


def _descendants() -> Iterator[tuple[int, str]]:
    """(process id, name) of every living process below this one."""
    parents, names = {}, {}
    for pid, name, state, parent in _processes():
        if state not in ("Z", "X"):
            parents[pid], names[pid] = parent, name
    own = os.getpid()
    for pid in parents.keys() - {own}:
        above = parents[pid]
        while above in parents and above != own:
            above = parents[above]
        if above == own:
            yield pid, names[pid]


def _reap() -> None:
    """Collect processes that were adopted and have ended. Nothing is being judged now, so nobody else waits for one."""
    for pid, _, state, parent in _processes():
        if state == "Z" and parent == os.getpid():
            with contextlib.suppress(ChildProcessError):  # it has just been collected
                os.waitpid(pid, os.WNOHANG)


def _processes() -> Iterator[tuple[int, str, str, int]]:
    """(process id, name, state, parent) of every process that can be seen, as proc(5) has them."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                head, _, tail = file.read().rpartition(b")")
        except OSError:
            continue  # it has just ended
        state, parent = tail.split()[:2]
        yield int(entry), head.partition(b"(")[2].decode("utf-8", "replace"), state.decode("ascii"), int(parent)


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))
