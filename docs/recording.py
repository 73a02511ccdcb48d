"""Record the terminal session of the README: python docs/recording.py [--output docs/session.svg]

COMMANDS run in an empty folder, with the files of FILES in it, and what they print is shown at the pace at which it
came; pauses are cut at PAUSE_S. Programs are piped, so they print lines and draw no bars. The SVG is text and CSS
alone: no script, nothing from outside, light or dark as the reader's system is. Where nothing may move, or a viewer
knows no animation, its end is seen.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from halo_forge.files import whole_file  # noqa: E402

COMMANDS = [
    "halo-forge task new rises --language python",
    "grep stdin: rises.yaml",
    "halo-forge task check rises.yaml --output tasks.jsonl",
    "sed -i '/1 1 1 1/d; /-5 -4/d' rises.yaml    # and if two of the tests were missing?",
    "halo-forge task check rises.yaml",
    "cut -c 1-94 answers.jsonl",
    "halo-forge verify run --tasks tasks.jsonl --samples answers.jsonl --output verdicts.jsonl",
]
_READ = "n, v = int(input()), [int(w) for w in input().split()]"
ANSWERS = {  # what they show -> a program
    "right": f"{_READ}\nprint(sum(a < b for a, b in zip(v, v[1:])))",
    "counts equal ones": f"{_READ}\nprint(sum(a <= b for a, b in zip(v, v[1:])))",
    "never ends": "while True: pass",
    "reads what is not its own": "print(open('/etc/shadow').read())",
    "is no Python": "print('rises'",
}
COLUMNS, ROWS = 96, 24
TYPING_S, PAUSE_S, END_S = 0.03, 1.5, 6.0
"""Of a key; the longest that nothing happens; how long the end stays."""
CHAR, LINE, MARGIN, SIZE = 8.0, 19.0, 16.0, 13.3
"""Pixels: width of a character, height of a line, rim, size of the font."""

STYLE = """
svg { --ground: #ffffff; --ink: #1f2328; --muted: #59636e; --prompt: #1a7f37; --line: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --ink: #e6edf3; --muted: #9198a1; --prompt: #3fb950; --line: #3d444d }
}
text { font: %spx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre }
.out { fill: var(--muted) } .in { fill: var(--ink); font-weight: 600 } .prompt { fill: var(--prompt) }
.ground, .cover { fill: var(--ground) } .ground { stroke: var(--line) } .caret { fill: var(--ink) }
.typing { opacity: 0 }
@media (prefers-reduced-motion: reduce) { * { animation: none !important } }
"""


@dataclass(frozen=True)
class Row:
    """A line of the terminal, shown from `at_s` on; a command's is typed until `typed_s`, and runs until then."""

    at_s: float
    text: str
    typed_s: float | None = None


def record(folder: Path) -> list[Row]:
    """Run COMMANDS in `folder`. Raises CalledProcessError where one ends as the session does not expect."""
    tools = folder / ".bin"
    tools.mkdir()
    (tools / "halo-forge").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m halo_forge "$@"\n')
    (tools / "halo-forge").chmod(0o755)
    answers = [
        {"sample_id": name, "task_id": "mine/rises", "completion": f"```python\n{code}\n```"}
        for name, code in ANSWERS.items()
    ]
    (folder / "answers.jsonl").write_text("".join(f"{json.dumps(answer)}\n" for answer in answers))
    environment = os.environ | {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONUNBUFFERED": "1",
        "HALO_FORGE_CACHE": str(folder / ".cache"),  # nothing is known from an earlier recording
        "COLUMNS": str(COLUMNS),
    }
    rows, now_s = [], 0.8
    for command in COMMANDS:
        typed_s = now_s + TYPING_S * len(command)
        rows.append(Row(now_s, command, typed_s))
        now_s, last_s = typed_s + 0.3, time.monotonic()
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout:
            heard_s = time.monotonic()
            now_s += min(heard_s - last_s, PAUSE_S)
            last_s = heard_s
            for part in textwrap.wrap(line.rstrip(), COLUMNS, drop_whitespace=False, replace_whitespace=False) or [""]:
                rows.append(Row(now_s, part))
        if process.wait() not in (0, 1):  # 1: a task that is weak, which the session shows
            raise subprocess.CalledProcessError(process.returncode, command, "\n".join(row.text for row in rows))
        now_s += PAUSE_S
    return rows


def drawn(rows: list[Row]) -> str:
    """The rows as an animated SVG that begins anew when it has ended."""
    whole_s = rows[-1].at_s + END_S
    width, height = COLUMNS * CHAR + 2 * MARGIN, ROWS * LINE + 2 * MARGIN

    def share(moment_s: float) -> str:
        return f"{100 * moment_s / whole_s:.3f}%"

    rules, shapes, scrolled = [], [], ["0%{transform:translateY(0)}"]
    for i, row in enumerate(rows):
        y = MARGIN + i * LINE
        rules.append(f"@keyframes r{i}{{0%{{opacity:0}}{share(row.at_s)}{{opacity:1}}}}")
        if i >= ROWS:
            scrolled.append(f"{share(row.at_s)}{{transform:translateY({(ROWS - 1 - i) * LINE:g}px)}}")
        line = _text(row.text, MARGIN, y, "out")
        if row.typed_s is not None:
            after = MARGIN + 2 * CHAR
            line = _text("$", MARGIN, y, "prompt") + _text(row.text, after, y, "in")
            wide = len(row.text) * CHAR
            rules.append(
                f"@keyframes t{i}{{0%{{opacity:0}}"
                f"{share(row.at_s)}{{opacity:1;transform:none;animation-timing-function:steps({len(row.text)})}}"
                f"{share(row.typed_s)}{{opacity:1;transform:translateX({wide:g}px)}}"
                f"{share(row.typed_s + 0.25)}{{opacity:0;transform:translateX({wide:g}px)}}}}"
            )
            line += f'<g class="typing" style="animation:t{i} {whole_s:.2f}s step-end infinite">'
            line += f'<rect class="cover" x="{after:g}" y="{y:g}" width="{wide + CHAR:g}" height="{LINE:g}"/>'
            line += f'<rect class="caret" x="{after:g}" y="{y + 2:g}" width="{CHAR:g}" height="{LINE - 4:g}"/></g>'
        shapes.append(f'<g style="animation:r{i} {whole_s:.2f}s step-end infinite">{line}</g>')
    end = max(0.0, (len(rows) - ROWS) * LINE)
    rules.append(f"@keyframes scroll{{{''.join(scrolled)}}}")
    scroll = f"transform:translateY({-end:g}px);animation:scroll {whole_s:.2f}s step-end infinite"
    said = "; ".join(row.text for row in rows if row.typed_s is not None)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">'
        f"<title>A terminal session: {escape(said)}</title>"
        f"<style>{STYLE % SIZE}{''.join(rules)}</style>"
        f'<clipPath id="screen"><rect x="1" y="{MARGIN:g}" width="{width - 2:g}" height="{ROWS * LINE + 4:g}"/>'
        "</clipPath>"
        f'<rect class="ground" x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="8"/>'
        f'<g clip-path="url(#screen)"><g style="{scroll}">{"".join(shapes)}</g></g></svg>\n'
    )


def _text(text: str, x: float, y: float, kind: str) -> str:
    """A line of text of one width in every font."""
    if not text.strip():
        return ""
    length = f'textLength="{len(text) * CHAR:g}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"'
    return f'<text class="{kind}" x="{x:g}" y="{y + 0.75 * LINE:g}" {length}>{escape(text)}</text>'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "session.svg")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="session-") as folder:
        rows = record(Path(folder))
    with whole_file(options.output) as file:
        file.write(drawn(rows))
    print(f"{options.output}: {len(rows)} lines, {rows[-1].at_s + END_S:.0f} s, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
