"""The fastest linker that a compiler takes."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from halo_forge.verify.sandbox.job import BOX_PATH


@functools.cache
def fastest_linker(compiler: str) -> list[str]:
    """The option for mold or gold, if one is there and links without a word: GNU ld takes three times as long."""
    with tempfile.TemporaryDirectory(prefix="halo-forge-") as scratch:
        (Path(scratch) / "main.c").write_text("int main(void) { return 0; }\n")
        for linker in ("mold", "gold"):
            option = f"-fuse-ld={linker}"
            if shutil.which(f"ld.{linker}") is None:
                continue
            command = [compiler, option, "-o", "main", "-x", "c", "main.c"]
            done = subprocess.run(command, cwd=scratch, capture_output=True, env={"PATH": BOX_PATH})
            if done.returncode == 0 and not done.stderr:
                return [option]
    return []
