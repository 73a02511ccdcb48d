"""How a stage shows its advance: a live bar for a person at a terminal, plain lines for a log.

rich is imported only when there is a terminal to draw on.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

EVERY_S = 15.0
"""In a log, a line at least this often, …"""
EVERY_SHARE = 0.10
"""… or as often as this share of the work is done, …"""
AT_MOST_EVERY_S = 2.0
"""… but no faster than this."""

watchers: list[Callable[[Progress, bool], None]] = []
"""Called with every change of a Progress, and whether it is its first or last: what else wants to know of it."""


class Progress:
    """`with Progress(total, "sampling c1") as progress: progress.advance(64, tokens_per_s=380)`.

    `total` is in units of work (None when unknown). `done` of them were finished by an earlier, killed run: they count
    as done but not towards the rate. The named fields of `advance` stand beside the bar until they are given again.
    """

    def __init__(
        self,
        total: int | None,
        label: str,
        *,
        done: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.total, self.label, self.done = total, label, done
        self.fields: dict[str, Any] = {}
        self._stream, self._clock = stream or sys.stderr, clock
        self._resumed = done
        self._bar: Any = None

    def __enter__(self) -> Progress:
        self._start = self._last_time = self._clock()
        self._last_done = self.done
        self._tell(True)
        if is_terminal(self._stream):
            self._bar, self._task = _bar(self._stream, self.total, self.label, self.done)
            self._bar.start()
        elif self._resumed:
            self._say(f"{self._count()} done before")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._tell(True)
        if self._bar is not None:
            self._bar.stop()
            return
        if kind and self.done == self._resumed:
            return  # nothing was done: the error says it all
        end = "stopped after" if kind else "done in"
        self._say(", ".join([f"{self._count()} {end} {duration(self._clock() - self._start)}", *self._details()]))

    def advance(self, n: int = 1, **fields: Any) -> None:
        """Count `n` more units as done and show the latest `fields`, floats in three digits."""
        self.done += n
        self.fields.update(fields)
        self._tell(False)
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, details=", ".join(self._details()))
            return
        now = self._clock()
        passed_s = now - self._last_time
        share = (self.done - self._last_done) / self.total if self.total else 0.0
        if passed_s >= EVERY_S or (share >= EVERY_SHARE and passed_s >= AT_MOST_EVERY_S):
            if self.total is None or self.done < self.total:  # the last line is __exit__'s
                self._say(", ".join([self._count(), *self._details(), *self._time_left(now)]))
            self._last_time, self._last_done = now, self.done

    def _count(self) -> str:
        if not self.total:
            return str(self.done)
        return f"{self.done}/{self.total} ({100 * self.done / self.total:.0f} %)"

    def _details(self) -> list[str]:
        elapsed_s = self._clock() - self._start
        rate = [f"{(self.done - self._resumed) / elapsed_s:.3g}/s"] if elapsed_s > 0 else []
        if self._bar is not None:
            rate = []  # the bar has a column of its own for it
        return rate + [f"{name} {_shown(value)}" for name, value in self.fields.items()]

    def _time_left(self, now: float) -> list[str]:
        new = self.done - self._resumed
        if not self.total or new < 0.02 * self.total:  # the first of a batch come late: their rate says nothing yet
            return []
        return [f"{duration((now - self._start) / new * (self.total - self.done))} left"]

    def _tell(self, wanted: bool) -> None:
        for watcher in watchers:
            watcher(self, wanted)

    def _say(self, text: str) -> None:
        print(f"{self.label}: {text}", file=self._stream, flush=True)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table to stdout: drawn on a terminal, aligned plain text in a pipe. Numbers are set to the right."""
    rows = [list(row) for row in rows]
    table = [[_shown(cell) for cell in row] for row in rows]
    numeric = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(headers))]
    if is_terminal(sys.stdout):
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(title=Text(title) if title else None, title_justify="left")
        for header, is_number in zip(headers, numeric, strict=True):
            drawn.add_column(Text(header), justify="right" if is_number else "left", overflow="fold")
        for row in table:
            drawn.add_row(*map(Text, row))  # Text: brackets in a cell are no markup
        Console().print(drawn)
        return
    if title:
        print(title)
    widths = [max(len(line[i]) for line in [list(headers), *table]) for i in range(len(headers))]
    for line in [list(headers), ["-" * width for width in widths], *table]:
        cells = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(line, widths, numeric, strict=True)
        ]
        print("  ".join(cells).rstrip())


def is_terminal(stream: TextIO) -> bool:
    """Whether a person watches `stream` on something that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def duration(seconds: float) -> str:
    """12 s, 3 min 05 s, 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def _bar(stream: TextIO, total: int | None, label: str, done: int) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{task.speed:.3g}/s" if task.speed else "")

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[details]}", markup=False),
        console=Console(file=stream),
    )
    return bar, bar.add_task(label, total=total, completed=done, details="")
