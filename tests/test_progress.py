"""What a person at a terminal and a log file get to see."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from halo_forge.progress import Progress, duration, print_table

SRC = Path(__file__).resolve().parents[1] / "src"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def log(total, steps, *, seconds_a_step, done=0, n=1, **fields):
    """The lines of a log in which each of `steps` advances takes `seconds_a_step`."""
    stream, clock = io.StringIO(), Clock()
    with Progress(total, "work", done=done, stream=stream, clock=clock) as progress:
        for _ in range(steps):
            clock.now += seconds_a_step
            progress.advance(n, **fields)
    return stream.getvalue().splitlines()


def on_a_terminal(code: str) -> str:
    """What `code` writes to a terminal of 100 columns."""
    main, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(SRC), "COLUMNS": "100", "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    written = b""
    while True:
        try:
            chunk = os.read(main, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(main)
    assert process.wait(timeout=120) == 0, written.decode()
    return written.decode()


def test_a_log_has_no_control_characters():
    text = "\n".join(log(50, 50, seconds_a_step=4.0, pass_rate=0.5))
    assert text.isprintable() or set(text) & set(map(chr, range(32))) == {"\n"}


def test_slow_work_is_heard_of_every_fifteen_seconds():
    assert len(log(1000, 60, seconds_a_step=1.0)) == 60 // 15 + 1


def test_steady_work_is_heard_of_at_every_tenth():
    lines = log(1000, 1000, seconds_a_step=0.05)
    assert [line.split("(")[1].split(")")[0] for line in lines] == [f"{10 * n} %" for n in range(1, 11)]


def test_fast_work_does_not_flood_the_log():
    assert len(log(100, 100, seconds_a_step=0.001)) == 1


def test_the_time_left_and_the_rate_count_this_run_only():
    first, line, *_ = log(100, 4, seconds_a_step=5.0, done=90)
    assert first == "work: 90/100 (90 %) done before"
    assert line == "work: 93/100 (93 %), 0.2/s, 35 s left"


def test_the_last_line_says_all_that_was_done():
    assert (
        log(20, 10, seconds_a_step=30.0, n=2, loss=0.12345)[-1]
        == "work: 20/20 (100 %) done in 5 min 00 s, 0.0667/s, loss 0.123"
    )


def test_work_cut_short_is_not_called_done():
    stream = io.StringIO()
    with pytest.raises(ValueError), Progress(10, "work", stream=stream, clock=Clock()) as progress:
        progress.advance(3)
        raise ValueError
    assert stream.getvalue() == "work: 3/10 (30 %) stopped after 0 s\n"


@pytest.mark.parametrize("total", [None, 0])
def test_work_of_unknown_or_no_size_is_counted(total):
    assert log(total, 2, seconds_a_step=20.0)[-1] == "work: 2 done in 40 s, 0.05/s"


def test_a_terminal_gets_a_bar_with_the_fields():
    seen = on_a_terminal(
        "from halo_forge.progress import Progress\n"
        "with Progress(4, 'sampling [c1]') as progress:\n"
        "    for _ in range(4): progress.advance(1, tokens_per_s=380)\n"
    )
    assert "sampling [c1]" in seen and "4/4" in seen and "tokens_per_s 380" in seen


def test_a_log_does_not_import_rich():
    code = (
        "import sys; from halo_forge.progress import *\n"
        "with Progress(1, 'x') as p: p.advance()\n"
        "print_table(['a'], [[1]]); sys.exit('rich' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SRC)}, capture_output=True
    )
    assert result.returncode == 0, result.stderr


def test_a_piped_table_is_aligned_with_numbers_to_the_right(capsys):
    print_table(["model", "pass@1"], [["base", 0.05], ["longer name", 12], ["c1", None]], title="Ladder")
    assert capsys.readouterr().out.splitlines() == [
        "Ladder",
        "model        pass@1",
        "-----------  ------",
        "base           0.05",
        "longer name      12",
        "c1",
    ]


def test_brackets_in_a_cell_reach_the_terminal():
    seen = on_a_terminal(
        "from halo_forge.progress import print_table\nprint_table(['[h]'], [['halo-forge[gpu] [/red]']])"
    )
    assert "halo-forge[gpu] [/red]" in seen and "[h]" in seen


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3599.7, "1 h 00 min"), (7620, "2 h 07 min")],
)
def test_durations_round_without_overflowing(seconds, text):
    assert duration(seconds) == text
