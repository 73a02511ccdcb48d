"""Memory and process limits for a whole box, where the kernel's control groups may be written (version 1 or 2).

They bind between the runner's looks at the tree and count what no process has mapped (tmpfs, pipes). One group serves
one box at a time and is used again by the next; groups of a judge that was killed are removed by the next one.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import queue
import re
import threading
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"halo-forge-(\d+)-\d+")
_HEADROOM_MB = 192
"""What is not the answer's: the runner, the referee, the box's tmpfs when full."""
_HEADROOM_PROCESSES = 8


class Cgroup:
    """One group: a folder in each of the hierarchies that limit memory and processes."""

    def __init__(self, parents: dict[str, Path], name: str):
        self._folders = {kind: parent / name for kind, parent in parents.items()}
        for folder in self._folders.values():
            folder.mkdir()

    def limit(self, memory_mb: int, processes: int) -> None:
        """Set the limits, headroom added. Raises OSError."""
        memory, limit = self._folders["memory"], str((memory_mb + _HEADROOM_MB) << 20)
        if (memory / "memory.max").exists():
            (memory / "memory.max").write_text(limit)
            _write_if_there(memory / "memory.swap.max", "0")
        else:
            together = memory / "memory.memsw.limit_in_bytes"  # memory and swap: never below memory alone
            _write_if_there(together, "-1")
            (memory / "memory.limit_in_bytes").write_text(limit)
            _write_if_there(together, limit)
        (self._folders["pids"] / "pids.max").write_text(str(processes + _HEADROOM_PROCESSES))

    def add(self, pid: int) -> None:
        """Move a process in; what it starts from now on belongs here too."""
        for folder in self._folders.values():
            with contextlib.suppress(ProcessLookupError):  # the box has ended already; its report says why
                (folder / "cgroup.procs").write_text(str(pid))

    def kills(self) -> int:
        """How often the kernel has killed a process of this group for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            path = self._folders["memory"] / name
            if path.exists():
                words = path.read_text().split()
                return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0
        return 0

    def remove(self) -> None:
        for folder in self._folders.values():
            with contextlib.suppress(OSError):  # a process is just ending in it; the next judge removes it
                folder.rmdir()


class Pool:
    """Groups for the boxes of this process, made as they are needed."""

    def __init__(self, parents: dict[str, Path]):
        self._parents, self._made, self._making = parents, 0, threading.Lock()
        self._free: queue.SimpleQueue[Cgroup] = queue.SimpleQueue()
        atexit.register(self.close)

    @contextlib.contextmanager
    def group(self, memory_mb: int, processes: int) -> Iterator[Cgroup]:
        try:
            group = self._free.get_nowait()
        except queue.Empty:
            with self._making:  # no two threads may take the same number
                self._made += 1
                group = Cgroup(self._parents, f"halo-forge-{os.getpid()}-{self._made}")
        try:
            group.limit(memory_mb, processes)
            yield group
        finally:
            self._free.put(group)

    def close(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._free.get_nowait().remove()


@functools.cache
def pool() -> Pool | None:
    """The groups of this process, or None where they cannot be made (then rlimits alone hold)."""
    parents = _parents()
    if parents is None:
        return None
    for parent in parents.values():
        _remove_leftovers(parent)
    try:
        trial = Cgroup(parents, f"halo-forge-{os.getpid()}-0")
    except OSError:
        return None
    try:
        trial.limit(64, 1)
    except OSError:
        return None
    finally:
        trial.remove()
    return Pool(parents)


def _write_if_there(path: Path, text: str) -> None:
    """For swap, which a kernel may not count; then there is none, or the limit on memory has to do."""
    if path.exists():
        path.write_text(text)


def _parents() -> dict[str, Path] | None:
    """The folders of this process's own groups that limit memory and processes (proc(5), cgroups(7))."""
    try:
        own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return None
    found: dict[str, Path] = {}
    for _, place, kind, options, *_ in mounts:
        for _, controllers, path in own:
            for controller in ("memory", "pids"):
                if kind == "cgroup" and controller in options.split(",") and controller in controllers.split(","):
                    found[controller] = Path(place + path)
            if kind == "cgroup2" and not controllers and {"memory", "pids"} <= _enabled(Path(place + path)):
                found.setdefault("memory", Path(place + path))
                found.setdefault("pids", Path(place + path))
    return found if len(found) == 2 and all(os.access(path, os.W_OK) for path in found.values()) else None


def _enabled(folder: Path) -> set[str]:
    """Version 2: what groups below `folder` can be limited in."""
    try:
        return set((folder / "cgroup.subtree_control").read_text().split())
    except OSError:
        return set()


def _remove_leftovers(parent: Path) -> None:
    for folder in parent.glob("halo-forge-*"):
        owner = _NAME.fullmatch(folder.name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            with contextlib.suppress(OSError):  # its last process is just ending
                folder.rmdir()
