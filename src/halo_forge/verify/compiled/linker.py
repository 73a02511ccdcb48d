"""The fastest linker that a compiler takes."""

from __future__ import annotations

import functools
import shutil

from halo_forge.verify.compiled.accepted import links


@functools.cache
def fastest_linker(compiler: str) -> list[str]:
    """The option for mold or gold, if one is there and links without a word: GNU ld takes three times as long."""
    for linker in ("mold", "gold"):
        option = f"-fuse-ld={linker}"
        if shutil.which(f"ld.{linker}") is not None and links(compiler, (option,)):
            return [option]
    return []
