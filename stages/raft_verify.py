"""Compile and test every sampled answer of a cycle in the sandbox.

Reads  data/split/raft.jsonl, data/raft/<cycle>/samples.jsonl
Writes data/raft/<cycle>/verdicts.jsonl
Params verify, preset
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.stage import stage
from halo_forge.verify.run import verify_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--cycle", required=True, help="a key of raft.cycles")
    options = parser.parse_args()
    params = load_params(options.params)

    params.cycle(options.cycle)
    verify_file(params.verify, Path("data/split/raft.jsonl"), Path("data/raft") / options.cycle, options.cycle)


if __name__ == "__main__":
    sys.exit(stage(main))
