"""`halo-forge cache`: what lies in the folder of files that can be made again, and room made there."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from halo_forge.cache import cache_root
from halo_forge.errors import InputError
from halo_forge.progress import print_table
from halo_forge.settings.checking import one_of

app = typer.Typer(no_args_is_help=True)

# kind -> (what it is, what it costs to be without it)
KINDS = {
    "models": ("base models, converted to float32", "fetched and converted again, minutes"),
    "downloads": ("unfinished downloads of base models", "begun anew"),
    "openvino": ("models converted for sampling on a CPU", "converted again, a minute"),
    "verdicts": ("verdicts of programs judged before", "judged again"),
    "headers": ("precompiled C++ headers", "compiled again, seconds each"),
    "harness": ("compiled and cut C++ harnesses", "made again, seconds each"),
    "checkers": ("compiled checkers and what was found of them", "made again, seconds each"),
    "inside": ("the programs that run in the sandbox", "copied again"),
    "pytest": ("pytest as the sandbox sees it", "copied again"),
    "go": ("Go's build cache", "compiled again, a minute"),
    "wine": ("a Windows folder for wine", "made again, a minute"),
    "durations": ("how long stages took, for `status`", "the end of a run is not foretold"),
    "graders": ("other graders, which benchmarks/other_graders.py compares with", "installed again, minutes"),
    "llm": ("answers of language models that were paid for", "PAID AGAIN"),
}
PAID = {"llm"}
"""Never pruned unless named."""
DAY_S = 86_400.0


class Content(NamedTuple):
    size: int
    """Bytes on disk; a file with two names counts once."""
    files: int
    used: float
    """When anything in it was last written or read, in seconds since 1970; 0 if it is empty."""


@app.command("list")
def list_() -> None:
    """Show the kinds of files, their sizes and last use."""
    root = cache_root()
    rows, total = [], 0
    for folder in sorted(filter(Path.is_dir, root.iterdir())) if root.is_dir() else ():
        found = content(folder)
        what, cost = KINDS.get(folder.name, ("not made by this version", "unknown"))
        used = time.strftime("%Y-%m-%d", time.localtime(found.used)) if found.used else ""
        rows.append([folder.name, size_in_words(found.size), found.files, used, what, cost])
        total += found.size
    print_table(["kind", "size", "files", "last used", "what", "without it"], rows)
    print(f"{root}: {size_in_words(total)}")


@app.command()
def prune(
    kinds: Annotated[list[str] | None, typer.Argument(help="Of these kinds; without, all but what was paid.")] = None,
    days: Annotated[float, typer.Option(min=0, help="What was not used for so many days; 0: everything.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
) -> None:
    """Delete what was not used for some time. Not while a stage or command runs: it may be using it."""
    root = cache_root()
    there = {folder.name: folder for folder in root.iterdir() if folder.is_dir()} if root.is_dir() else {}
    for kind in kinds or ():
        if kind not in there and kind not in KINDS:
            raise InputError(f"no kind {kind!r} in {root} {one_of(kind, sorted({*there, *KINDS}))}")
    chosen = kinds or [kind for kind in there if kind in KINDS and kind not in PAID]
    before, freed = time.time() - days * DAY_S, 0
    for kind in filter(there.__contains__, sorted(chosen)):
        for path in sorted(there[kind].iterdir()):
            found = content(path)
            if path.name.endswith("~lock") or found.used > before:
                continue
            print(f"{'would delete' if dry_run else 'deleting'} {path} ({size_in_words(found.size)})")
            freed += found.size
            if not dry_run:
                _delete(path)
    print(f"{root}: {size_in_words(freed)} {'would be' if dry_run else ''} freed".replace("  ", " "))


def content(path: Path) -> Content:
    """Of a file, or of all that lies below a folder; links are not followed."""
    paths = [path] if not path.is_dir() or path.is_symlink() else path.rglob("*")
    seen: set[tuple[int, int]] = set()
    size = files = 0
    used = 0.0
    for one in paths:
        try:
            found = one.lstat()
        except FileNotFoundError:
            continue  # a temporary file of a process that works here
        if one.is_dir() and not one.is_symlink():
            continue
        used = max(used, found.st_mtime, found.st_atime)
        files += 1
        if (found.st_dev, found.st_ino) not in seen:
            seen.add((found.st_dev, found.st_ino))
            size += found.st_blocks * 512
    return Content(size, files, used)


def size_in_words(size: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
