"""The process beside a stage that measures the machine and sends the stage's journal to MLflow while it grows.

`python -m halo_forge.tracking.follow <journal>`, started by the stage, which never waits for it: a server that hangs, a
store that is locked or an MLflow that is broken cost the stage nothing, and what could not be sent is sent by the stage
`track`. It ends by itself soon after the stage.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil

from halo_forge.errors import HaloForgeError
from halo_forge.live.execution import Identity
from halo_forge.live.journal import read
from halo_forge.tracking.machine import Machine, load_nvml

LOOK_EVERY_S = 0.5
SAMPLE_EVERY_S = 15.0
SEND_AFTER_S = 20.0
"""A stage that is over before that is sent by `track`: importing MLflow would cost more than the stage."""
SEND_EVERY_S = 15.0
TRY_AGAIN_S = 60.0
LAST_S = 30
"""So long it may take to send the last, once the stage has ended."""


def follow(path: Path) -> None:
    begin = next(line for line in reversed(read(path)[0]) if line["event"] == "begin")
    stage = _process(begin)
    if stage is None:
        return
    began = time.monotonic()
    sampled = sent = -1e9
    machine = Machine(stage, load_nvml())
    while _runs(stage):
        now = time.monotonic()
        if now - sampled >= SAMPLE_EVERY_S:
            sampled = now
            line = {"at": round(time.time(), 3), "event": "machine", **machine.sample()._asdict()}
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(line) + "\n")
        if now - began >= SEND_AFTER_S and now >= sent + SEND_EVERY_S:
            sent = time.monotonic() + (0.0 if _send(path, begin) else TRY_AGAIN_S)
        time.sleep(LOOK_EVERY_S)
    signal.alarm(LAST_S)  # its default is to end the process
    ended = next((line["how"] for line in reversed(read(path)[0]) if line["event"] == "end"), "killed")
    if sent > 0 or ended != "done":
        _send(path, begin, None if ended == "done" else "FAILED" if ended == "failed" else "KILLED")


def _send(path: Path, begin: dict, status: str | None = None) -> bool:
    """Whether the store took it. `status`: what becomes of the execution's run, if its stage has not done its work."""
    from halo_forge.tracking.curves import send
    from halo_forge.tracking.store import open_store

    try:
        with open_store() as store:
            if not path.exists():
                return True  # the stage `track` has sent all
            parent = store.parent(Identity(begin["name"], begin["params_sha256"], begin["start"]))
            send(store, parent, store.children(parent), path)
            if status:
                store.client.set_terminated(parent, status)
    except HaloForgeError as error:
        print(f"{time.strftime('%H:%M:%S')} not sent, `track` will: {error}", file=sys.stderr, flush=True)
        return False
    return True


def _process(begin: dict) -> psutil.Process | None:
    """The stage's process; None if it has ended, whoever has its number now."""
    try:
        process = psutil.Process(begin["pid"])
    except psutil.NoSuchProcess:
        return None
    return process if process.create_time() == begin["process_start"] else None


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    os.nice(10)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    follow(Path(sys.argv[1]))
