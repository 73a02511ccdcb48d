"""g++ and gcc, and the compilers that take the same options: clang, and MinGW, which makes Windows programs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.verify import headers, wine
from halo_forge.verify.toolchains import Toolchain, find, prefix_outside_usr, prefixes_outside_usr, with_data_limit

# -O0: the tests are small, so time goes into compiling. Warnings are asked for since the reward ladder knows them.
# gnu17, the compilers' own default: with c17 there is no M_PI and no getline, which C programs take for granted.
FLAGS = {
    "cpp": ["-std=c++17", "-O0", "-Wall", "-Wextra"],
    "c": ["-std=gnu17", "-O0", "-Wall", "-Wextra"],
}
_GCC_STYLE = ["-fmax-errors=10", "-fdiagnostics-color=never"]
_CLANG_STYLE = ["-ferror-limit=10", "-fno-color-diagnostics"]
# The stack that a Linux program has; Windows would give it a quarter.
_STACK = "-Wl,--stack,8388608"
_TRIALS = {
    "cpp": "#include <iostream>\nint main() { std::cout << 1; }\n",
    "c": '#include <stdio.h>\nint main(void) { return printf("1") != 1; }\n',
}


@dataclass(frozen=True)
class Gcc(Toolchain):
    """C is compiled as C, C++ as C++, each by its own driver."""

    name: str
    compilers: dict[str, str]
    package: str
    clang: bool = False
    harness: bool = True
    """Whether programs run here as they are, so that test code can be run with them."""
    trials: dict[str, str] = field(default_factory=dict)
    languages = tuple(FLAGS)

    def probe(self) -> None:
        for language in self.languages:
            prefix_outside_usr(self.compiler(language))

    def binds(self) -> list[Path]:
        return [headers.folder(), *prefixes_outside_usr(*self.compilers.values())]

    def source(self, language: str) -> str:
        return f"main.{language}"

    def compiler(self, language: str) -> str:
        return find(self.compilers[language], self.package)

    def compile(self, language: str, code: str, *, link: bool) -> list[str]:
        command = [*self.options(language), self.source(language), *self.precompiled(language, code, whole=True)]
        return [*command, *(self.linked(command[0]) if link else ["-c", "-o", "main.o"])]

    def linked(self, compiler: str) -> list[str]:
        return [*headers.fastest_linker(compiler), "-o", "main", "-lm"]

    def options(self, language: str) -> list[str]:
        """The compiler, the language's standard, warnings, and how errors are printed."""
        return [self.compiler(language), *FLAGS[language], *(_CLANG_STYLE if self.clang else _GCC_STYLE)]

    def precompiled(self, language: str, code: str, *, whole: bool = False) -> list[str]:
        """Options for the precompiled header that `code` begins with; `whole` if nothing will be added to it."""
        if language != "cpp":
            return []
        return headers.options(self.compiler(language), FLAGS[language], code, clang=self.clang, whole=whole)

    def version(self) -> str:
        compilers = [self.compiler(language) for language in self.languages]
        return repr([FLAGS, compilers, *map(headers.version, compilers)])


@dataclass(frozen=True)
class Mingw(Gcc):
    """Windows programs, linked without DLLs of MinGW's own, and run by Wine where that is installed."""

    address_space_mb = wine.ADDRESS_SPACE_MB
    start_s = wine.START_S
    open_files = wine.OPEN_FILES
    lacks = ("posix",)

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


GCC = Gcc("gcc", {"cpp": "g++", "c": "gcc"}, "g++")
CLANG = Gcc("clang", {"cpp": "clang++", "c": "clang"}, "clang", clang=True, trials=_TRIALS)
MINGW = Mingw(
    "mingw",
    {"cpp": "x86_64-w64-mingw32-g++", "c": "x86_64-w64-mingw32-gcc"},
    "g++-mingw-w64-x86-64",
    harness=False,
    trials=_TRIALS,
)
