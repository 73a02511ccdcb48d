"""All benchmarks of speed and memory, one after the other, and their tables: `make perf`, or `make perf ARGS=--quick`.

Each is a script of its own that compares A and B in turns and leaves results/perf/<name>.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from rows import PERF, show  # noqa: E402

SCRIPTS = {
    "overheads": "overheads.py",
    "growth": "growth.py",
    "verification": "verify_speed.py",
    "generation": "generation_speed.py",
    "training": "training_speed.py",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns and smaller sizes")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=list(SCRIPTS))
    options = parser.parse_args()
    failed = []
    for name in options.only:
        started = time.monotonic()
        command = [sys.executable, str(HERE / SCRIPTS[name]), *(["--quick"] if options.quick else [])]
        print(f"== {name}: {SCRIPTS[name]}", flush=True)
        if subprocess.run(command).returncode:
            failed.append(name)
        print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    for name in options.only:
        if name not in failed:
            show(json.loads((PERF / f"{name}.json").read_text(encoding="utf-8"))["rows"], name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
