"""MinGW, which makes Windows programs here, and Wine, which runs them where it is installed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.verify.compiled.toolchain import find, with_data_limit
from halo_forge.verify.cpp.gcc import Gcc
from halo_forge.verify.windows import wine

# The stack that a Linux program has; Windows would give it a quarter.
_STACK = "-Wl,--stack,8388608"


@dataclass(frozen=True)
class Mingw(Gcc):
    """Windows programs, linked without DLLs of MinGW's own, and run by Wine where that is installed."""

    address_space_mb = wine.ADDRESS_SPACE_MB
    start_s = wine.START_S
    open_files = wine.OPEN_FILES
    lacks = ("posix", "glibc")

    def compiler(self, language: str) -> str:
        """Of two kinds the one with POSIX threads: only there is a std::thread."""
        name = self.compilers[language]
        return shutil.which(f"{name}-posix") or find(name, self.package)

    def binds(self) -> list[Path]:
        return [*super().binds(), cache_folder("wine")]

    def linked(self, compiler: str) -> list[str]:
        return ["-static", _STACK, "-o", "main.exe"]

    def run(self, memory_mb: int) -> list[str]:
        return with_data_limit(memory_mb, wine.command("main.exe"))

    def cannot_run(self) -> str | None:
        return wine.missing()

    def version(self) -> str:
        return super().version() + (wine.missing() or wine.version())


MINGW = Mingw(
    "mingw",
    {"cpp": "x86_64-w64-mingw32-g++", "c": "x86_64-w64-mingw32-gcc"},
    "g++-mingw-w64-x86-64",
)
