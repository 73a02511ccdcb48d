"""What was measured, what was not, and the energy that it took."""

from __future__ import annotations

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Report:
    path: Path
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    not_measured: list[dict[str, str]] = field(default_factory=list)

    def add(self, name: str, value: Any, unit: str = "", note: str = "", n: int | None = None) -> None:
        row = {"name": name, "value": value, "unit": unit, "n": n, "note": note}
        self.rows.append(row)
        print(_line(row), flush=True)

    def missing(self, name: str, why: str) -> None:
        self.not_measured.append({"name": name, "why": why})

    @contextlib.contextmanager
    def watched(self, part: str) -> Iterator[None]:
        """Energy, mean power and utilisation of the part, where NVML tells."""
        try:
            watch = _Watch()
        except (ImportError, OSError, RuntimeError) as error:
            if not any(row["name"] == "energy" for row in self.not_measured):
                self.missing("energy", f"{type(error).__name__}: {error}")
            yield
            return
        with watch:
            yield
        for name, value, unit in watch.figures():
            self.add(f"{part}: {name}", value, unit)

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        told = {"device": self.facts, "rows": self.rows, "not_measured": self.not_measured}
        self.path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def block(self, title: str) -> str:
        """For a bug report."""
        lines = ["```", f"halo-forge gpu-check, {title}"]
        lines += [f"{key}: {value}" for key, value in self.facts.items()]
        lines += [_line(row) for row in self.rows]
        lines += [f"not measured: {row['name']}: {row['why']}" for row in self.not_measured]
        return "\n".join([*lines, "```"])


def _line(row: dict[str, Any]) -> str:
    value = f"{row['value']:,.4g}" if isinstance(row["value"], float) and row["value"] < 1000 else row["value"]
    value = f"{value:,.0f}" if isinstance(value, float) else value
    n = f" (n = {row['n']})" if row["n"] else ""
    note = f"  [{row['note']}]" if row["note"] else ""
    return f"{row['name']}: {value} {row['unit']}{n}{note}"


class _Watch:
    """Reads NVML four times a second. Raises ImportError, or NVMLError (a RuntimeError here), where there is none."""

    def __init__(self) -> None:
        import pynvml

        self.nvml = pynvml
        try:
            pynvml.nvmlInit()
            self.handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            self.start = self._energy()
        except pynvml.NVMLError as error:
            raise RuntimeError(str(error)) from error
        self.used: list[float] = []
        self.power: list[float] = []

    def _energy(self) -> float | None:
        """Joules since the driver was loaded; None where the device does not count them."""
        try:
            return self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1000
        except self.nvml.NVMLError:
            return None

    def __enter__(self) -> None:
        self.over, self.began = threading.Event(), time.monotonic()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while not self.over.wait(0.25):
            with contextlib.suppress(self.nvml.NVMLError):  # a device may tell the one and not the other
                self.used.append(self.nvml.nvmlDeviceGetUtilizationRates(self.handle).gpu)
            with contextlib.suppress(self.nvml.NVMLError):
                self.power.append(self.nvml.nvmlDeviceGetPowerUsage(self.handle) / 1000)

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.thread.join()
        self.seconds = time.monotonic() - self.began
        self.end = self._energy()

    def figures(self) -> Iterator[tuple[str, float, str]]:
        yield "seconds", self.seconds, "s"
        if self.start is not None and self.end is not None:
            yield "energy", self.end - self.start, "J"
        if self.power:
            yield "mean power", statistics.mean(self.power), "W"
        if self.used:
            yield "mean utilisation", statistics.mean(self.used), "%"
