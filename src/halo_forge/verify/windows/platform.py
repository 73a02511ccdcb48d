"""What is sent to a Windows host: a batch file that finds the compiler, and the runner that it builds with it.

A batch file and C++ because both are there wherever cl is, whatever the policy for scripts; the runner is built on the
host, once, by its own compiler. The tests run both under Wine. They have not been run on Windows itself, nor with cl,
vswhere and vcvars64; stop.cmd has not been run at all, and Wine counts neither memory, processes nor CPU time of a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_FILES = ("driver.cmd", "stop.cmd", "batch.h", "guest.h", "runner.cpp")
_MAJOR = {"newest": "any", "2017": "15", "2019": "16", "2022": "17", "2026": "18"}


class WindowsPlatform:
    """OpenSSH for Windows, whose default shell may be cmd or PowerShell."""

    def __init__(self, visual_studio: str = "newest"):
        self._major = _MAJOR[visual_studio]
        here = Path(__file__).with_name("driver")
        # cmd reads batch files with CRLF only, where there are labels.
        text = {name: (here / name).read_text(encoding="ascii") for name in _FILES}
        self.files: Mapping[str, bytes] = {
            name: body.replace("\r\n", "\n").replace("\n", "\r\n").encode("ascii") for name, body in text.items()
        }

    def command(self, tools: str, batch: str) -> str:
        # Neither shell takes these words for anything but what they are: there is no space and no quote in them.
        tools, batch = tools.replace("/", "\\"), batch.replace("/", "\\")
        return f"cmd.exe /d /c {tools}\\driver.cmd {tools} {batch} {self._major}"

    def stop(self, tools: str, batch: str) -> str:
        tools = tools.replace("/", "\\")
        return f"cmd.exe /d /c {tools}\\stop.cmd {batch.rpartition('/')[2]}"
