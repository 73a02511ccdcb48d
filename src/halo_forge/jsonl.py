"""JSON Lines, one object a line in UTF-8, by the package jsonlines: the one place where they are read and written.

A line ends at a newline and nowhere else: U+2028, U+0085 and the like stand in answers as they are. A file is written
whole (see `files`). The one exception is an `Appender`: the work-in-progress file of a resumable stage, kept outside
the stage's outputs, whose last line may be torn by a kill and is then dropped.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import jsonlines
from pydantic import BaseModel, ValidationError

from halo_forge.errors import InputError
from halo_forge.files import whole_file
from halo_forge.records import first_problem

R = TypeVar("R", bound=BaseModel)
Object = Mapping[str, Any] | BaseModel
MAX_LINE_BYTES = 64_000_000
"""A longer line is a damaged file or none of ours; it is refused before it is held in memory."""
_BLOCK_BYTES = 1 << 16
_DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)
"""What reading a .gz raises that is not whole."""


def read_rows(path: str | Path, wrong: Callable[[InputError], None] | None = None) -> Iterator[tuple[int, dict]]:
    """(line number, object) for each line of a file that is not blank; of one that ends in .gz, of what is packed.

    A line that is not UTF-8, not JSON or not an object is given to `wrong` as the error that names it; without `wrong`
    it is raised. Raises InputError if the file is missing or not a whole .gz, or at a line too long to be held.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    with open_bytes(path) as file:
        yield from rows_in(file, path, wrong)


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if its name ends in .gz. Raises InputError where it turns out to be damaged."""
    if path.suffix.lower() != ".gz":
        with path.open("rb") as file:
            yield file
        return
    try:
        with gzip.open(path) as file:
            yield file
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def rows_in(
    file: BinaryIO, name: str | Path, wrong: Callable[[InputError], None] | None = None
) -> Iterator[tuple[int, dict]]:
    """As `read_rows`, for an open file that errors call `name`."""
    lines = _Lines(file, name)
    reader = jsonlines.Reader(lines, loads=loads)
    while True:
        try:
            row = reader.read(type=dict, skip_empty=True)
        except EOFError:
            return
        except jsonlines.InvalidLineError as error:
            if not error.line.strip():  # of white space that ASCII does not know
                continue
            problem = InputError(f"{name}:{lines.number}: {_words(error)}")
            if wrong is None:
                raise problem from error
            wrong(problem)
        else:
            yield lines.number, row


def read_records(path: str | Path, kind: type[R]) -> list[R]:
    """All records of a file. Raises InputError with file, line, field and value on the first bad one."""
    return list(each_record(path, kind))


def each_record(path: str | Path, kind: type[R]) -> Iterator[R]:
    """The records of a file one after another, none of them held. Raises as `read_records`, once it comes to it."""
    for number, row in read_rows(path):
        try:
            record = kind.model_validate(row)
        except ValidationError as error:
            field, words, value = first_problem(error)
            raise InputError(
                f"{path}:{number}: {kind.__name__}.{field or 'row'}: {words}, got {_shorten(repr(value))}"
            ) from error
        yield record


class RecordFile(Generic[R]):
    """The records of a file, read anew each time that they are gone through. Raises as `each_record`."""

    def __init__(self, path: str | Path, kind: type[R]):
        self._path, self._kind = path, kind

    def __iter__(self) -> Iterator[R]:
        return each_record(self._path, self._kind)

    def __len__(self) -> int:
        """The lines that are not blank, read for records or not."""
        with open_bytes(Path(self._path)) as file:
            return sum(1 for line in file if line.strip())


def write_records(path: str | Path, records: Iterable[Object]) -> int:
    """Write a whole file of records or plain objects; how many there were. Of none it is one empty line."""
    with whole_file(path, "wb") as file:
        if not (count := _write(file, records)):
            file.write(b"\n")  # of a file without a byte DVC warns at every command
        return count


class Appender:
    """Append records to a work-in-progress file and fsync them, so a killed stage resumes from them."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(self.path)
        self._file = self.path.open("ab")

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, records: Iterable[Object]) -> None:
        lines = io.BytesIO()  # a record that cannot be written leaves none of the others half there
        _write(lines, records)
        self._file.write(lines.getvalue())
        self._file.flush()
        os.fsync(self._file.fileno())


def resumed(path: str | Path, kind: type[R]) -> list[R]:
    """What a killed stage left in the file of an Appender; a torn last line is cut off. Raises as `read_records`."""
    return list(each_resumed(path, kind))


def each_resumed(path: str | Path, kind: type[R]) -> Iterator[R]:
    """As `resumed`, one record after another, none of them held."""
    if Path(path).exists():
        _drop_torn_line(Path(path))
        yield from each_record(path, kind)


def _damaged(name: str | Path, error: Exception) -> InputError:
    return InputError(f"{name}: not a whole gzip file: {error}; fetch it again")


class _Lines:
    """The lines of a binary file, none longer than may be held; `number` is that of the last one given."""

    def __init__(self, file: BinaryIO, name: str | Path):
        self._file, self._name, self.number = file, name, 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> bytes:
        try:
            line = self._file.readline(MAX_LINE_BYTES + 1)
        except _DAMAGED as error:  # an EOFError would be taken for the end of the file
            raise _damaged(self._name, error) from error
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE_BYTES:
            raise InputError(
                f"{self._name}:{self.number}: a line of more than {MAX_LINE_BYTES // 1_000_000} MB; "
                "is this JSON Lines, one object a line?"
            )
        return line


def loads(text: str) -> Any:
    """A JSON value. Raises ValueError if it is none, is nested beyond what Python reads, or has a key twice."""
    try:
        return _DECODER.decode(text)
    except RecursionError as error:  # a nesting beyond what Python reads
        raise ValueError(str(error)) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: of two values under one key, one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {_shorten(twice)!r} is there twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
"""One for all lines: `json.loads` would make one for each."""


def _dumps(record: Object) -> str:
    if isinstance(record, BaseModel):
        return record.model_dump_json()
    return json.dumps(record, ensure_ascii=False)


def _write(file: BinaryIO, records: Iterable[Object]) -> int:
    writer, number = jsonlines.Writer(file, dumps=_dumps), 0
    for record in records:
        writer.write(record)
        number += 1
    return number


def _words(error: jsonlines.InvalidLineError) -> str:
    """What is wrong with a line, with the cure."""
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        byte, column = cause.object[cause.start], cause.start + 1
        return f"not UTF-8 (byte {byte:#04x} at column {column}); convert the file to UTF-8"
    if isinstance(cause, json.JSONDecodeError):
        return f"not JSON: {cause.msg} at column {cause.colno}: {_shorten(error.line)}; mend or delete this line"
    if cause is not None:
        return f"not JSON that can be read: {cause}; delete this line"
    return f"expected a JSON object, got {_shorten(error.line)}"


def _drop_torn_line(path: Path) -> None:
    """A kill in the middle of a write leaves a last line with no newline: cut it off."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        whole = 0
        while end and not whole:  # backwards, since the file may be larger than memory
            begin = max(0, end - _BLOCK_BYTES)
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
            whole = begin + newline + 1 if newline >= 0 else 0
            end = begin
        if whole < size:
            file.truncate(whole)


def _shorten(text: str, limit: int = 120) -> str:
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"
