"""Rows of any file: what kind they are, what their prompt is, and one clear error for each way to be broken."""

from __future__ import annotations

import json

import pytest

from halo_forge.data.rows import as_task, family_of, parse_row, read_file
from halo_forge.data.tables import read_table
from halo_forge.errors import InputError
from halo_forge.jsonl import MAX_LINE_BYTES
from halo_forge.records import CheckerTests, CompileTests, PythonTests, StdioTests

TEXT = (
    "<|im_start|>system\nYou are an expert programmer.<|im_end|>\n<|im_start|>user\nAdd two numbers.<|im_end|>\n"
    "<|im_start|>assistant\n```cpp\nint main(){}\n```<|im_end|>"
)
TASK = {
    "task_id": "t1",
    "language": "cpp",
    "prompt": "Add two numbers.",
    "tests": {"kind": "stdio", "cases": [{"stdin": "1 2\n", "stdout": "3\n"}]},
    "solution": "int main(){}",
    "source": {"dataset": "own"},
    "family": "adding",
}


def rows_of(tmp_path, *values, name="data.jsonl", **options):
    path = tmp_path / name
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return list(read_file(path, **options))


def error_of(path, **options) -> str:
    with pytest.raises(InputError) as caught:
        list(read_file(path, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "kind", "answer"),
    [
        (TASK, "task", "```cpp\nint main(){}\n```"),
        (TASK | {"text": TEXT}, "task", "```cpp\nint main(){}\n```"),
        ({"text": TEXT}, "text", "```cpp\nint main(){}\n```"),
        ({"text": TEXT, "metadata": {"source": "x"}}, "text", "```cpp\nint main(){}\n```"),
        ({"prompt": "Add two numbers."}, "prompt", None),
        ({"prompt": "Add two numbers.", "completion": "So."}, "completion", "So."),
        ({"messages": [{"role": "user", "content": "Add two numbers."}]}, "messages", None),
        (
            {"messages": [{"from": "human", "value": "Add two numbers."}, {"from": "gpt", "value": "So."}]},
            "messages",
            "So.",
        ),
    ],
)
def test_every_kind_of_row_gives_its_prompt_and_answer(tmp_path, value, kind, answer):
    (row,) = rows_of(tmp_path, value)
    assert (row.kind, row.prompt, row.answer, row.line) == (kind, "Add two numbers.", answer, 1)


def test_the_prompt_of_a_text_row_holds_nothing_of_the_other_turns(tmp_path):
    (row,) = rows_of(tmp_path, {"text": TEXT})
    assert row.system == "You are an expert programmer."
    assert "expert" not in row.prompt and "main" not in row.prompt


def test_text_in_the_form_of_llama_is_read_too(tmp_path):
    text = (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nAdd.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nSo.<|eot_id|>"
    )
    (row,) = rows_of(tmp_path, {"text": text})
    assert (row.prompt, row.answer) == ("Add.", "So.")


def test_the_prompt_of_a_conversation_is_its_last_user_turn(tmp_path):
    turns = [("user", "first"), ("assistant", "a"), ("user", "second"), ("assistant", "b")]
    (row,) = rows_of(tmp_path, {"messages": [{"role": role, "content": content} for role, content in turns]})
    assert (row.prompt, row.answer) == ("second", "b")


def test_a_cut_off_answer_of_a_text_row_is_still_the_answer(tmp_path):
    (row,) = rows_of(tmp_path, {"text": TEXT.removesuffix("<|im_end|>")})
    assert row.answer == "```cpp\nint main(){}\n```"


def test_a_mapping_reads_other_columns_and_only_those(tmp_path):
    value = {"question": "Add.", "hint": "Use +.", "code": "print(3)", "text": "noise", "meta": {"lang": "python"}}
    mapping = {"prompt": "question", "input": "hint", "solution": "code", "language": "meta.lang"}
    (row,) = rows_of(tmp_path, value, mapping=mapping)
    assert row.prompt == "Add.\n\nUse +."
    assert row.answer == "```python\nprint(3)\n```"


def test_a_mapping_with_tests_makes_a_task(tmp_path):
    value = {"ask": "Double it.", "asserts": ["assert double(2) == 4"], "code": "def double(x): return 2 * x", "id": 7}
    mapping = {"prompt": "ask", "tests": "asserts", "solution": "code", "task_id": "id"}
    (row,) = rows_of(tmp_path, value, mapping=mapping)
    assert row.task.tests == PythonTests(code="assert double(2) == 4", entry_point="double")
    assert (row.task.task_id, row.task.language) == ("7", "python")


@pytest.mark.parametrize(
    "tests",
    [
        [{"input": "1\n", "output": "2\n"}],
        {"inputs": ["1\n"], "outputs": ["2\n"]},
        json.dumps({"inputs": ["1\n"], "outputs": ["2\n"]}),
        json.dumps([{"input": "1\n", "output": "2\n"}]),
        repr([{"input": "1\n", "output": "2\n"}]),
        {"kind": "stdio", "cases": [{"stdin": "1\n", "stdout": "2\n"}]},
    ],
)
def test_input_and_output_are_tests_in_every_form_they_come_in(tmp_path, tests):
    (row,) = rows_of(tmp_path, {"prompt": "p", "tests": tests}, language="cpp")
    assert isinstance(row.task.tests, StdioTests)
    assert (row.task.tests.cases[0].stdin, row.task.tests.cases[0].stdout) == ("1\n", "2\n")


@pytest.mark.parametrize("tests", [[], {}, "print(1)", ["x ="], {"inputs": ["1"], "outputs": []}, {"kind": "odd"}, 3])
def test_tests_that_test_nothing_are_an_error(tmp_path, tests):
    (tmp_path / "data.jsonl").write_text(json.dumps({"prompt": "p", "tests": tests, "language": "python"}) + "\n")
    assert error_of(tmp_path / "data.jsonl").startswith(f"{tmp_path / 'data.jsonl'}:1: ")


def test_a_row_without_tests_becomes_a_task_that_asks_for_compiling(tmp_path):
    (row,) = rows_of(tmp_path, {"prompt": "Add."}, name="prompts.jsonl")
    task = as_task(row, language="cpp")
    assert (task.task_id, task.tests, task.prompt) == ("prompts/1", CompileTests(), "Add.")


def test_a_task_row_stays_the_task_it_is(tmp_path):
    (row,) = rows_of(tmp_path, TASK)
    assert as_task(row, language="python").model_dump(exclude_none=True) == TASK | {
        "tags": [],
        "tests": TASK["tests"] | {"compare": "tokens"},
    }


def test_the_family_of_a_prompt_is_blind_to_layout_and_case():
    assert family_of("Add  two\nNumbers!") == family_of("add two numbers")
    assert family_of("add two numbers") != family_of("add 2 numbers")


# Files of every kind


def test_csv_cells_keep_quotes_commas_and_line_ends(tmp_path):
    (tmp_path / "d.csv").write_text(
        'prompt,completion\n"Say ""hi"", then\nstop","a, b"\n\nplain,two\n', encoding="utf-8-sig"
    )
    rows = list(read_file(tmp_path / "d.csv"))
    assert [(row.line, row.prompt, row.answer) for row in rows] == [
        (1, 'Say "hi", then\nstop', "a, b"),
        (2, "plain", "two"),
    ]


def test_parquet_and_json_arrays_hold_the_same_rows_as_lines(tmp_path):
    import pyarrow
    from pyarrow import parquet

    values = [{"prompt": f"Problem {n}", "completion": "x"} for n in range(600)]
    parquet.write_table(pyarrow.Table.from_pylist(values), tmp_path / "d.parquet")
    (tmp_path / "d.json").write_text(json.dumps(values))
    lines = [(row.line, row.prompt) for row in rows_of(tmp_path, *values)]
    for name in ("d.parquet", "d.json"):
        assert [(row.line, row.prompt) for row in read_file(tmp_path / name)] == lines


def test_json_lines_under_the_name_json_are_read(tmp_path):
    assert [row.prompt for row in rows_of(tmp_path, {"prompt": "a"}, {"prompt": "b"}, name="d.json")] == ["a", "b"]


def test_a_byte_order_mark_is_no_error(tmp_path):
    (tmp_path / "d.jsonl").write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\n')
    assert [row.prompt for row in read_file(tmp_path / "d.jsonl")] == ["a"]


BAD = {
    "truncated.jsonl": (b'{"prompt": "a"}\n{"prompt": "b', ":2: not JSON"),
    "truncated.json": (b'[{"prompt": "a"},\n{"prompt": ', ":2: not JSON"),
    "latin1.jsonl": ('{"prompt": "a"}\n{"prompt": "é"}\n'.encode("latin-1"), ":2: not UTF-8 (byte 0xe9"),
    "utf16.jsonl": ('{"prompt": "a"}\n'.encode("utf-16"), ":1: not UTF-8"),
    "latin1.csv": ("prompt\na\né\n".encode("latin-1"), ":3: not UTF-8 (byte 0xe9)"),
    "latin1.json": ('[{"prompt": "a"},\n{"prompt": "é"}]'.encode("latin-1"), ":2: not UTF-8"),
    "nul.csv": (b"prompt\na\x00b\n", ":2: a NUL character"),
    "empty.jsonl": (b"", ": no rows"),
    "empty.json": (b"[]", ": no rows"),
    "empty.csv": (b"", ": no rows"),
    "blank.jsonl": (b"\n\n", ": no rows"),
    "header.csv": (b"prompt,completion\n", ": no rows"),
    "array.jsonl": (b'["prompt"]\n', ":1: expected a JSON object"),
    "item.json": (b'[{"prompt": "a"}, 3]', ": row 2: expected a JSON object"),
    "missing.jsonl": (
        b'{"prompt": "a"}\n{"question": "b"}\n',
        ":2: no prompt, messages, text or tests (columns: question)",
    ),
    "null.jsonl": (b'{"prompt": null}\n', ":1: no prompt"),
    "number.jsonl": (b'{"prompt": 3}\n', ":1: prompt: expected text, got 3"),
    "spaces.jsonl": (b'{"prompt": "  "}\n', ":1: prompt: expected text"),
    "plain.jsonl": (b'{"text": "just words"}\n', ":1: text has no turns"),
    "silent.jsonl": (b'{"messages": [{"role": "assistant", "content": "a"}]}\n', ":1: no user turn"),
    "role.jsonl": (b'{"messages": [{"role": "tool", "content": "a"}]}\n', ":1: messages: a conversation with tools"),
    "calls.jsonl": (
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "tool_calls": [{}]}]}\n',
        ":1: messages: a conversation with tools",
    ),
    "image.jsonl": (
        b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}\n',
        ":1: messages: user says 'image_url', and only text",
    ),
    "twice.jsonl": (b'{"prompt": "a", "prompt": "b"}\n', ":1: not JSON that can be read: the key 'prompt' is there"),
    "parts.jsonl": (
        b'{"messages": [{"role": "user", "content": null}]}\n',
        ":1: messages: the content of user is no text",
    ),
    "string.jsonl": (b'{"messages": "hello"}\n', ":1: messages: expected a list"),
    "language.jsonl": (
        b'{"prompt": "a", "tests": [{"input": "1", "output": "2"}]}\n',
        ":1: Task.language: Field required",
    ),
    "system.jsonl": (b'{"prompt": "a", "system": 3}\n', ":1: system: expected text, got 3"),
    "entry.jsonl": (b'{"prompt": "a", "tests": "assert f()", "entry_point": 3}\n', ":1: entry_point: expected text"),
    "half.jsonl": (b'{"prompt": "\\ud800"}\n', ":1: half a character"),
    # some libraries lift Python's limit on digits, and then it is a number where a text should be
    "digits.jsonl": (b'{"prompt": ' + b"1" * 5000 + b"}\n", ":1: "),
    "deep.jsonl": (b'{"prompt": ' + b"[" * 200_000 + b"}\n", ":1: not JSON"),
    "quote.csv": (b'prompt,completion\n"a,b\nc,d\n', ":3: not CSV"),
    "cells.csv": (b"prompt,completion\na,b\nc\n", ":3: 1 cells for 2 columns"),
    "twice.csv": (b"prompt,prompt\na,b\n", ":1: the column 'prompt' occurs twice"),
    "broken.parquet": (b"PAR1 this is not it", ": row 1: not a whole Parquet file"),
    "data.xlsx": (b"PK", ": .xlsx is not a kind of file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_error_that_names_file_and_line(tmp_path, name):
    data, words = BAD[name]
    (tmp_path / name).write_bytes(data)
    assert error_of(tmp_path / name).startswith(f"{tmp_path / name}{words}")


def test_a_line_of_a_hundred_megabytes_is_refused_at_its_number(tmp_path):
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(b'{"prompt": "a"}\n{"prompt": "')
        file.seek(100_000_000, 1)  # a hole: the disk holds nothing of it
        file.write(b'"}\n')
    assert f"{path}:2: a line of more than {MAX_LINE_BYTES // 1_000_000} MB" in error_of(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    assert error_of(tmp_path / "none.jsonl") == f"{tmp_path / 'none.jsonl'}: no such file"
    assert "a folder" in error_of(tmp_path)


def test_a_column_that_is_not_there_is_named_with_the_nearest_one(tmp_path):
    (tmp_path / "d.csv").write_text("question,answer\na,b\n")
    words = error_of(tmp_path / "d.csv", mapping={"prompt": "qestion"})
    assert words == f"{tmp_path / 'd.csv'}: row 1: no column 'qestion' for prompt (did you mean 'question'?)"


def test_a_field_that_no_row_has_is_refused():
    with pytest.raises(InputError, match="'promt' is not a field .did you mean 'prompt'"):
        parse_row("d.jsonl", 1, {"a": "b"}, mapping={"promt": "a"})


def test_half_a_character_in_the_tests_is_refused_too():
    with pytest.raises(InputError, match="half a character"):
        parse_row("d.jsonl", 1, TASK | {"solution": "\ud800"})


def test_tables_are_read_row_by_row(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"a": 1}\nnot json\n')
    rows = read_table(tmp_path / "d.jsonl")
    assert next(rows) == (1, {"a": 1})


def test_a_turn_in_parts_says_what_its_texts_say_together():
    parts = [{"type": "text", "text": "Print "}, {"type": "text", "text": "1."}]
    row = parse_row("f.jsonl", 1, {"messages": [{"role": "user", "content": parts}]})
    assert row.prompt == "Print 1."


def test_a_developer_is_who_the_system_was_before():
    turns = [{"role": "developer", "content": "Answer with code."}, {"role": "user", "content": "Print 1."}]
    row = parse_row("f.jsonl", 1, {"messages": turns})
    assert row.system == "Answer with code."


def asked(value, **fields):
    return parse_row("f.jsonl", 1, {"prompt": "p", "language": "python", "tests": value, **fields}).task.tests


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([[[1, 2], 3], [[], 0]], [[6], [0]]),
        ([[[1, 2], 3], [[], 0]], [6, 0]),
        (["[1, 2]\n3", "[]\n0"], ["6", "0"]),
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_rows_of_apps_and_taco_that_name_a_function_are_calls_of_it(inputs, outputs, as_text):
    value = {"fn_name": "total", "inputs": inputs, "outputs": outputs}
    tests = asked(json.dumps(value) if as_text else value)
    assert tests.kind == "calls" and tests.entry_point == "total"
    assert [(case.args, case.expected) for case in tests.cases] == [([[1, 2], 3], 6), ([[], 0], 0)]


@pytest.mark.parametrize(
    ("inputs", "stdin"),
    [([["a", "b"]], "a\nb\n"), (["a\nb"], "a\nb"), ([[3, 4]], "3\n4\n"), ([[[1, 2], [3]]], "1 2\n3\n"), ([7], "7")],
)
def test_inputs_are_read_as_text_lines_or_values(inputs, stdin):
    assert asked({"inputs": inputs, "outputs": ["x"]}).cases[0].stdin == stdin


@pytest.mark.parametrize("empty", ["", "[]", " {} ", [], {}, None])
def test_a_row_of_another_set_whose_column_of_tests_is_empty_has_no_tests(empty):
    mapping = {"prompt": "question", "tests": "io"}
    assert parse_row("f.jsonl", 1, {"question": "p", "io": empty}, mapping=mapping).task is None


@pytest.mark.parametrize("solutions", ['["print(1)", "print(2)"]', ["", "print(1)"], "print(1)"])
def test_of_several_solutions_the_first_is_the_reference(solutions):
    row = parse_row(
        "f.jsonl",
        1,
        {"prompt": "p", "tests": [{"input": "", "output": "1"}], "language": "python", "solution": solutions},
    )
    assert row.task.solution == "print(1)"


CHECKER = "import sys\nprint(int(open(sys.argv[3]).read() > '0'))\n"
IO = {"prompt": "Print any of them.", "language": "cpp", "io": [{"input": "6", "output": "2"}], "judge": CHECKER}
OWN = {"kind": "checker", "cases": TASK["tests"]["cases"], "language": "python", "code": CHECKER}


def test_a_checker_stands_in_a_column_of_its_own_or_in_the_tests(tmp_path):
    (row,) = rows_of(
        tmp_path, IO, mapping={"prompt": "prompt", "language": "language", "tests": "io", "checker": "judge"}
    )
    cpp = IO | {"judge": "#include <fstream>\nint main() { return 1; }"}
    (other,) = rows_of(
        tmp_path, cpp, mapping={"prompt": "prompt", "language": "language", "tests": "io", "checker": "judge"}
    )
    (own,) = rows_of(tmp_path, TASK | {"tests": OWN})
    assert all(isinstance(each.task.tests, CheckerTests) for each in (row, other, own))
    assert [each.task.tests.protocol for each in (row, other, own)] == ["score", "testlib", "score"]
    assert row.task.tests.code == own.task.tests.code == CHECKER and len(row.task.tests.cases) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tests": OWN | {"code": "print(1"}}, "tests: its checker is not Python, got 'print(1'"),
        (
            {"tests": OWN | {"code": "exec(input())"}},
            "tests: its checker calls exec, which would run what an answer prints",
        ),
        ({"tests": OWN | {"language": "rust"}}, "tests.checker.language"),
        ({"tests": OWN | {"cases": []}}, "tests.checker.cases"),
        ({"checker": "tokens"}, "tests: its checker calls nothing"),
        (
            {"checker": {"kind": "tokens"}},
            "checker: expected a program beside tests that are input and output, got {'kind'",
        ),
        ({"checker": CHECKER, "tests": {"kind": "compile"}}, "beside tests of kind 'compile'"),
    ],
)
def test_a_checker_that_cannot_be_used_is_an_error_with_its_line(tmp_path, change, words):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in (TASK, TASK | {"task_id": "t2"} | change)))
    error = error_of(path)
    assert error.startswith(f"{path}:2: ") and words in error
