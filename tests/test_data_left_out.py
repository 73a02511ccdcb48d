"""One row that cannot be read costs that row and no more; a file of them is an error."""

from __future__ import annotations

import gzip
import json

import pytest
from test_cli_data_clean import run, write  # noqa: F401 - a fixture

from halo_forge.data.left_out import LeftOut
from halo_forge.data.public.load import load
from halo_forge.data.rows import read_file
from halo_forge.errors import InputError
from halo_forge.jsonl import read_rows
from halo_forge.settings.data import DataSource

GOOD = [json.dumps({"prompt": f"Print {number}.", "completion": f"print({number})"}) for number in range(30)]


def file_of(tmp_path, *bad):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([*GOOD[:10], *bad, *GOOD[10:]]) + "\n")
    return path


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{torn", "not JSON"),
        ('{"prompt": null, "messages": 7}', "messages: expected a list"),
        ('{"prompt": "a", "prompt": "b"}', "the key 'prompt' is there twice"),
        ("[1]", "expected a JSON object"),
    ],
)
def test_a_bad_row_among_many_is_left_out_with_its_line_and_reason(tmp_path, bad, reason):
    left_out = LeftOut()
    rows = list(read_file(file_of(tmp_path, bad), left_out=left_out))
    assert len(rows) == len(GOOD)
    assert len(left_out.errors) == 1 and "rows.jsonl:11: " in left_out.words() and reason in left_out.words()


def test_strict_stops_at_the_first_bad_row(tmp_path):
    with pytest.raises(InputError, match=r"rows\.jsonl:11: not JSON"):
        list(read_file(file_of(tmp_path, "{torn"), left_out=LeftOut(strict=True)))


def test_many_bad_rows_are_an_error_that_says_how_many(tmp_path):
    with pytest.raises(InputError, match=r"(?s)rows\.jsonl:11: .*6 of 36 rows"):
        list(read_file(file_of(tmp_path, *["{torn"] * 6), left_out=LeftOut()))


def test_what_is_left_out_of_a_source_is_counted_by_reason(tmp_path):
    path = file_of(tmp_path, "{torn", '{"answer": "no prompt"}')
    loaded = load(DataSource(dataset=str(path)))
    assert len(list(loaded)) == len(GOOD)
    assert sum(loaded.reasons.values()) == 2 and any("no prompt, messages" in reason for reason in loaded.reasons)


def test_data_prepare_goes_on_and_says_which_row_it_left_out(run, tmp_path):  # noqa: F811
    path = file_of(tmp_path, "{torn")
    done = run("prepare", "--dataset", path, "--output", tmp_path / "out.jsonl")
    assert done.returncode == 0 and "rows.jsonl:11: not JSON" in done.stderr and "30 rows" in done.stdout
    assert run("prepare", "--dataset", path, "--output", tmp_path / "strict.jsonl", "--strict").returncode == 2
    assert not (tmp_path / "strict.jsonl").exists()


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.json.gz", "rows.csv.gz"])
def test_packed_files_are_read_as_what_they_hold(tmp_path, name):
    text = {"rows.csv.gz": "prompt,completion\n" + "".join(f"Print {n}.,print({n})\n" for n in range(30))}
    text["rows.json.gz"] = f"[{','.join(GOOD)}]"
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.get(name, "\n".join(GOOD)).encode()))
    assert [row.prompt for row in read_file(path)] == [f"Print {number}." for number in range(30)]


def test_a_packed_file_that_is_cut_off_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(GOOD * 50).encode())[:-20])
    with pytest.raises(InputError, match=r"rows\.jsonl\.gz: not a whole gzip file"):
        list(read_rows(path))


def test_rows_whose_reference_fails_their_tests_are_left_out(run, tmp_path):  # noqa: F811
    task = {"prompt": "Write twice(n).", "tests": "assert twice(2) == 4", "language": "python"}
    path = write(
        tmp_path / "rows.jsonl",
        [
            task | {"solution": "def twice(n):\n    return 2 * n"},
            task | {"solution": "def twice(n):\n    return 3 * n"},
        ],
    )
    done = run("prepare", "--dataset", path, "--output", tmp_path / "out.jsonl", "--format", "task")
    assert done.returncode == 0 and "reference: wrong_answer" in done.stdout
    assert len(list(read_rows(tmp_path / "out.jsonl"))) == 1
    unchecked = ["--format", "task", "--no-check-references"]
    run("prepare", "--dataset", path, "--output", tmp_path / "all.jsonl", *unchecked)
    assert len(list(read_rows(tmp_path / "all.jsonl"))) == 2
