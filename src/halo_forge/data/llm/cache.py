"""Answers that were paid for, kept by the request they answer: a crash or a rerun never pays twice."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from halo_forge.cache import cache_folder
from halo_forge.data.llm.budget import Tokens


@dataclass(frozen=True)
class Reply:
    """What a model answered, and why it stopped: it was done, at the token limit, or it would not."""

    text: str
    finish: Literal["stop", "length", "refusal"]
    tokens: Tokens
    model: str
    """As the server calls it, version included."""


class ReplyCache:
    """Use from one thread; several processes may share the file. A reply that `put` returned from survives a crash."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")

    def get(self, key: str) -> Reply | None:
        row = self._connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        fields = json.loads(row[0])
        return Reply(**{**fields, "tokens": Tokens(**fields["tokens"])})

    def put(self, key: str, reply: Reply) -> None:
        self._connection.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, json.dumps(asdict(reply))))

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def open_replies(path: Path | None = None) -> Iterator[ReplyCache]:
    """The replies kept at `path`, by default those of all runs, in the cache folder."""
    replies = ReplyCache(path or cache_folder("llm") / "replies.sqlite")
    try:
        yield replies
    finally:
        replies.close()
