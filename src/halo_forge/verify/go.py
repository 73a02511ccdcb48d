"""Go: compiled and linked by the toolchain's own `compile` and `link`, against a standard library built once.

That is what `go build` does after looking for modules and a module cache, of which a program of one file has none; a
tenth of a second instead of half of one, and nothing that could ask the network. The list of the standard library's
packages comes from `go list -export`, which builds what the distribution has not.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.files import whole_file
from halo_forge.verify.compiled.toolchain import (
    Toolchain,
    ask,
    content,
    find,
    prefix_outside_usr,
    prefixes_outside_usr,
    with_data_limit,
)

BUILD_TIMEOUT_S = 900
_LIST = "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}"
_PACKAGE_FILE = re.compile(r"^packagefile [^=]+=(.+)$", re.M)
_SETTINGS = {
    "CGO_ENABLED": "0",
    "GO111MODULE": "off",
    "GOENV": "off",
    "GOFLAGS": "-mod=mod",
    "GOPROXY": "off",
    "GOTOOLCHAIN": "local",
}


class Go(Toolchain):
    name = "go"
    languages = ("go",)
    package = "golang-go"
    # The runtime reserves the tables of its heap in one piece before main starts.
    address_space_mb = 1024
    trials = {"go": 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println(1) }\n'}

    def probe(self) -> None:
        prefix_outside_usr(self._go())
        _library(self._go())

    def binds(self) -> list[Path]:
        return [cache_folder("go"), *prefixes_outside_usr("go")]

    def source(self, language: str) -> str:
        return "main.go"

    def compile(self, language: str, code: str, *, link: bool) -> list[str]:
        tools = _environment(self._go(), "GOTOOLDIR")
        library = _library(self._go())
        # Its threads count as processes: two are enough on any machine.
        script = f"export GOMAXPROCS=2; {tools}/compile -o main.a -p main -complete -pack -importcfg {library} main.go"
        if link:
            script += f" && {tools}/link -o main -s -w -importcfg {library} main.a"
        return ["/bin/sh", "-c", script]

    def run(self, memory_mb: int) -> list[str]:
        return with_data_limit(memory_mb, "GOMAXPROCS=2 exec ./main")

    def version(self) -> str:
        return _version(self._go())

    def _go(self) -> str:
        return find("go", self.package)


@functools.cache
def _environment(go: str, name: str) -> str:
    return _ask(go, ["env", name], 60).strip()


@functools.cache
def _version(go: str) -> str:
    return _ask(go, ["version"], 60) + _environment(go, "GOROOT") + content(go)


@functools.cache
def _library(go: str) -> Path:
    """The file that says where each package of the standard library lies, built on first use."""
    key = hashlib.sha256(_version(go).encode()).hexdigest()[:16]
    path = cache_folder("go") / f"{key}.cfg"
    if not path.exists() or not all(map(os.path.exists, _PACKAGE_FILE.findall(path.read_text()))):
        # A cache of its own: nothing else runs there that would tidy away what the file names.
        packages = _ask(go, ["list", "-export", "-f", _LIST, "std"], BUILD_TIMEOUT_S, f"build-{key}")
        with whole_file(path) as file:
            file.write(packages)
    return path


def _ask(go: str, arguments: list[str], timeout_s: float, build: str = "build") -> str:
    cache = cache_folder("go")
    environment = {
        "PATH": os.defpath,
        "HOME": str(cache),
        "GOPATH": str(cache / "path"),
        "GOCACHE": str(cache / build),
        **_SETTINGS,
    }
    return ask([go, *arguments], f"apt install {Go.package}, or mend it", environment, timeout_s)
