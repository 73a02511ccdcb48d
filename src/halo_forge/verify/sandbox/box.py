"""Runs one answer in a box: bubblewrap around the runner, limits for the whole tree, expected values left outside.

What it covers
- The file system: /usr and the library folders read-only, of /etc only what the linker and the compiler need, the
  interpreter's own prefix, a private /tmp and /dev/shm of limited size. No home, no repository, no host /tmp; the
  environment is emptied.
- Kernel namespaces: pid, network (no interface is up), ipc, uts, mount; the terminal is detached (new session).
- Identity: an unprivileged uid, no capability, no_new_privs. Started as root, every box has a uid of its own, so that
  the process limit binds; started as a user, the box is a user namespace.
- System calls (x86-64, AArch64): no sockets but AF_UNIX, no new user namespaces, no tracing, keys, io_uring, mounting.
- Limits, for each process and for the tree: CPU seconds (first), wall seconds (a backstop), memory, processes, file
  size, open files, bytes printed. The tree's CPU time and memory are looked at every 25 ms; where control groups can
  be written, memory and processes of the whole box are limited by the kernel as well.
- The end: the runner is process 1, so nothing it started outlives it, and it dies with the judge.
- The verdict: expected values are compared out here; the answer cannot signal, trace or write as the runner.

What it does not cover
- Bugs of the kernel; timing and cache side channels; files in /usr that every user may read.
- Without control groups (`isolation` says `bubblewrap+rlimits`): memory that no process has mapped (pipe buffers,
  inodes), beyond what the other limits imply; memory taken between two looks at the tree, at most `memory_mb` for
  each process.
- How loaded the machine is: CPU time is charged to the answer as the kernel counts it.
- `verify.sandbox: none` covers nothing of the above but each process's limits, the clock, and the killing of what was
  started. A hostile program can evade all of it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from halo_forge.errors import InfrastructureError
from halo_forge.settings.verify import Verify
from halo_forge.verify.sandbox import cgroup, interpreter, seccomp
from halo_forge.verify.sandbox.job import BOX_PATH, Job, Limits, Report, read_report

TMP_MB = 64
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = ("/etc/alternatives", "/etc/ld.so.cache")
_ENVIRONMENT = {"PATH": BOX_PATH, "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
_INSIDE = "/halo-forge"
_run_numbers = itertools.count()


class Sandbox:
    """Opens a box for each answer. `run` may be called from any number of threads."""

    def __init__(self, settings: Verify, *, binds: Sequence[Path] = (), inside: Sequence[Path] = ()):
        """`binds`: further files and folders the box may read, at the same path. `inside`: folders of modules that the
        runner may import there."""
        self.boxed = settings.sandbox == "bubblewrap"
        self._binds = [interpreter.prefix(), *binds]
        self._modules = tuple(inside)

    @property
    def _inside(self) -> Path:
        return interpreter.inside(*self._modules)

    @property
    def isolation(self) -> str:
        if not self.boxed:
            return "none"
        return "bubblewrap+cgroup" if cgroup.pool() else "bubblewrap+rlimits"

    def probe(self) -> None:
        """Open an empty box. Raises InfrastructureError with the cure."""
        if self.boxed and shutil.which("bwrap") is None:
            raise InfrastructureError("bubblewrap not found: apt install bubblewrap, or set verify.sandbox: none")
        self.run(Job(files={}, run_limits=Limits(cpu_s=1, memory_mb=256, processes=4, output_kb=4)))

    def run(self, job: Job) -> Report:
        """Compile and run one answer. Raises InfrastructureError if the box did not open or the runner got stuck."""
        with contextlib.ExitStack() as held:
            fds = [] if job.tests is None else [_readable(job.tests, held)]
            tests_fd = fds[0] if fds else None
            if not self.boxed:
                folder = held.enter_context(tempfile.TemporaryDirectory(prefix="halo-forge-"))
                return _run(_python(self._inside), job.encode(folder, None, tests_fd), job.wall_s, fds)
            command = list(self._bwrap)
            if seccomp.supported():
                fds.append(_readable(seccomp.program(), held))
                command += ["--seccomp", str(fds[-1])]
            job_bytes = job.encode("/tmp", _guest_uid(), tests_fd)
            pool = cgroup.pool()
            group = held.enter_context(pool.group(job.memory_mb, job.processes)) if pool else None
            kills = group.kills() if group else 0
            report = _run([*command, *_python(Path(_INSIDE))], job_bytes, job.wall_s, fds, group)
            report.out_of_memory = bool(group) and group.kills() > kills
            return report

    @functools.cached_property
    def _bwrap(self) -> list[str]:
        command = [
            str(shutil.which("bwrap")),
            "--unshare-pid",
            "--unshare-net",
            "--unshare-ipc",
            "--unshare-uts",
            "--as-pid-1",
        ]
        # Not --die-with-parent: bubblewrap killed while its box opens leaves a process that waits for it for ever. The
        # runner sees to it that nothing outlives the judge.
        command += ["--new-session", "--hostname", "box"]
        if os.geteuid() == 0:
            # The runner needs these two to leave root for the box's own uid; with that it loses them.
            command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        else:
            command += ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534"]
        for path in _SYSTEM:
            if os.path.islink(path):
                command += ["--symlink", os.readlink(path), path]
            elif os.path.isdir(path):
                command += ["--ro-bind", path, path]
        command += ["--proc", "/proc", "--dev", "/dev"]
        for folder in ("/dev/shm", "/tmp"):
            command += ["--perms", "1777", "--size", str(TMP_MB << 20), "--tmpfs", folder]
        # After the box's own /tmp: a cache may lie below the host's.
        for path in [*map(Path, _ETC), *self._binds]:
            if path.exists() and not path.is_relative_to("/usr"):
                # Without this bubblewrap copies the host's mode, and the box's uid cannot pass through /root.
                for parent in reversed(path.parents[:-1]):
                    command += ["--perms", "0755", "--dir", str(parent)]
                command += ["--ro-bind", str(path), str(path)]
        command += ["--ro-bind", str(self._inside), _INSIDE]
        command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
        return command


def _enter(group: cgroup.Cgroup, status: int) -> None:
    """Move the box's process 1, whose number bubblewrap writes to `status`, into the group."""
    with open(status, "rb") as file:
        line = file.readline()
        if line:  # else the box did not open, and says why on stderr
            group.add(json.loads(line)["child-pid"])


def _python(inside: Path) -> list[str]:
    return [str(interpreter.executable()), *interpreter.FLAGS, str(inside / "runner.pyc")]


def _readable(data: bytes, held: contextlib.ExitStack) -> int:
    """A descriptor to read `data` from, of a file that has no name."""
    fd = os.memfd_create("halo-forge")
    held.callback(os.close, fd)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _guest_uid() -> int | None:
    """As root: a uid that no other box of this machine is using now, for RLIMIT_NPROC counts by uid."""
    if os.geteuid() != 0:
        return None
    return 50_000 + (os.getpid() * 64 + next(_run_numbers)) % 15_000


def _run(
    command: list[str], job: bytes, wall_s: float, fds: Sequence[int] = (), group: cgroup.Cgroup | None = None
) -> Report:
    status, status_fd = os.pipe() if group else (None, None)
    if group:
        command = [command[0], "--json-status-fd", str(status_fd), *command[1:]]
        # The reading end too: had it no reader left, the judge being killed just now, bubblewrap would die of its
        # message and leave its child waiting for ever. So the box opens, finds no job, and ends.
        fds = [*fds, status, status_fd]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            start_new_session=True,
            pass_fds=fds,
        )
    except OSError as error:
        raise InfrastructureError(f"cannot start {command[0]}: {error.strerror}") from error
    finally:
        if group:
            os.close(status_fd)
    with process:
        try:
            if group:
                _enter(group, status)  # before the job is sent: until then the runner waits
            data, errors = process.communicate(job, timeout=wall_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise InfrastructureError(
                f"the sandbox gave no answer in {wall_s:.0f} s; is the machine overloaded?"
            ) from None
        except BaseException:
            process.kill()
            raise
    report = read_report(data)
    if not report.ready:
        words = errors.decode("utf-8", "replace").strip().split("\n")[-1]
        raise InfrastructureError(
            f"the sandbox did not open: {words or f'exit code {process.returncode}'}; "
            f"try `bwrap --unshare-all --ro-bind / / true`, or set verify.sandbox: none"
        )
    if report.trouble:
        raise InfrastructureError(f"the sandbox broke off: {report.trouble}")
    return report
