"""What crosses between the verifier msvc and its host, without a host: settings, commands, lines, code pages."""

from __future__ import annotations

import pytest

from halo_forge.verify.remote.batch import encode_batch, read_event
from halo_forge.verify.sandbox.job import Job, Limits, Report, Run
from halo_forge.verify.windows import diagnostics
from halo_forge.verify.windows.msvc import Msvc
from halo_forge.verify.windows.platform import WindowsPlatform


@pytest.mark.parametrize("codepage", [437, 850, 932, 65001, 4242, 0])
def test_no_bytes_break_the_decoding(codepage):
    assert isinstance(diagnostics.decode(bytes(range(256)), codepage), str)


@pytest.mark.parametrize(
    "settings",
    [
        {"folder": "a b"},
        {"folder": "a;b"},
        {"folder": "a\\b"},
        {"cpp_flags": ["/O1 /x"]},
        {"cpp_flags": ['/D"x"']},
        {"host_key": "MD5:aa"},
        {"host": "a b"},
        {"no_such_setting": 1},
    ],
)
def test_settings_that_a_shell_could_read_otherwise_are_refused(settings):
    with pytest.raises(ValueError):
        Msvc(**{"host": "h", "user": "u"} | settings)


def test_the_command_needs_no_quotes_in_any_shell():
    command = WindowsPlatform("2022").command("C:/judge/tools-1", "C:/judge/batch-1-a")
    assert command == "cmd.exe /d /c C:\\judge\\tools-1\\driver.cmd C:\\judge\\tools-1 C:\\judge\\batch-1-a 17"


RUN = '"exit_code": 0, "cpu_ms": 1, "wall_ms": 1, "limit": "-", "out": "", "err": ""'


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"step": "test"}',
        '{"step": "test", "job": 2, %s}' % RUN,
        '{"step": "test", "job": -1, %s}' % RUN,
        '{"step": "test", "job": true, %s}' % RUN,
        '{"step": "test", "job": 0, %s}' % RUN.replace('"-"', '"none"'),
        '{"step": "test", "job": 0, %s}' % RUN.replace('"out": ""', '"out": "?"'),
        '{"step": "test", "job": 0, %s}' % RUN.replace('"exit_code": 0', '"exit_code": "0"'),
        '{"step": "pass", "job": 0, %s}' % RUN,
        "\u00e9",
    ],
)
def test_a_line_that_is_not_whole_is_no_result(line):
    assert read_event(('{"step": "test", "job": 1, %s}' % RUN).encode(), 2).run.exit_code == 0
    with pytest.raises(ValueError):
        read_event(line.encode(), 2)


def test_a_batch_carries_its_bytes_unchanged():
    limits = Limits(cpu_s=1.5, memory_mb=2, processes=3, output_kb=4)
    job = Job(
        {"main.cpp": b"1 2\n\0\xff"},
        limits,
        [{"stdin": b"a b\n"}, {"stdin": b""}],
        ["cl.exe", "/c"],
        None,
        ["main.exe"],
    )
    assert encode_batch([job], at_once=0, silence_s=60, restricted=True) == (
        b"halo-forge 1 0 60000 1 1 1\n9\ncl.exe /c8\nmain.exe1500 4000 2097152 3 4096\n1500 4000 2097152 3 4096\n"
        b"1\n8\nmain.cpp6\n1 2\n\0\xff2\n4\na b\n0\n"
    )


def test_only_diagnostics_count_as_words_of_the_compiler():
    def words(said: bytes) -> bytes:
        run = Run(0, 0.1, 0.1, "-", said, b"", b"")
        return diagnostics.readable(Report(compile=run), "main.cpp", 1252).compile.stderr

    assert words(b"main.cpp\r\n") == b""
    assert (
        words(b"main.cpp\r\nmain.cpp(3): warning C4101: '\xe9'\r\n") == "main.cpp(3): warning C4101: '\u00e9'".encode()
    )


def test_what_ended_a_program_is_named_and_its_output_is_left_alone():
    run = Run(0xC00000FD, 0.1, 0.1, "-", b"\xff\r\n", b"x\r\n", b"")
    (made,) = diagnostics.readable(Report(tests=[run]), "main.cpp", 1252).tests
    assert (made.stdout, made.stderr) == (b"\xff\r\n", b"0xc00000fd: stack overflow\nx\n")
