"""Digests of files and folders, and fingerprints of settings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from halo_forge.errors import InputError


def fingerprint(inputs: object) -> str:
    """16 hexadecimal digits that name `inputs`: JSON, pydantic models and paths."""
    text = json.dumps(inputs, sort_keys=True, default=_as_json)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's relative file names and bytes. Raises InputError if missing."""
    path = Path(path)
    if path.is_dir():
        lines = [
            f"{file.relative_to(path).as_posix()}\0{digest(file)}\n"
            for file in sorted(path.rglob("*"), key=lambda file: file.relative_to(path).as_posix())
            if file.is_file()
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file or folder") from error


def _as_json(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"fingerprint: {type(value).__name__} is not JSON, a pydantic model or a path")
