"""g++ and gcc, and clang, which takes the same options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from halo_forge.settings.verify import Verify
from halo_forge.verify.compiled.accepted import accepted, links
from halo_forge.verify.compiled.linker import fastest_linker
from halo_forge.verify.compiled.toolchain import Toolchain, find, prefix_outside_usr, prefixes_outside_usr
from halo_forge.verify.cpp import headers

# The tests are small, so time goes into compiling.
PLAIN = ("-O0",)
# Fast, and apart from that what it is at -O0: no loop is taken to end, no overflow not to happen, and no library
# function replaced by one that checks.
QUICK = ("-O2", "-fno-finite-loops", "-fno-strict-overflow", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE")
# `1 << 31` and memcpy of nothing from nowhere are what later standards allow and everybody writes.
SANITIZED = ("-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined")
SANITIZED += ("-fno-sanitize=shift-base,nonnull-attribute", "-fno-sanitize-recover=all")
# Variables begin with what no program hopes for, and so does memory from malloc and new: a sum without its = 0 is
# wrong on the first test instead of wrong on somebody else's machine.
UNSET = "-ftrivial-auto-var-init=pattern"
UNSET_MEMORY = "GLIBC_TUNABLES=glibc.malloc.perturb=165"
# Warnings are asked for since the reward ladder knows them.
WARNINGS = ["-Wall", "-Wextra"]
_GCC_STYLE = ["-fmax-errors=10", "-fdiagnostics-color=never"]
_CLANG_STYLE = ["-ferror-limit=10", "-fno-color-diagnostics"]
_SANITIZERS = {
    # No leaks: a program that prints and ends may leave its memory to the system. Memory that is refused is refused as
    # it is elsewhere, by a null pointer or an exception.
    "ASAN_OPTIONS": "detect_leaks=0:symbolize=0:allocator_may_return_null=1:quarantine_size_mb=16",
    "UBSAN_OPTIONS": "report_error_type=1:print_summary=1:symbolize=0",
}
# <string> costs half as much again to compile by C++20, whose strings no library holds ready. Nearly every program is
# right by both, so the older one is tried first, unless the program may mean something else by it.
OLDER = "gnu++17"
_BEFORE_20 = ("11", "14", "1z", "17")
_MEANS_ANOTHER = re.compile(r"\batomic|\b__cplusplus\b|\b__cpp_")
_CUT_OFF = "at end of input"
TRIALS = {
    "cpp": "#include <iostream>\nint main() { std::cout << 1; }\n",
    "c": '#include <stdio.h>\nint main(void) { return printf("1") != 1; }\n',
}


def standards(settings: Verify) -> dict[str, str]:
    """Language -> its standard."""
    return {"cpp": settings.cpp_standard, "c": settings.c_standard}


@dataclass(frozen=True)
class Gcc(Toolchain):
    """C is compiled as C, C++ as C++, each by its own driver."""

    name: str
    compilers: dict[str, str]
    package: str
    clang: bool = False
    standards: Mapping[str, str] = field(default_factory=lambda: standards(Verify()))
    build: tuple[str, ...] = PLAIN
    """How its programs are built: PLAIN, QUICK or SANITIZED."""
    newer: str | None = None
    """The standard to try if one does not compile."""
    trials = TRIALS
    languages = ("cpp", "c")

    def under(self, settings: Verify) -> Self:
        """The same compilers with the standards of the settings."""
        return replace(self, standards=standards(settings))

    def quick(self) -> Self | None:
        if self.build == SANITIZED:
            return None
        return replace(self, build=QUICK)

    def first(self, language: str, code: str) -> Self:
        standard = self.standards[language]
        if language != "cpp" or standard[-2:] in _BEFORE_20 or _MEANS_ANOTHER.search(code):
            return self
        return replace(self, standards={**self.standards, "cpp": OLDER}, newer=standard)

    def other_standard(self, language: str, said: str) -> Self | None:
        if self.newer is None or _CUT_OFF in said:
            return None
        return replace(self, standards={**self.standards, "cpp": self.newer}, newer=None)

    def sanitized(self) -> Self:
        return replace(self, build=SANITIZED)

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

    def run(self, memory_mb: int) -> list[str]:
        if self.build != SANITIZED:
            return [UNSET_MEMORY, "./main"]
        # Frames are larger than they were: recursion that was deep must not be too deep now.
        script = "ulimit -s 262144 2>/dev/null; exec ./main"
        return [*(f"{name}={value}" for name, value in _SANITIZERS.items()), "/bin/sh", "-c", script]

    def flags(self, language: str) -> list[str]:
        """The standard, how programs are built, and warnings."""
        compiler = self.compiler(language)
        return [f"-std={self.standards[language]}", *accepted(compiler, (*self.build, UNSET)), *WARNINGS]

    def options(self, language: str) -> list[str]:
        """The compiler, its flags, and how errors are printed."""
        return [self.compiler(language), *self.flags(language), *(_CLANG_STYLE if self.clang else _GCC_STYLE)]

    def precompiled(self, language: str, code: str, *, whole: bool = False) -> list[str]:
        """Options for the precompiled header that `code` begins with; `whole` if nothing will be added to it."""
        if language != "cpp":
            return []
        return headers.options(self.compiler(language), self.flags(language), code, clang=self.clang, whole=whole)

    def cannot_sanitize(self, language: str) -> str | None:
        compiler = self.compiler(language)
        if links(compiler, (*SANITIZED, *fastest_linker(compiler)), silently=False):
            return None
        return f"{compiler} has no address and undefined-behaviour sanitizers: install its compiler-rt or libasan"

    def version(self) -> str:
        compilers = [self.compiler(language) for language in self.languages]
        found = [[headers.version(compiler), *self.linked(compiler)] for compiler in compilers]
        return repr([found, [build.flags(language) for build in (self, self.quick()) for language in self.languages]])


GCC = Gcc("gcc", {"cpp": "g++", "c": "gcc"}, "g++")
CLANG = Gcc("clang", {"cpp": "clang++", "c": "clang"}, "clang", clang=True)
