"""What tests need of this machine: a tool that is missing or broken skips them, with its verifier's own words."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import asyncssh
import pytest

from halo_forge.errors import InfrastructureError
from halo_forge.settings.verify import Verify
from halo_forge.verify.registry import get_verifier
from halo_forge.verify.windows import wine

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def skip_without(*names: str) -> None:
    """Skip the test that runs unless all of these work: verifiers, sshd, wine. As a mark: pytest.mark.needs(…)."""
    for name in names:
        if found := trouble(name):
            pytest.skip(f"{name}: {found}")


@functools.cache
def trouble(name: str) -> str | None:
    """Why it does not work here; None if it does."""
    if name == "sshd":
        return _trouble_of_sshd()
    if name == "wine":
        return wine.missing()
    try:
        get_verifier(name, Verify()).probe()
    except InfrastructureError as error:
        return str(error)
    return None


def _trouble_of_sshd() -> str | None:
    if SSHD is None:
        return "apt install openssh-server"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd parks its unprivileged half
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(key)
        key.chmod(0o600)
        done = subprocess.run([SSHD, "-t", "-f", "/dev/null", "-h", str(key)], capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else None
