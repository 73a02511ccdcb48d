"""rustc: one file, the standard library, no crates."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from halo_forge.errors import InfrastructureError
from halo_forge.verify.compiled.linker import fastest_linker
from halo_forge.verify.compiled.toolchain import Toolchain, ask, content, find
from halo_forge.verify.sandbox.job import BOX_PATH

# Overflow checks and debug assertions are on, as `rustc` has them by itself. Debug information would only be linked.
FLAGS = ["--color", "never", "-C", "codegen-units=1", "-C", "strip=symbols"]
# Fast, and all checks stay: an overflow ends the program as it does elsewhere.
QUICK = ["-C", "opt-level=2", "-C", "overflow-checks=on", "-C", "debug-assertions=on"]
_CURE = "`rustup default stable`, or apt install rustc"


@dataclass(frozen=True)
class Rust(Toolchain):
    """A toolchain that rustup manages lies in a home: its own folder, and nothing else of it, is shown to the box."""

    build: tuple[str, ...] = ()
    """QUICK, or nothing: without optimisation."""
    edition: str = "2021"
    name = "rust"
    languages = ("rust",)
    package = "rustc"
    trials = {"rust": 'fn main() { println!("1"); }\n'}

    def quick(self) -> Rust:
        return replace(self, build=tuple(QUICK))

    def other_standard(self, language: str, said: str) -> Rust | None:
        """Most programs are of 2021; of what only 2024 has, such as chains of `let`, the compiler says so."""
        return replace(self, edition="2024") if self.edition == "2021" and "Rust 2024" in said else None

    def probe(self) -> None:
        _compiler(self._found())

    def binds(self) -> list[Path]:
        found = shutil.which("rustc")
        if found is None:
            return []
        try:
            prefix = _compiler(found).parent.parent
        except InfrastructureError:
            return []  # said by probe
        return [] if prefix.is_relative_to("/usr") else [prefix]

    def source(self, language: str) -> str:
        return "main.rs"

    def compile(self, language: str, code: str, *, link: bool) -> list[str]:
        command = [str(_compiler(self._found())), "--edition", self.edition, *FLAGS, *self.build, "main.rs"]
        if not link:
            return [*command, "--crate-type", "lib", "--emit", "metadata", "-o", "main.rmeta"]
        return [*command, *_linker(Path(command[0])), "-o", "main"]

    def version(self) -> str:
        compiler = _compiler(self._found())
        return repr([FLAGS, QUICK, _linker(compiler), content(str(compiler)), ask([str(compiler), "-vV"], _CURE)])

    def _found(self) -> str:
        return find("rustc", self.package)


@functools.cache
def _compiler(found: str) -> Path:
    """The compiler itself: what lies on the path may be rustup's stand-in, which chooses among toolchains."""
    sysroot = ask([found, "--print", "sysroot"], _CURE, os.environ).strip()  # rustup looks into HOME
    compiler = Path(sysroot) / "bin" / "rustc"
    if not compiler.exists():
        raise InfrastructureError(f"{found} names a toolchain that is not there: {compiler}; {_CURE}")
    return compiler.resolve()


@functools.cache
def _linker(compiler: Path) -> list[str]:
    """The fastest linker that this version takes without a warning, which the reward ladder would hold against it."""
    options = [f"-Clink-arg={option}" for option in fastest_linker(find("cc", "gcc"))]
    if not options:
        return []
    with tempfile.TemporaryDirectory(prefix="halo-forge-") as scratch:
        (Path(scratch) / "main.rs").write_text("fn main() {}\n")
        command = [str(compiler), *FLAGS, "main.rs", *options, "-o", "main"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, env={"PATH": BOX_PATH})
    return options if done.returncode == 0 and not done.stderr else []
