"""Stand-in for the driver of a Windows host: the same batch file, the same lines back, g++ in the place of cl.

    remote_driver.py BATCH [MODE]
    remote_driver.py --stop NAME        kill the driver of a batch and what it started

MODE makes it misbehave: see `main`.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

TICK_S = 0.02
LOOK_S = 0.5
speaking = threading.Lock()
last_sign = time.monotonic()
stopping = False
live: set[int] = set()


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def word(self) -> bytes:
        end = self.at
        while self.data[end] not in b" \n":
            end += 1
        start, self.at = self.at, end + 1
        return self.data[start:end]

    def number(self) -> int:
        return int(self.word())

    def blob(self) -> bytes:
        size = self.number()
        self.at += size
        return self.data[self.at - size : self.at]

    def limits(self) -> dict[str, int]:
        return {key: self.number() for key in ("cpu_ms", "wall_ms", "memory", "processes", "output")}

    def job(self) -> dict:
        return {
            "compile": self.blob().decode(),
            "program": self.blob().decode(),
            "compile_limits": self.limits(),
            "run_limits": self.limits(),
            "files": [(self.blob().decode(), self.blob()) for _ in range(self.number())],
            "inputs": [self.blob() for _ in range(self.number())],
        }


def say(**row) -> None:
    for key, value in row.items():
        if isinstance(value, bytes):
            row[key] = base64.b64encode(value).decode()
    with speaking:
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


def run(
    step: str, number: int, argv: list[str], folder: Path, stdin: bytes, limits: dict, mode: str
) -> tuple[int, str]:
    def confine() -> None:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: as a job object that is closed
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))

    started, limit = time.monotonic(), "-"
    child = subprocess.Popen(
        argv,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=confine,
    )
    live.add(child.pid)
    kept = [bytearray(), bytearray()]
    over = threading.Event()

    def collect(stream, into: bytearray) -> None:
        while data := stream.read1(1 << 14):
            into += data[: limits["output"] - len(into)]
            if len(into) >= limits["output"]:
                over.set()

    def feed() -> None:
        try:
            child.stdin.write(stdin)
            child.stdin.close()
        except BrokenPipeError:
            pass

    threads = [
        threading.Thread(target=collect, args=pair) for pair in zip((child.stdout, child.stderr), kept, strict=True)
    ]
    threads.append(threading.Thread(target=feed))
    for thread in threads:
        thread.start()
    process, cpu_ms = psutil.Process(child.pid), 0
    looked, used, idle_ms = started, 0, 0.0
    while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(TICK_S)
        times = process.cpu_times()
        cpu_ms = int(1000 * (times.user + times.system))
        if over.is_set():
            limit = "output"
        elif cpu_ms > limits["cpu_ms"]:
            limit = "cpu"
        now = time.monotonic()
        if now - looked > LOOK_S:  # only time in which it used no core counts
            idle_ms += 1000 * (now - looked) * (cpu_ms == used)
            looked, used = now, cpu_ms
        if limit == "-" and idle_ms > limits["wall_ms"]:
            limit = "wall"
        if limit != "-":
            break
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    exit_code = child.wait()
    live.discard(child.pid)
    for thread in threads:
        thread.join()
    if limit == "-" and over.is_set():
        limit = "output"
    out, err = map(bytes, kept)
    if step == "compile":
        # As cl does it: the name of the source, then the diagnostics, on stdout, in the console's code page.
        said = argv[-1] + "\n" + err.decode("utf-8", "replace")
        out, err = said.replace("\n", "\r\n").encode("cp850" if mode == "codepage" else "utf-8", "replace"), b""
    if exit_code == -signal.SIGSEGV:
        exit_code = 0xC0000005
    wall_ms = int(1000 * (time.monotonic() - started))
    if not stopping:
        say(step=step, job=number, exit_code=exit_code, cpu_ms=cpu_ms, wall_ms=wall_ms, limit=limit, out=out, err=err)
    return exit_code, limit


def judge(number: int, job: dict, batch: Path, timeouts_allowed: int, mode: str) -> None:
    folder = batch / f"j{number}"
    folder.mkdir()
    for name, data in job["files"]:
        (folder / name).write_bytes(data)
    source = job["files"][0][0]
    flags = job["compile"].split()
    compiler = ["gcc", "-std=c17"] if "/TC" in flags else ["g++", "-std=c++17"]
    result = ["-c"] if "/c" in flags else ["-o", job["program"]]
    command = [*compiler, "-Wall", "-Wextra", "-fdiagnostics-color=never", *result, source]
    exit_code, limit = run("compile", number, command, folder, b"", job["compile_limits"], mode)
    timeouts = 0
    if exit_code == 0 and limit == "-" and job["program"]:
        for stdin in job["inputs"]:
            program = [str(folder / job["program"])]
            _, limit = run("test", number, program, folder, stdin, job["run_limits"], mode)
            if mode == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            timeouts += limit in ("cpu", "wall")
            if timeouts >= timeouts_allowed or stopping:
                break
    shutil.rmtree(folder)
    if not stopping:
        say(step="end", job=number)


def listen() -> None:
    global last_sign
    while os.read(0, 256):
        last_sign = time.monotonic()
    last_sign = float("-inf")


def stop(batch: Path, workers: list[threading.Thread]) -> None:
    global stopping
    stopping = True
    for worker in workers:
        while worker.is_alive():
            for pid in list(live):
                try:
                    os.killpg(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            worker.join(0.1)
    shutil.rmtree(batch, ignore_errors=True)
    os._exit(4)


def main(batch: Path, mode: str) -> None:
    if mode == "refuse":  # a host without a compiler
        sys.exit("Visual Studio is not installed: install the Build Tools with the C++ workload")
    if mode == "mute":  # never a word
        time.sleep(3600)
    print("Welcome to this host", flush=True)  # as the profile of a login shell might
    reader = Reader((batch / "batch.txt").read_bytes())
    assert (reader.word(), reader.number()) == (b"halo-forge", 1)
    at_once, silence_s, _, timeouts_allowed = (reader.number() for _ in range(4))
    silence_s /= 1000
    jobs = [reader.job() for _ in range(reader.number())]
    say(step="ready", codepage=850, words=b"Stand-in Compiler Version 19.0\r\n")
    if mode == "garbage":
        print('{"step": "compile", "job": 99}', flush=True)
    if mode == "hang":  # deaf and dumb, a program of its own running
        subprocess.Popen(["sleep", "3600"], preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))
        while True:
            time.sleep(3600)
    threading.Thread(target=listen, daemon=True).start()
    queue = list(enumerate(jobs))[::-1]

    def work() -> None:
        while queue and not stopping:
            judge(*queue.pop(), batch, timeouts_allowed, mode)

    workers = [threading.Thread(target=work) for _ in range(min(at_once or 2, len(jobs)))]
    for worker in workers:
        worker.start()
    said = 0.0
    while any(worker.is_alive() for worker in workers):
        if time.monotonic() - said > silence_s / 6:
            said = time.monotonic()
            say(step="alive")
        if time.monotonic() - last_sign > silence_s:
            stop(batch, workers)
        time.sleep(TICK_S)
    shutil.rmtree(batch)
    say(step="bye")


def kill_driver(name: str) -> None:
    for process in psutil.process_iter():
        try:
            if name in " ".join(process.cmdline()) and "--stop" not in process.cmdline():
                for inner in [process, *process.children(recursive=True)]:
                    inner.kill()
        except psutil.Error:
            continue  # it has just ended


if __name__ == "__main__":
    if sys.argv[1] == "--stop":
        kill_driver(sys.argv[2])
        sys.exit()
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
