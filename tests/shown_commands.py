"""A command that a page shows, tried on the parser that reads it; nothing of it is run."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conftest import REPOSITORY
from pages import Command, commands_of
from scratch import sh

from halo_forge.errors import HaloForgeError
from halo_forge.settings.params import load_params

ELSEWHERE = {
    "cd": "the shell's own",
    "git": "Git's own, in the reader's repository",
    "gto": "names a version in the reader's repository",
    "llama-server": "llama.cpp's own program, which no package here brings",
    "ollama": "Ollama's own program, which no package here brings",
    "ray": "wants a cluster, and requirements-ray.lock",
    "source": "the shell's own",
    "tensorboard": "opens a port and stays",
    "transformers": "opens a port and stays",
    "vllm": "wants a GPU, and requirements-gpu.lock",
}
"""First words of the commands that are shown and tried nowhere, with the reason."""

# Parses each argv of stdin as its script would, and ends the script there. What it prints: argv -> trouble.
_PARSE = """
import argparse, contextlib, io, json, os, runpy, sys

class Parsed(BaseException):
    pass

original = argparse.ArgumentParser.parse_args

def parse_args(self, args=None, namespace=None):
    original(self, args, namespace)
    raise Parsed

argparse.ArgumentParser.parse_args = parse_args
said = []
for argv in json.load(sys.stdin):
    sys.argv, words, path = argv, io.StringIO(), list(sys.path)
    sys.path.insert(0, os.path.dirname(os.path.abspath(argv[0])))
    trouble = "its arguments are parsed nowhere"
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(words):
            runpy.run_path(argv[0], run_name="__main__")
    except Parsed:
        trouble = None
    except SystemExit as end:
        trouble = words.getvalue() if end.code else None
    sys.path[:] = path
    said.append(trouble)
print(json.dumps(said))
"""


def troubles(shown: Sequence[Command]) -> list[str]:
    """What is wrong with these commands, a line each; equal commands are tried once."""
    first = {command.words: command for command in reversed(shown)}
    found = {words: trouble for words in first if (trouble := _trouble(words))}
    scripts = [words for words in first if _is_script(words) and words not in found]
    found |= {words: why for words, why in zip(scripts, parsed(scripts), strict=True) if why}
    return [f"{first[words]}: {why.strip()}" for words, why in found.items()]


def parsed(scripts: Sequence[Sequence[str]]) -> list[str | None]:
    """What the parsers of Python scripts say of `python SCRIPT …`, in one process: they take a while to import."""
    if not scripts:
        return []
    environment = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    done = subprocess.run(
        [sys.executable, "-c", _PARSE],
        input=json.dumps([words[1:] for words in scripts]),
        env=environment | {"PYTHONPATH": str(REPOSITORY / "src")},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _is_script(words: Sequence[str]) -> bool:
    return words[0] == "python" and words[1].endswith(".py")


def _trouble(words: Sequence[str]) -> str | None:
    program, *arguments = words
    if program in ELSEWHERE:
        return None
    if program not in _PARSERS:
        return f"nothing here parses {program}; name it in ELSEWHERE with the reason"
    return _PARSERS[program](arguments)


def _halo_forge(arguments: list[str]) -> str | None:
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            _inert_cli()(arguments, prog_name="halo-forge")
        except SystemExit as end:
            return said.getvalue() if end.code else None
    return None


@functools.cache
def _inert_cli():
    """The command line, whose commands do nothing once their arguments are parsed."""
    import typer

    from halo_forge.cli.main import app

    waiting = [whole := typer.main.get_command(app)]
    while waiting:
        command = waiting.pop()
        if inner := getattr(command, "commands", None):
            waiting += inner.values()
        else:
            command.callback = lambda **_: None
    return whole


def _make(arguments: list[str]) -> str | None:
    """Make's own word on the target, then what its recipe runs with the variables given."""
    sources = [(REPOSITORY / name).read_text() for name in ("Makefile", ".make/setup.sh")]
    for name in [word.partition("=")[0] for word in arguments if "=" in word]:
        if not any(re.search(rf"\b{name}\b", source) for source in sources):
            return f"no variable {name}"
    done = sh("make", "-n", *arguments, cwd=REPOSITORY)
    if done.returncode:
        return done.stderr
    inner = [command for line in done.stdout.splitlines() for command in commands_of(_unescaped(line), "recipe")]
    for command in inner:
        words = tuple(word for word in command.words if not word.startswith("$"))
        if words and words[0] in ("halo-forge", "dvc") and (trouble := _trouble(words)):
            return f"{shlex.join(words)}: {trouble}"
    return None


def _unescaped(line: str) -> str:
    """A line that a shell's lexer takes: of a recipe only simple commands are of interest here."""
    return line if line.count("'") % 2 == 0 and line.count('"') % 2 == 0 else ""


def _dvc(arguments: list[str]) -> str | None:
    from dvc.cli import DvcParserError, parse_args

    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            given = parse_args(arguments)
    except DvcParserError:
        return "dvc does not know this command or option"
    except SystemExit as end:
        return "dvc does not know this command or option" if end.code else None
    return _overrides(list(getattr(given, "set_param", None) or []))


def _overrides(overrides: list[str]) -> str | None:
    """What is wrong with the settings of `-S`: they are made in copies of the files, which are then read."""
    from dvc.exceptions import InvalidArgumentError
    from dvc.utils.cli_parse import to_path_overrides
    from dvc.utils.hydra import apply_overrides, get_hydra_sweeps

    if not overrides:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name in ("params.yaml", "presets.yaml"):
            (Path(folder) / name).write_bytes((REPOSITORY / name).read_bytes())
        try:
            for file, sweep in get_hydra_sweeps(to_path_overrides(overrides))[0].items():
                apply_overrides(Path(folder) / file, sweep)
            load_params(Path(folder) / "params.yaml")
        except (InvalidArgumentError, HaloForgeError) as error:
            return f"{error} ({error.__cause__})"
    return None


def _python(arguments: list[str]) -> str | None:
    """A module must be there, and so must a script; what parses its arguments is asked in `parsed`."""
    if arguments[0] == "-m":
        return None if importlib.util.find_spec(arguments[1]) else f"no module {arguments[1]}"
    return None if (REPOSITORY / arguments[0]).is_file() else f"no file {arguments[0]}"


def _pip(arguments: list[str]) -> str | None:
    """A file of requirements that is there, or one requirement as pyproject.toml has it."""
    match arguments:
        case ["install", "-r", path] if (REPOSITORY / path).is_file():
            return None
        case ["install", wanted] if f'"{wanted}"' in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"):
            return None
    return "install -r FILE, or a requirement of pyproject.toml"


_PARSERS = {"halo-forge": _halo_forge, "make": _make, "dvc": _dvc, "python": _python, "pip": _pip}
