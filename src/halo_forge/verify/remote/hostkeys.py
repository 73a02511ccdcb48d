"""Which host an ssh connection talks to: its key is pinned, and a first contact is never silently accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.settings.verify import SSH_PORT, Host


@dataclass(frozen=True)
class HostKey:
    """A host's public key: `fingerprint` to compare with the host's own, `public` as in a .pub file."""

    algorithm: str
    fingerprint: str
    public: str

    @classmethod
    def of(cls, key: asyncssh.SSHKey) -> HostKey:
        public = key.export_public_key().decode("ascii").strip()
        return cls(key.get_algorithm(), key.get_fingerprint(), public)

    def __str__(self) -> str:
        return f"{self.algorithm} {self.fingerprint}"


class Pin(asyncssh.SSHClient):
    """Accepts a host by its pinned key only. After a refusal, `error` says what was seen and how to go on."""

    def __init__(self, host: Host):
        self._host = host
        self._known = [] if host.host_key else known_keys(host)
        self.error: InfrastructureError | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        seen = HostKey.of(key)
        if self._host.host_key:
            pinned = [self._host.host_key.rstrip("=")]
        else:
            pinned = [known.fingerprint for known in self._known]
        if seen.fingerprint in pinned:
            return True
        self.error = _changed(self._host, seen, pinned) if pinned else _unknown(self._host, seen)
        return False


def known_hosts(host: Host) -> bytes:
    """What asyncssh is to trust; never empty, since it takes that for ~/.ssh/known_hosts.

    Raises InfrastructureError if the file cannot be read.
    """
    path = Path(host.known_hosts).expanduser()
    if host.host_key or not path.exists():
        return b"# none\n"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        asyncssh.import_known_hosts(text)
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"{path}: cannot be read as known_hosts: {error}; mend or remove the line") from error
    return text.encode() or b"# none\n"


def known_keys(host: Host) -> list[HostKey]:
    """The keys that the known_hosts file lists for this host."""
    port = host.port if host.port != SSH_PORT else None
    return [HostKey.of(key) for key in asyncssh.match_known_hosts(known_hosts(host), host.host, "", port)[0]]


def host_key(host: Host) -> HostKey:
    """The key a host shows now, which proves nothing yet. Raises InfrastructureError if it cannot be reached."""
    return asyncio.run(_fetch(host))


async def _fetch(host: Host) -> HostKey:
    try:
        async with asyncio.timeout(host.connect_timeout_s):
            key = await asyncssh.get_server_host_key(host.host, host.port, config=None)
    except (OSError, asyncssh.Error) as error:
        raise InfrastructureError(
            f"{host.host}:{host.port} shows no host key: {error or type(error).__name__}; is its ssh server running?"
        ) from error
    if key is None:
        raise InfrastructureError(f"{host.host}:{host.port} shows no host key; is this an ssh server?")
    return HostKey.of(key)


def trust(host: Host, confirm: Callable[[HostKey], bool]) -> HostKey:
    """Write the key the host shows into its known_hosts file, once `confirm` has compared it and says yes.

    A key that is there already is returned unasked. Raises InfrastructureError if the host cannot be reached or shows
    another key than the one on file, InputError if `confirm` says no.
    """
    seen, known = host_key(host), known_keys(host)
    fingerprints = [key.fingerprint for key in known]
    if seen.fingerprint in fingerprints:
        return seen
    if known:
        raise _changed(host, seen, fingerprints)
    if not confirm(seen):
        raise InputError(f"{host.pattern}: {seen} was not confirmed; nothing was written")
    path = Path(host.known_hosts).expanduser()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    torn = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if torn else "") + f"{host.pattern} {' '.join(seen.public.split()[:2])}\n")
    return seen


def _unknown(host: Host, seen: HostKey) -> InfrastructureError:
    options = f"--host {host.host}" + (f" --port {host.port}" if host.port != SSH_PORT else "")
    return InfrastructureError(
        f"{host.pattern} is not a known host; it shows the key {seen}. Compare that with `ssh-keygen -lf` of its "
        f"ssh_host_*_key.pub on the host itself (Windows: C:\\ProgramData\\ssh), then run `halo-forge verify trust "
        f"{options}` or set {host.section}.host_key: {seen.fingerprint}"
    )


def _changed(host: Host, seen: HostKey, pinned: Sequence[str]) -> InfrastructureError:
    if host.host_key:
        cure = f"change {host.section}.host_key"
    else:
        cure = f"run `ssh-keygen -R '{host.pattern}' -f {host.known_hosts}` and then `halo-forge verify trust`"
    return InfrastructureError(
        f"the host key of {host.pattern} has CHANGED: it shows {seen}, pinned is {' or '.join(pinned)}. Somebody may "
        f"stand in between; only if the host was really set up anew, {cure}"
    )
