"""Record files: what is there is whole, and a bad line is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from halo_forge.errors import InputError
from halo_forge.records import Appender, Kept, Task, read_records, whole_file, write_records


def row(number: int) -> Kept:
    return Kept(sample_id=str(number), task_id="t", prompt="p", completion="c", reward=1.0)


def test_a_corrupt_line_is_named_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    write_records(path, [row(1), row(2)])
    path.write_text(path.read_text() + '{"sample_id": "3", "task\n')
    with pytest.raises(InputError, match=r"kept\.jsonl:3: not JSON"):
        read_records(path, Kept)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps({"task_id": "a"}) + "\n")
    with pytest.raises(InputError, match=r"tasks\.jsonl:1: Task\.language: Field required"):
        read_records(path, Task)


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_bytes(row(1).model_dump_json().encode() + b'\n{"a": "\xff"}\n')
    with pytest.raises(InputError, match=r"kept\.jsonl:2: not UTF-8 \(byte 0xff"):
        read_records(path, Kept)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as file:
        file.write("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_torn_last_line_is_dropped_before_more_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "wip.jsonl"
    with Appender(path) as file:
        file.write([row(1)])
    with path.open("a") as torn:
        torn.write('{"sample_id": "2", "ta')
    with Appender(path) as file:
        file.write([row(2)])
    assert [kept.sample_id for kept in read_records(path, Kept)] == ["1", "2"]
