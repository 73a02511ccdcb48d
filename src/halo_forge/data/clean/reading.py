"""Reading a file to the end whatever is wrong with it, so that all errors can be mended at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halo_forge.data.rows import Row, parse_row
from halo_forge.data.tables import read_table
from halo_forge.errors import InputError


@dataclass
class Reading:
    """`rows` are the good ones, `values` what the file holds for each of them; `errors` are ready to be shown."""

    rows: list[Row] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def read_all(path: Path, *, mapping: Mapping[str, str] | None = None, language: str | None = None) -> Reading:
    """Every row of a file and every error in it, each with its line.

    Of JSON Lines all errors are found; elsewhere what comes after a syntax error cannot be read. A file that cannot be
    read at all, or is empty, is one error.
    """
    reading = Reading()
    for number, value in _values(path, reading.errors):
        try:
            row = parse_row(path, number, value, mapping=mapping, language=language)
        except InputError as error:
            reading.errors.append(str(error))
        else:
            reading.rows.append(row)
            reading.values.append(value)
    if not reading.rows and not reading.errors:
        reading.errors.append(f"{path}: no rows; the file is empty")
    return reading


def _values(path: Path, errors: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        yield from read_table(path, lambda error: errors.append(str(error)))
    except InputError as error:
        errors.append(str(error))
