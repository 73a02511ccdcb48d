"""`--help` of every command: whatever the width, each name that it shows can be typed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest
from conftest import REPOSITORY

# Shows the help of the program and of every command in one process, each under a line `=== its words`.
SHOW_ALL = """
import sys
import typer
from halo_forge.cli.main import app

def walk(command, words):
    print("===", *words, flush=True)
    try:
        app([*words, "--help"], prog_name="halo-forge")
    except SystemExit as end:
        assert not end.code, end
    for name, inner in getattr(command, "commands", {}).items():
        walk(inner, [*words, name])

walk(typer.main.get_command(app), [])
"""


def declared(command=None, words: str = "") -> Iterator[tuple[str, set[str]]]:
    """(words of a command, the long names of its options), for every command."""
    import typer

    from halo_forge.cli.main import app

    command = command or typer.main.get_command(app)
    names = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    yield words, {name for name in names if name.startswith("--")} | {"--help"}
    for name, inner in getattr(command, "commands", {}).items():
        yield from declared(inner, f"{words} {name}".strip())


def shown(where: str, columns: int) -> dict[str, str]:
    """words of a command -> its help, as a pipe or a terminal of so many columns gets it."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "TERM": "xterm"}
    command = [sys.executable, "-c", SHOW_ALL]
    if where == "pipe":
        done = subprocess.run(command, env=environment | {"COLUMNS": str(columns)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        text = done.stdout
    else:
        environment.pop("COLUMNS", None)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        data = b""
        try:
            while piece := os.read(ours, 65536):
                data += piece
        except OSError:  # Linux says so when the other end is closed
            pass
        os.close(ours)
        assert process.wait() == 0, data
        text = data.decode()
    parts = re.split(r"^===(.*)$", text, flags=re.M)[1:]
    return {words.strip(): said for words, said in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("where", ["pipe", "terminal"])
def test_no_name_of_an_option_is_cut(where, columns) -> None:
    helps, options = shown(where, columns), dict(declared())
    assert helps.keys() == options.keys() and len(options) > 15
    every = set().union(*options.values())
    for words, said in helps.items():
        named = set(re.findall(r"--\w[\w-]*", said))
        assert options[words] <= named, words
        assert named <= every, f"{words}: {named - every} is no option"  # one that a text names is whole too


def test_what_stands_in_brackets_is_no_markup() -> None:
    """rich would take the defaults for markup and show none."""
    helps = shown("pipe", 80)
    assert "[default: 8]" in helps["raft train"] and "[default: 3]" in helps["sft train"]


def test_each_command_of_a_list_is_described_in_a_whole_sentence() -> None:
    assert [words for words, said in shown("pipe", 80).items() if "..." in said.partition("Commands:")[2]] == []
