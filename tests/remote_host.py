"""A real OpenSSH server on loopback with keys of its own, and the stand-in for Windows behind it."""

from __future__ import annotations

import getpass
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncssh
import psutil
from needs import SSHD
from verify_tasks import stdio_tests, task_of

from halo_forge.records import CompileTests
from halo_forge.settings.verify import Verify

DRIVER = Path(__file__).with_name("remote_driver.py")

SETTINGS = Verify(run_timeout_s=1.0, compile_timeout_s=60.0, memory_mb=256, max_output_kb=64)
IO = "#include <stdio.h>\n"
RIGHT = 'printf("%d\\n", 2 * n);'


class Server:
    """sshd with a host key, one authorized key and a log, all in `folder`. The port stays the same over restarts."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.user = getpass.getuser()
        self.key = folder / "user_key"
        self.work = folder / "work"
        self.log = folder / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        host_key.write_private_key(folder / "host_key")
        (folder / "host_key").chmod(0o600)
        self.fingerprint = host_key.get_fingerprint()
        self.known = f"[127.0.0.1]:{self.port} {host_key.export_public_key().decode()}"
        user_key = asyncssh.generate_private_key("ssh-ed25519")
        user_key.write_private_key(self.key)
        user_key.write_public_key(folder / "authorized_keys")
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
            "LogLevel VERBOSE\nMaxStartups 100\n"
        )
        self._process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        command = [SSHD, "-D", "-f", str(self.folder / "config"), "-E", str(self.log)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"sshd did not start: {self.log.read_text()}")

    def kill(self) -> None:
        """The server and its connections, at once; what those had started loses its other end."""
        if self._process is None:
            return
        inner = psutil.Process(self._process.pid).children(recursive=True)
        for process in [child for child in inner if child.name() == "sshd"]:
            process.kill()
        self._process.kill()
        self._process.wait()
        self._process = None

    def logins(self) -> int:
        return self.log.read_text(errors="replace").count("Accepted publickey")

    def drivers(self) -> list[psutil.Process]:
        """Drivers of this server that are alive, and what they started."""
        found = []
        for process in psutil.process_iter():
            try:
                if str(self.work) in " ".join(process.cmdline()) and "sshd" not in process.name():
                    found += [process, *process.children(recursive=True)]
            except psutil.Error:
                continue  # it has just ended
        return [process for process in found if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]

    def batches(self) -> list[Path]:
        return list(self.work.glob("batch-*"))


class Standin:
    """In the place of WindowsPlatform. `mode` makes the next driver misbehave, `modes` the drivers after it."""

    files = {"driver.txt": b"The driver of a real host lies here.\r\n"}

    def __init__(self):
        self.modes: list[str] = []
        self.sent: list[bytes] = []

    def command(self, tools: str, batch: str) -> str:
        assert (Path(tools) / "driver.txt").read_bytes() == self.files["driver.txt"]
        self.sent.append((Path(batch) / "batch.txt").read_bytes())
        mode = self.modes.pop(0) if self.modes else ""
        return f"exec {sys.executable} {DRIVER} {batch} {mode}"

    def stop(self, tools: str, batch: str) -> str:
        return f"exec {sys.executable} {DRIVER} --stop {Path(batch).name}"


def task(*cases, language="cpp"):
    """One whose program must only compile, where no cases are given."""
    return task_of(stdio_tests(*cases) if cases else CompileTests(), language)


DOUBLE = task(("4\n", "8\n"), ("5\n", "10\n"))


def program(body=RIGHT, top=IO):
    return top + 'int main(void) { int n; if (scanf("%d", &n) != 1) return 9; ' + body + " }\n"


def judge(verifier, code, wanted=DOUBLE):
    return verifier.judge(wanted, f"```{wanted.language}\n{code}\n```\n")


def judge_all(verifier, codes):
    with ThreadPoolExecutor(len(codes)) as pool:
        return list(pool.map(lambda code: judge(verifier, code), codes))


def in_background(function, *arguments):
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(function, *arguments)
    finally:
        pool.shutdown(wait=False)
