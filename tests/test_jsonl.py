"""Files of JSON Lines: what is there is whole, a line ends at a newline alone, and a bad line is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic_core import PydanticSerializationError

from halo_forge.errors import InputError
from halo_forge.files import read_json, whole_file
from halo_forge.jsonl import Appender, each_record, read_records, read_rows, resumed, write_records
from halo_forge.records import Kept, Task


def row(number: int) -> Kept:
    return Kept(sample_id=str(number), task_id="t", prompt="p", completion="c", reward=1.0)


def test_a_corrupt_line_is_named_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    write_records(path, [row(1), row(2)])
    path.write_text(path.read_text() + '{"sample_id": "3", "task\n')
    with pytest.raises(InputError, match=r"kept\.jsonl:3: not JSON"):
        read_records(path, Kept)


def test_records_are_read_one_by_one_and_a_bad_one_is_met_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    write_records(path, [row(1), row(2)])
    path.write_text(path.read_text() + '{"sample_id": "3"}\n')
    records = each_record(path, Kept)
    assert [next(records), next(records)] == [row(1), row(2)]
    with pytest.raises(InputError, match=r"kept\.jsonl:3: Kept\.task_id: Field required"):
        next(records)


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


BREAKS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\rj\r\nk\n"


def test_an_answer_with_any_kind_of_line_break_is_one_line(tmp_path: Path) -> None:
    path, kept = tmp_path / "kept.jsonl", row(1).model_copy(update={"completion": BREAKS})
    assert write_records(path, [kept, {"completion": BREAKS}, kept]) == 3
    assert path.read_bytes().count(b"\n") == 3
    assert [(number, value["completion"]) for number, value in read_rows(path)] == [(n, BREAKS) for n in (1, 2, 3)]


def test_records_are_written_as_pydantic_writes_them_and_objects_without_escapes(tmp_path: Path) -> None:
    path, kept = tmp_path / "kept.jsonl", row(1).model_copy(update={"completion": "é\u2028\U0001f600", "reward": 0.7})
    write_records(path, [kept, {"b": "é", "a": [1, 0.5]}])
    with Appender(tmp_path / "wip") as file:
        file.write([kept, {"b": "é", "a": [1, 0.5]}])
    wanted = kept.model_dump_json() + '\n{"b": "é", "a": [1, 0.5]}\n'
    assert path.read_bytes() == (tmp_path / "wip").read_bytes() == wanted.encode()


@pytest.mark.parametrize(
    "before",
    ["\ufeff", "\ufeff\n", "\n \t\r\n", "\u2028\n\xa0\n"],
    ids=["BOM", "BOM alone", "blank", "blank in Unicode"],
)
def test_a_byte_order_mark_and_blank_lines_are_no_rows(tmp_path: Path, before: str) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_bytes((before + '{"a": 1}\r\n\n{"a": 2}').encode())
    first = before.count("\n") + 1
    assert list(read_rows(path)) == [(first, {"a": 1}), (first + 2, {"a": 2})]


def test_reading_goes_on_after_bad_lines_where_somebody_takes_them(tmp_path: Path) -> None:
    path, errors = tmp_path / "rows.jsonl", []
    bad = [b"{", b'{"a": "\xff"}', b"[1]", b"null", b'"x"', b'{"a":' + b"[" * 200_000]
    path.write_bytes(b"".join(b'{"a": 1}\n' + line + b"\n" for line in bad) + b'{"a": 1}')
    rows = list(read_rows(path, wrong=lambda error: errors.append(str(error))))
    assert rows == [(number, {"a": 1}) for number in range(1, 2 * len(bad) + 2, 2)]
    starts = [
        "not JSON: ",
        "not UTF-8 (byte 0xff",
        *["expected a JSON object, got "] * 3,
        "not JSON that can be read",
    ]
    for number, (error, start) in enumerate(zip(errors, starts, strict=True), 1):
        assert error.startswith(f"{path}:{2 * number}: {start}")


def test_a_record_that_cannot_be_written_leaves_nothing_of_its_batch(tmp_path: Path) -> None:
    path = tmp_path / "wip.jsonl"
    with Appender(path) as file:
        file.write([row(1)])
        with pytest.raises(PydanticSerializationError):
            file.write([row(2), row(3).model_copy(update={"completion": "\ud800"})])
        file.write([row(4)])
    assert [kept.sample_id for kept in read_records(path, Kept)] == ["1", "4"]


@pytest.mark.parametrize("torn", [1, 65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("lines", [0, 1, 3])
def test_a_torn_line_of_any_length_is_cut_off_and_no_other(tmp_path: Path, torn: int, lines: int) -> None:
    path = tmp_path / "wip.jsonl"
    kept = [row(number) for number in range(lines)]
    whole = "".join(one.model_dump_json() + "\n" for one in kept).encode()
    path.write_bytes(whole + b"x" * torn)
    assert resumed(path, Kept) == kept and path.read_bytes() == whole


def test_what_a_kill_left_is_resumed_without_its_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "wip.jsonl"
    assert resumed(path, Kept) == []
    kept = [row(number).model_copy(update={"completion": BREAKS}) for number in range(4)]
    write_records(path, kept)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"sample_id": "4')
    assert resumed(path, Kept) == kept and path.read_bytes() == whole


def test_a_json_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(InputError, match=r"a\.json: not JSON: not UTF-8 \(byte 0xe9\)"):
        read_json(tmp_path / "a.json")
