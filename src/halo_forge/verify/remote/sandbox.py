"""Runs answers on another machine: what waits is sent in batches over one ssh connection, results come as they fall.

`RemoteSandbox.run` is to a remote host what `Sandbox.run` is to this machine. Any number of threads may call it; one
thread of its own holds an event loop and the connection. A batch is one file sent by sftp, one driver started, one
stream of lines back. An answer whose results are whole keeps them whatever happens afterwards; if the connection or
the driver breaks, the others are sent again, the last time alone, so that one that breaks the host takes no other
down with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import asyncssh

from halo_forge.errors import InfrastructureError
from halo_forge.settings.verify import Host
from halo_forge.verify.remote.batch import Event, encode_batch, read_event
from halo_forge.verify.remote.folder import RemoteFolder
from halo_forge.verify.remote.ssh import Connection
from halo_forge.verify.sandbox.job import Job, Report

MAX_SENDS = 3
WINDOW_S = 0.05
"""How long the first program of a batch waits for company."""
GRACE_S = 5.0
"""For a driver that was told to end."""
STOP_S = 30.0
"""For killing one that did not."""
_WORDS_BYTES = 2000


class Platform(Protocol):
    """What differs between kinds of hosts."""

    files: Mapping[str, bytes]
    """The driver: file name -> content."""

    def command(self, tools: str, batch: str) -> str:
        """The command line that starts the driver, both folders as `Pace.folder` spells them."""

    def stop(self, tools: str, batch: str) -> str:
        """The command line that kills the driver of a batch and all that it started."""


@dataclass(frozen=True)
class Pace:
    """How a host is used. Times in seconds."""

    folder: str
    batch_size: int
    at_once: int
    """Programs side by side on the host; 0 for as many as it has cores."""
    restricted: bool
    start_timeout_s: float
    """For the driver to find its compiler; on the first contact it also builds itself."""
    silence_s: float
    """How long either side bears the other's silence; each gives a sign six times as often."""
    leftovers_age_s: float
    """Batches older than this are nobody's."""


class _Broken(Exception):
    """The driver ended before its batch did."""


@dataclass
class _Program:
    job: Job
    result: asyncio.Future[Report]
    report: Report = field(default_factory=lambda: Report(ready=True))
    sends: int = 0

    def take(self, event: Event) -> None:
        if self.result.done():
            return
        if event.step == "compile":
            self.report.compile = event.run
        elif event.step == "test" and event.run:
            self.report.tests.append(event.run)
        elif event.step == "end":
            self.report.whole = True
            self.result.set_result(self.report)
        elif event.step == "trouble":
            words = event.words.decode("utf-8", "replace")
            self.fail(InfrastructureError(f"the remote host could not run the program: {words}"))

    def fail(self, error: InfrastructureError) -> None:
        if not self.result.done():
            self.result.set_exception(error)


class RemoteSandbox:
    """`host`: where; `platform`: what kind of host; `pace`: how it is used."""

    def __init__(self, host: Host, platform: Platform, pace: Pace):
        self.ready: Event | None = None
        """What the driver last said of its compiler."""
        self._host, self._platform, self._pace = host, platform, pace
        self._connection = Connection(host)
        self._folder = RemoteFolder(pace.folder, platform.files, pace.leftovers_age_s)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._waiting: deque[_Program] = deque()
        self._sent: list[_Program] = []

    def run(self, job: Job) -> Report:
        """Compile and run one answer there. Raises InfrastructureError when that is not the answer's fault."""
        with self._starting:
            if self._thread is None:
                started = threading.Event()
                self._thread = threading.Thread(target=asyncio.run, args=(self._serve(started),), daemon=True)
                self._thread.start()
                started.wait()
            result = asyncio.run_coroutine_threadsafe(self._submit(job), self._loop)
        return result.result()

    def close(self) -> None:
        """End the connection; what still waits gets InfrastructureError. A later `run` connects again."""
        with self._starting:
            if self._thread is not None:
                self._loop.call_soon_threadsafe(self._end)
                self._thread.join()
                self._thread = None

    def _end(self) -> None:
        """A library that is awaited may lose a cancellation; then the batch is the last one."""
        self._ending = True
        self._serving.cancel()

    async def _submit(self, job: Job) -> Report:
        program = _Program(job, self._loop.create_future())
        self._waiting.append(program)
        self._woken.set()
        return await program.result

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._woken = asyncio.get_running_loop(), asyncio.Event()
        self._serving, self._ending = asyncio.current_task(), False
        started.set()
        try:
            while not self._ending:
                self._sent = await self._collect()
                await self._judge(self._sent)
        except asyncio.CancelledError:
            pass  # close()
        finally:
            for program in [*self._sent, *self._waiting]:
                program.fail(InfrastructureError(f"the connection to {self._host} was closed"))
            self._waiting.clear()
            await self._connection.close()
            await asyncio.sleep(0.05)  # lets the waiting threads have it before the loop ends

    async def _collect(self) -> list[_Program]:
        """The next batch: full, or what came within a short window. A program on its last try goes alone."""
        while not self._waiting:
            self._woken.clear()
            await self._woken.wait()
        closing = time.monotonic() + WINDOW_S
        while len(self._waiting) < self._pace.batch_size and time.monotonic() < closing:
            await asyncio.sleep(WINDOW_S / 5)
        batch = [self._waiting.popleft()]
        while self._waiting and len(batch) < self._pace.batch_size:
            if MAX_SENDS - 1 in (batch[0].sends, self._waiting[0].sends):
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _judge(self, batch: Sequence[_Program]) -> None:
        """Every program of the batch gets its result or an error, or waits again."""
        try:
            await self._send(batch)
        except InfrastructureError as error:
            for program in batch:
                program.fail(error)
        except (OSError, asyncssh.Error, _Broken) as error:
            if not isinstance(error, _Broken) or not self._connection.is_open:
                await self._connection.close()
            for program in batch:
                if program.sends >= MAX_SENDS:
                    program.fail(
                        InfrastructureError(
                            f"{self._host} broke off {program.sends} times while it judged a program, the last time: "
                            f"{str(error) or type(error).__name__}"
                        )
                    )
                elif not program.result.done():
                    program.report = Report(ready=True)
                    self._waiting.append(program)

    async def _send(self, batch: Sequence[_Program]) -> None:
        pace = self._pace
        for program in batch:
            program.sends += 1
        if not self._connection.is_open:
            await self._connection.open()
            async with asyncio.timeout(pace.start_timeout_s):
                await self._folder.prepare(self._connection.sftp)
        jobs = [program.job for program in batch]
        data = encode_batch(jobs, at_once=pace.at_once, silence_s=pace.silence_s, restricted=pace.restricted)
        async with asyncio.timeout(pace.start_timeout_s):
            folder = await self._folder.put_batch(self._connection.sftp, data)
        try:
            await self._attend(folder, batch)
        finally:
            if self._connection.is_open:
                async with asyncio.timeout(pace.start_timeout_s):
                    await self._folder.remove(self._connection.sftp, folder)

    async def _attend(self, folder: str, batch: Sequence[_Program]) -> None:
        process, words, aside = None, bytearray(), []
        try:
            async with asyncio.timeout(self._pace.start_timeout_s):
                process = await self._connection.start(self._platform.command(self._folder.tools, folder))
            aside = [asyncio.create_task(_keep_tail(process, words)), asyncio.create_task(self._beat(process))]
            await self._read(process, batch, words)
        finally:
            await self._stop(process, folder)
            for task in aside:
                task.cancel()
            await asyncio.gather(*aside, return_exceptions=True)

    async def _read(self, process: asyncssh.SSHClientProcess, batch: Sequence[_Program], words: bytearray) -> None:
        limits = [limit for program in batch for limit in (program.job.compile_limits, program.job.run_limits) if limit]
        most_bytes = 10_000 + 3 * max(limit.output_kb << 10 for limit in limits)
        lines = _Lines(process.stdout, most_bytes)
        ready, patience_s = False, self._pace.start_timeout_s
        while True:
            try:
                async with asyncio.timeout(patience_s):  # wait_for of Python 3.11 may lose a cancellation
                    line = await lines.next()
                event = read_event(line, len(batch)) if line.startswith(b"{") or ready and line.strip() else None
            except TimeoutError:
                raise InfrastructureError(
                    f"the driver on {self._host} said nothing for {patience_s:.0f} s and was stopped; is the host "
                    f"overloaded? {_last_line(words)}"
                ) from None
            except ValueError as error:
                raise InfrastructureError(f"the driver on {self._host} said what cannot be read: {error}") from error
            if not line:
                await self._explain_end(process, ready, words)
            if event is None:
                continue  # a login shell's greeting
            if event.step == "bye":
                return
            if event.step == "ready":
                self.ready, ready, patience_s = event, True, self._pace.silence_s
            elif event.step != "alive":
                batch[event.job].take(event)

    async def _explain_end(self, process: asyncssh.SSHClientProcess, ready: bool, words: bytearray) -> None:
        await _ended(process)
        said = f"exit code {process.exit_status}" + f", {_last_line(words)}" * bool(words)
        if process.exit_status is None:
            raise ConnectionError("the connection was lost")
        if not ready:
            raise InfrastructureError(f"the driver on {self._host} did not start: {said}")
        raise _Broken(f"the driver ended early: {said}")

    async def _beat(self, process: asyncssh.SSHClientProcess) -> None:
        """A line now and then; a driver that misses them stops by itself."""
        with contextlib.suppress(OSError, asyncssh.Error):
            while True:
                process.stdin.write(b"\n")
                await process.stdin.drain()
                await asyncio.sleep(self._pace.silence_s / 6)

    async def _stop(self, process: asyncssh.SSHClientProcess | None, folder: str) -> None:
        """End a driver: by the end of its input; if it does not mind that, by force; at last with the connection."""
        if process is not None:
            with contextlib.suppress(OSError, asyncssh.Error):
                process.stdin.write_eof()
            if await _ended(process):
                return
        with contextlib.suppress(OSError, asyncssh.Error):
            async with asyncio.timeout(STOP_S):
                force = await self._connection.start(self._platform.stop(self._folder.tools, folder))
                await force.wait_closed()
        if process is None or not await _ended(process):
            await self._connection.close()


async def _ended(process: asyncssh.SSHClientProcess) -> bool:
    """Whether a process is gone, or has gone within the time of grace. A lost connection ends it too."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await process.wait_closed()
        return True
    return False


class _Lines:
    """Lines of any length up to `most_bytes`; an empty one at the end."""

    def __init__(self, stream: asyncssh.SSHReader, most_bytes: int):
        self._stream, self._most_bytes = stream, most_bytes
        self._parts: list[bytes] = []
        self._lines: deque[bytes] = deque()

    async def next(self) -> bytes:
        while not self._lines:
            data = await self._stream.read(1 << 16)
            if not data:
                return b""
            *whole, rest = data.split(b"\n")
            for line in whole:
                self._lines.append(b"".join([*self._parts, line]).strip() or b" ")
                self._parts = []
            self._parts.append(rest)
            if sum(map(len, self._parts)) > self._most_bytes:
                raise ValueError(f"a line of more than {self._most_bytes} bytes")
        return self._lines.popleft()


async def _keep_tail(process: asyncssh.SSHClientProcess, words: bytearray) -> None:
    while data := await process.stderr.read(4096):
        words += data
        del words[:-_WORDS_BYTES]


def _last_line(words: bytes) -> str:
    return words.decode("utf-8", "replace").strip().rpartition("\n")[2].strip()
