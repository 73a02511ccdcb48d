"""Which options a compiler takes: older ones lack some, and others come without the libraries of an option."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

from halo_forge.verify.sandbox.job import BOX_PATH


@functools.cache
def accepted(compiler: str, options: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `options` that the compiler takes without a word, in their order."""
    if _taken(compiler, (*options, "-c")):
        return options
    return tuple(option for option in options if _taken(compiler, (option, "-c")))


@functools.cache
def links(compiler: str, options: tuple[str, ...], *, silently: bool = True) -> bool:
    """Whether a program is compiled and linked with `options`."""
    return _taken(compiler, options, silently)


def _taken(compiler: str, options: tuple[str, ...], silently: bool = True) -> bool:
    with tempfile.TemporaryDirectory(prefix="halo-forge-") as scratch:
        (Path(scratch) / "main.c").write_text("int main(void) { return 0; }\n")
        command = [compiler, *options, "-o", "main", "-x", "c", "main.c"]
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True, env={"PATH": BOX_PATH})
        except OSError:
            return False  # what is wrong with it is said where it is asked for its version
        return done.returncode == 0 and not (silently and done.stderr)
