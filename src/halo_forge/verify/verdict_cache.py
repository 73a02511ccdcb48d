"""Verdicts kept between runs: the same program, tests and judge give the same verdict, so it is not judged again.

Kept in one SQLite file in the cache folder, with the seconds that judging took, so that a verdict taken from here is
the verdict that was given, byte for byte. Not kept: what may be the machine's doing (timeout, memory_limit) and
infra_error. The key holds all that can change a verdict; a verifier that cannot say what that is (no `fingerprint`) is
always asked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.records import UNKNOWN, Task
from halo_forge.verify.core.protocol import Judgement

KEPT = {"pass", "wrong_answer", "runtime_error", "compile_error", "output_limit"}


class VerdictCache:
    """Use from one thread. Several processes may share the file."""

    def __init__(self, path: Path):
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        # Not the table of earlier versions, `verdicts`, which kept no seconds.
        columns = "key BLOB PRIMARY KEY, judgement TEXT NOT NULL, seconds REAL NOT NULL"
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS judgements ({columns})")
        columns = "key BLOB PRIMARY KEY, finding TEXT NOT NULL"
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS findings ({columns})")

    def get(self, key: bytes) -> tuple[Judgement, float] | None:
        """The judgement and the seconds that it took."""
        rows = self._connection.execute("SELECT judgement, seconds FROM judgements WHERE key = ?", (key,))
        row = rows.fetchone()
        return (Judgement(**json.loads(row[0])), row[1]) if row else None

    def put(self, key: bytes, judgement: Judgement, seconds: float) -> None:
        """Keep it, unless it may have been the machine's doing."""
        if judgement.status in KEPT:
            row = (key, json.dumps(vars(judgement)), seconds)
            self._connection.execute("INSERT OR REPLACE INTO judgements VALUES (?, ?, ?)", row)

    def finding(self, key: bytes) -> str | None:
        """What the sanitizers said of a program."""
        row = self._connection.execute("SELECT finding FROM findings WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put_finding(self, key: bytes, finding: str) -> None:
        """Keep it, unless nothing was found out."""
        if not finding.startswith(UNKNOWN):
            self._connection.execute("INSERT OR REPLACE INTO findings VALUES (?, ?)", (key, finding))

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def open_cache(wanted: bool) -> Iterator[VerdictCache | None]:
    """The cache, or None when it is not wanted."""
    if not wanted:
        yield None
        return
    cache = VerdictCache(cache_folder("verdicts") / "verdicts.sqlite")
    try:
        yield cache
    finally:
        cache.close()


def decides(task: Task) -> list[str | None]:
    """What a verdict depends on in a task beside its tests."""
    # The data set, since some graders give answers a preamble; the solution, since it decides how long they may take.
    return [task.language, task.entry_point, task.source.dataset, task.solution]


def key_of(judge: list[str], task: Task, tests: str, code: str) -> bytes:
    """All that a verdict depends on, hashed."""
    parts = [*judge, *decides(task), tests, code]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).digest()
