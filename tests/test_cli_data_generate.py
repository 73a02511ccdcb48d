"""`halo-forge data generate`: exit codes, the dry run, and a process killed half way that pays for nothing twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from conftest import REPOSITORY
from llm_server import Say, good, serving

from halo_forge.data.llm.topics import load_topic, topic_files
from halo_forge.data.rows import read_file

COMMAND = [
    sys.executable,
    "-c",
    "import sys; from halo_forge.cli.data import app; from halo_forge.process import exit_code; sys.exit(exit_code(app))",
]
TOPIC = """
description: Small programs
categories: [cat1, cat2]
complexity_levels: {easy: ten lines}
examples_per_category: 3
"""


def environment(folder, **more):
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return kept | {"HALO_FORGE_CACHE": str(folder / "cache"), "PYTHONPATH": str(REPOSITORY / "src"), **more}


def data_generate(folder, *arguments, **more):
    command = [*COMMAND, "generate", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(folder, **more), capture_output=True, text=True)


def to(server, *more):
    return (
        "--topic",
        "mine.yaml",
        "--backend",
        "openai-compatible",
        "--base-url",
        f"{server.url}/v1",
        "--model",
        "m",
        *more,
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.yaml").write_text(TOPIC)
    return tmp_path


def test_the_list_shows_every_topic_with_its_language_and_categories(folder):
    done = data_generate(folder, "--list")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert {"rust_async", "python_testing", "cpp_algorithms", "go_concurrency"} < set(lines) and len(topic_files()) >= 8
    assert "channels" in lines["rust_async"] and "140" in lines["rust_async"]


@pytest.mark.parametrize("name", sorted(topic_files()))
def test_every_topic_says_what_its_categories_and_levels_mean(name):
    spec = load_topic(name)
    assert spec.name == name and len(spec.categories) >= 6 and len(spec.complexity_levels) == 3
    assert all(spec.categories.values()) and all(spec.complexity_levels.values())
    assert spec.style_guide and spec.test_guide and all(spec.forbidden_patterns.values())


def test_a_dry_run_shows_requests_and_estimate_and_sends_nothing(folder):
    with serving() as server:
        done = data_generate(folder, *to(server), "--dry-run", "--price-input", "1", "--price-output", "2")
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.count("--- request ") == 6
        and "Category: cat2" in done.stdout
        and "Level: easy: ten lines" in done.stdout
    )
    assert "6 requests to send, 0 answers in the cache" in done.stdout and "USD" in done.stdout
    assert not server.requests and not (folder / "data").exists()


def test_a_dry_run_wants_no_key(folder):
    done = data_generate(folder, "--topic", "rust_async", "--backend", "deepseek", "--dry-run")
    assert done.returncode == 0 and "140 requests" in done.stdout and "deepseek" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--backend", "deepseek"], 2, "--topic is missing"),
        (["--topic", "rust_asink"], 2, "known: c_memory"),
        (["--topic", "gone.yaml"], 2, "gone.yaml: no such file"),
        (["--topic", "mine.yaml", "--backend", "deepsek"], 2, "did you mean 'deepseek'"),
        (["--topic", "mine.yaml", "--backend", "openai-compatible"], 2, "--base-url"),
        (["--topic", "mine.yaml", "--temperature", "9"], 2, "temperature"),
        (["--topic", "mine.yaml", "--price-input", "1"], 2, "--price-output"),
        (["--topic", "mine.yaml", "--backend", "deepseek"], 3, "DEEPSEEK_API_KEY is not set"),
        (
            ["--topic", "mine.yaml", "--backend", "ollama", "--base-url", "http://127.0.0.1:9/v1"],
            3,
            "cannot be reached",
        ),
    ],
)
def test_exit_codes_and_one_line_that_says_why(folder, arguments, code, words):
    done = data_generate(folder, *arguments)
    assert done.returncode == code and words in done.stderr and "Traceback" not in done.stderr
    assert not list(folder.glob("data/*"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("examples_per_categorie: 3", "did you mean 'examples_per_category'"),
        ("language: cobol", "language: 'cobol' has no judge here"),
        ("tests: harness", "cannot be judged in python"),
        ("forbidden_patterns: ['(']", "is no regular expression"),
        ("  - [", "mine.yaml:"),
    ],
)
def test_a_topic_with_a_mistake_names_file_and_key(folder, line, words):
    (folder / "mine.yaml").write_text(f"{TOPIC}{line}\n")
    done = data_generate(folder, "--topic", "mine.yaml", "--dry-run")
    assert (
        done.returncode == 2 and "mine.yaml" in done.stderr and words in done.stderr and "Traceback" not in done.stderr
    )


def answers_kept(folder):
    path = folder / "cache" / "llm" / "replies.sqlite"
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(path) as connection:
            return connection.execute("SELECT COUNT(*) FROM replies").fetchone()[0]
    except sqlite3.OperationalError:  # the table is being made
        return 0


@pytest.mark.needs("python")
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGKILL, -signal.SIGKILL),
        pytest.param(signal.SIGTERM, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_ended_half_way_and_run_again_no_request_is_paid_twice(folder, number, code):
    half = threading.Event()

    def script(order, body):
        return good(order, body) if order < 3 or half.is_set() else Say(hang=True)

    with serving(script) as server:
        arguments = to(server, "--concurrency", "2", "--output", "out/rows.jsonl")
        command = [*COMMAND, "generate", *arguments]
        killed = subprocess.Popen(command, cwd=folder, env=environment(folder), stderr=subprocess.PIPE)
        deadline = time.monotonic() + 240
        while answers_kept(folder) < 3 and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        killed.send_signal(number)
        killed.communicate()
        assert killed.returncode == code
        assert answers_kept(folder) == 3 and not (folder / "out" / "rows.jsonl").exists()
        half.set()
        done = data_generate(folder, *arguments)
        assert done.returncode == 0, done.stderr
        assert "kept 6 of 6" in done.stdout and "3 requests sent, 3 answers from the cache" in done.stdout
        again = data_generate(folder, *arguments)
        assert "0 requests sent, 6 answers from the cache" in again.stdout
    assert len(server.paid) == 6 and set(server.paid.values()) == {1}
    assert len(list(read_file(folder / "out" / "rows.jsonl"))) == 6
    report = json.loads((folder / "out" / "rows.report.json").read_text())
    assert report["kept"] == 6 and report["tokens"] == {"input": 600, "output": 300}


@pytest.mark.slow
@pytest.mark.needs("python")
def test_without_a_cache_a_killed_run_goes_on_too(folder):
    half = threading.Event()

    def script(order, body):
        return good(order, body) if order < 3 or half.is_set() else Say(hang=True)

    with serving(script) as server:
        arguments = to(server, "--concurrency", "1", "--no-cache", "--count", "4")
        killed = subprocess.Popen(
            [*COMMAND, "generate", *arguments], cwd=folder, env=environment(folder), stderr=subprocess.PIPE
        )
        deadline = time.monotonic() + 120
        while len(server.requests) < 4 and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        half.set()
        done = data_generate(folder, *arguments)
        assert "1 requests sent, 3 answers from the cache" in done.stdout, done.stderr
    assert set(server.paid.values()) == {1} and (folder / "data" / "mine_generated.jsonl").exists()
    assert not answers_kept(folder) and not list((folder / ".state").glob("*"))
