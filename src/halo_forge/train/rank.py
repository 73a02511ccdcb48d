"""One of the processes that train together, which `accelerate launch` starts as a module; see `launch`."""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
from pathlib import Path

from halo_forge.errors import HaloForgeError
from halo_forge.files import whole_file, write_json
from halo_forge.interrupts import INTERRUPTED, die_with_parent, interruptible
from halo_forge.train.lora import first_rank, train

JOB, STEPS, SUMMARY = "job.pickle", "steps.jsonl", "summary.json"


def end_of(folder: Path, rank: int) -> Path:
    """Where a rank says how it ended: null, or its error."""
    return folder / f"end-{rank}.json"


def process_of(folder: Path, rank: int) -> Path:
    """Where a rank says which process it is."""
    return folder / f"process-{rank}"


def main(folder: Path) -> int:
    """Train as rank $RANK, and leave a word of how it ended. The exit code is 0 only where it ended well."""
    die_with_parent()
    rank = int(os.environ["RANK"])
    with whole_file(process_of(folder, rank)) as file:
        file.write(str(os.getpid()))
    run, rows, chat, out = pickle.loads((folder / JOB).read_bytes())
    with interruptible():
        try:
            with (folder / STEPS).open("a", buffering=1) as steps:
                summary = train(run, rows, chat, out, lambda entry: print(json.dumps(entry), file=steps))
            if first_rank():
                write_json(folder / SUMMARY, summary)
            return _ended(folder, rank, None, 0)
        except HaloForgeError as error:
            return _ended(folder, rank, error, error.exit_code)
        except KeyboardInterrupt as error:
            return _ended(folder, rank, error, INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - said here, and once more by the process that waits
            traceback.print_exc()
            return _ended(folder, rank, error, 1)


def _ended(folder: Path, rank: int, error: BaseException | None, code: int) -> int:
    write_json(end_of(folder, rank), error and {"error": type(error).__name__, "words": str(error)})
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
