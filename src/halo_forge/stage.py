"""How every stage script begins and ends: its arguments, its params, its exit code."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path

from halo_forge.devices import take_gpus
from halo_forge.interrupts import die_with_parent
from halo_forge.live.journal import journalled
from halo_forge.process import exit_code
from halo_forge.settings.params import load_params


def stage(main: Callable[..., None], *, on_gpus: bool = False, **arguments: str) -> None:
    """Run `main(params, …)` with what the command line gives, and end the process with its exit code.

    `on_gpus`: it uses GPUs, which this process takes for itself before (`devices.take_gpus`).
    `arguments`: the further parameters of `main` by name, each with the help of its option, which must be given where
    `main` has no default for it. The script's docstring is what `--help` shows. Started by DVC, the process dies with
    it.
    """
    if "DVC_STAGE" in os.environ:
        die_with_parent()
    parser = argparse.ArgumentParser(
        description=inspect.getmodule(main).__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parameters = inspect.signature(main).parameters
    for name, text in arguments.items():
        default = parameters[name].default
        parser.add_argument(f"--{name}", required=default is inspect.Parameter.empty, default=default, help=text)

    def run() -> None:
        given = vars(parser.parse_args())
        params = load_params(given.pop("params"))
        with journalled(params, take_gpus if on_gpus else None):
            main(params, **given)

    sys.exit(exit_code(run))
