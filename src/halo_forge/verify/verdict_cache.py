"""Verdicts kept between runs: the same program, tests and judge give the same verdict, so it is not judged again.

Kept in one SQLite file in the cache folder. Not kept: what may be the machine's doing (timeout, memory_limit) and
infra_error. The key holds all that can change a verdict; a verifier that cannot say what that is (no `fingerprint`) is
always asked.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.records import Task
from halo_forge.verify.core.protocol import Judgement, Verifier

KEPT = {"pass", "wrong_answer", "runtime_error", "compile_error", "output_limit"}


class VerdictCache:
    """Use from one thread. Several processes may share the file."""

    def __init__(self, path: Path):
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, judgement TEXT NOT NULL)")

    def get(self, key: bytes) -> Judgement | None:
        row = self._connection.execute("SELECT judgement FROM verdicts WHERE key = ?", (key,)).fetchone()
        return Judgement(**json.loads(row[0])) if row else None

    def put(self, judgements: Iterable[tuple[bytes, Judgement]]) -> None:
        rows = [(key, json.dumps(vars(judgement))) for key, judgement in judgements if judgement.status in KEPT]
        self._connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", rows)

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


@functools.cache
def _judging() -> str:
    """The text of the verifiers themselves: what another version of them said is asked again."""
    folder, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".h", ".hpp", ".cpp", ".cmd"):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def judge_of(verifier: Verifier) -> list[str] | None:
    """What a verdict depends on beside task and program; None if the verifier does not say. It takes a while to ask."""
    fingerprint = getattr(verifier, "fingerprint", None)
    return fingerprint and [_judging(), verifier.name, verifier.isolation, fingerprint()]


def key_of(judge: list[str], task: Task, tests: str, code: str) -> bytes:
    """All that a verdict depends on, hashed."""
    # The solution is in it because it decides how long an answer may take.
    parts = [*judge, task.language, task.entry_point, tests, task.solution, code]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).digest()
