"""The Python that runs inside the box: the one that runs the judge, without its virtual environment."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import marshal
import sys
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.files import whole_file

# As -I, but with PYTHONHASHSEED: with the environment emptied, sets and dicts print in the same order every time.
# No site: the standard library is all there is, whatever is installed beside the judge.
# Integers of any length may be printed and read: in the box the CPU limit holds, and Python's own is in the way.
FLAGS = ("-s", "-S", "-P", "-B", "-X", "int_max_str_digits=0")


@functools.cache
def executable() -> Path:
    """The base interpreter's real path; a virtual environment's own is a link that needs its pyvenv.cfg."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def prefix() -> Path:
    """The folder that must be readable for `executable` to start."""
    return Path(sys.base_prefix).resolve()


@functools.cache
def inside(*more: Path) -> Path:
    """The folder with what runs in the box, compiled: parsing it would cost every judgement some milliseconds.

    It holds the runner and the modules of the folders `more`, whose names are their own.
    """
    folders = (Path(__file__).with_name("inside"), *more)
    sources = {path.stem: path.read_bytes() for folder in folders for path in sorted(folder.glob("*.py"))}
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER)
    for name, source in sources.items():
        digest.update(f"{name} {len(source)}\n".encode() + source)
    folder = cache_folder("inside") / digest.hexdigest()[:16]
    for name, source in sources.items():
        path = folder / f"{name}.pyc"
        if not path.exists():
            code = compile(source, f"{name}.py", "exec", optimize=2)
            # A .pyc checked against no source: magic number, flag 1 (by hash), the source's hash, the code.
            header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
            with whole_file(path, "wb") as file:
                file.write(header + marshal.dumps(code))
    return folder
