"""Files of rows as plain objects: JSON Lines, a JSON array, CSV, Parquet; all but the last also packed (.gz).

What the columns mean is data/rows.py's.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from halo_forge.errors import InputError
from halo_forge.jsonl import MAX_LINE_BYTES, loads, open_bytes, read_rows

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")


def read_table(
    path: str | Path, wrong: Callable[[InputError], None] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of each row, by the file's suffix; a file without one is read as JSON Lines.

    Numbers count from 1: lines in JSON Lines, rows elsewhere (`place` says it). A line of JSON Lines that cannot be
    read is given to `wrong`, if that is given; elsewhere what comes after cannot be read either. Raises InputError with
    file and line on the first row that cannot be read, and for a file without rows.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: a folder, not a file; name the file in it")
    suffix = kind_of(path)
    if suffix and suffix not in SUFFIXES or (suffix == ".parquet" and path.suffix.lower() == ".gz"):
        raise InputError(
            f"{path}: {''.join(path.suffixes)} is not a kind of file that is read here (known: {', '.join(SUFFIXES)}; "
            "all but .parquet may end in .gz)"
        )
    seen = 0

    def counted(error: InputError) -> None:
        nonlocal seen
        seen += 1
        if wrong is None:
            raise error
        wrong(error)

    rows = {".csv": _csv, ".parquet": _parquet}.get(suffix)
    for number, row in rows(path) if rows else _json(path, counted):
        seen += 1
        yield number, row
    if not seen:
        raise InputError(f"{path}: no rows; the file is empty")


def kind_of(path: str | Path) -> str:
    """The suffix that says what a file is, in lower case: of one that is packed, the one before .gz."""
    path = Path(path)
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def place(path: str | Path, number: int) -> str:
    """Where a row is, for messages: `file:line` where rows are lines, else `file: row n`."""
    one_a_line = kind_of(path) not in (".json", ".csv", ".parquet")
    return f"{path}:{number}" if one_a_line else f"{path}: row {number}"


def _json(path: Path, wrong: Callable[[InputError], None]) -> Iterator[tuple[int, dict]]:
    """JSON Lines, or a JSON array of objects under the name .json: many data sets have lines under that name too."""
    if kind_of(path) != ".json" or not _begins_an_array(path):  # a pipe, which is read once, has no such name
        yield from read_rows(path, wrong)
        return
    try:
        with open_bytes(path) as file:
            value = loads(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}:{line}: not UTF-8 (byte {error.object[error.start]:#04x}); convert the file to UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON: {error.msg} at column {error.colno}; mend it") from error
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond what Python reads
        raise InputError(f"{path}: not JSON that can be read: {error}") from error
    for number, row in enumerate(value, 1):
        if not isinstance(row, dict):
            raise InputError(f"{path}: row {number}: expected a JSON object, got {str(row)[:80]!r}")
        yield number, row


def _begins_an_array(path: Path) -> bool:
    with open_bytes(path) as file:
        return file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def _csv(path: Path) -> Iterator[tuple[int, dict]]:
    """Columns by the names in the first row. Quoted cells may hold commas, quotes and line ends (RFC 4180)."""
    csv.field_size_limit(MAX_LINE_BYTES)
    with open_bytes(path) as packed, io.TextIOWrapper(packed, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_without_nul(file, path), strict=True)
        try:
            columns = next(reader, [])
            twice = {name for name in columns if columns.count(name) > 1}
            if twice:
                raise InputError(f"{path}:1: the column {sorted(twice)[0]!r} occurs twice; rename one")
            for number, cells in enumerate((row for row in reader if row), 1):
                if len(cells) != len(columns):
                    raise InputError(
                        f"{path}:{reader.line_num}: {len(cells)} cells for {len(columns)} columns; put cells that "
                        "hold commas or line ends in quotes"
                    )
                yield number, dict(zip(columns, cells, strict=True))
        except csv.Error as error:
            raise InputError(
                f"{path}:{reader.line_num}: not CSV: {error}; quotes around a cell must close, quotes in it be doubled"
            ) from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}:{_line_of_bad_byte(path)}: not UTF-8 (byte {error.object[error.start]:#04x}); "
                "convert the file to UTF-8"
            ) from error


def _without_nul(lines: Any, path: Path) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise InputError(f"{path}:{number}: a NUL character; this is no text file, or it is UTF-16")
        yield line


def _line_of_bad_byte(path: Path) -> int:
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 0


def _parquet(path: Path) -> Iterator[tuple[int, dict]]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: row {number + 1}: not a whole Parquet file: {reason}; fetch it again") from error
