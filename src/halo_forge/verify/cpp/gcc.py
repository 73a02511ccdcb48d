"""g++ and gcc, and clang, which takes the same options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from halo_forge.verify.compiled.linker import fastest_linker
from halo_forge.verify.compiled.toolchain import Toolchain, find, prefix_outside_usr, prefixes_outside_usr
from halo_forge.verify.cpp import headers

# -O0: the tests are small, so time goes into compiling. Warnings are asked for since the reward ladder knows them.
# gnu17, the compilers' own default: with c17 there is no M_PI and no getline, which C programs take for granted.
FLAGS = {
    "cpp": ["-std=c++17", "-O0", "-Wall", "-Wextra"],
    "c": ["-std=gnu17", "-O0", "-Wall", "-Wextra"],
}
_GCC_STYLE = ["-fmax-errors=10", "-fdiagnostics-color=never"]
_CLANG_STYLE = ["-ferror-limit=10", "-fno-color-diagnostics"]
TRIALS = {
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
    trials = TRIALS
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
        return [*fastest_linker(compiler), "-o", "main", "-lm"]

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
        return repr([FLAGS, [[*self.linked(compiler), headers.version(compiler)] for compiler in compilers]])


GCC = Gcc("gcc", {"cpp": "g++", "c": "gcc"}, "g++")
CLANG = Gcc("clang", {"cpp": "clang++", "c": "clang"}, "clang", clang=True)
