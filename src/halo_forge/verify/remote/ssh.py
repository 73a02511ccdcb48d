"""One ssh connection that opens itself again; it knows nothing of what is run at the other end."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import asyncssh

from halo_forge.errors import InfrastructureError
from halo_forge.settings.verify import Host
from halo_forge.verify.remote.hostkeys import Pin, known_hosts

FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
GIVEN_UP_S = 30.0
"""How long a host that was given up is not tried again: what waits for it then fails at once."""
KEEPALIVE_S = 15
KEEPALIVES = 3
"""A connection without an answer to so many is dead."""

# Also kinds that known_hosts does not list: a host that shows another kind of key is to be told from a dead one.
_EVERY_KIND = "+ssh-ed25519,ecdsa-sha2-nistp???,rsa-sha2-???"


class Connection:
    """To be used from one event loop. Raises InfrastructureError with the cure; a break shows as OSError or
    asyncssh.Error where the connection is used."""

    def __init__(self, host: Host):
        self.host = host
        self._ssh: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None
        self._given_up: tuple[float, InfrastructureError] | None = None

    @property
    def is_open(self) -> bool:
        return self._ssh is not None and self._sftp is not None and not self._ssh.is_closed()

    @property
    def sftp(self) -> asyncssh.SFTPClient:
        if self._sftp is None:
            raise ConnectionError("the connection is not open")
        return self._sftp

    async def start(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        """Start a command; its streams carry bytes."""
        if self._ssh is None:
            raise ConnectionError("the connection is not open")
        return await self._ssh.create_process(command, encoding=None)

    async def open(self) -> None:
        """Connect and log in, with a bounded number of tries and growing pauses that differ between clients.

        What time does not heal (an unknown or changed host key, a refused login) is raised at once.
        """
        if self._given_up and time.monotonic() < self._given_up[0]:
            raise self._given_up[1]
        self._given_up = None
        for number in range(self.host.connect_tries):
            if number:
                await asyncio.sleep(_pause_s(number))
            try:
                await self._connect()
                return
            except (OSError, asyncssh.DisconnectError, asyncssh.ChannelOpenError) as problem:
                last = problem
                await self.close()
            except InfrastructureError:
                await self.close()
                raise
        error = InfrastructureError(
            f"{self.host} cannot be reached ({self.host.connect_tries} tries, the last: "
            f"{str(last) or type(last).__name__}); is the host up, is its ssh server running, and is "
            f"{self.host.section}.host right?"
        )
        self._given_up = time.monotonic() + GIVEN_UP_S, error
        raise error

    async def close(self) -> None:
        """Drop the connection without waiting for the other end, which may be gone."""
        ssh, self._ssh, self._sftp = self._ssh, None, None
        if ssh is not None:
            ssh.abort()

    async def _connect(self) -> None:
        host, pin = self.host, Pin(self.host)
        try:
            async with asyncio.timeout(host.connect_timeout_s):  # wait_for of Python 3.11 may lose a cancellation
                self._ssh = await asyncssh.connect(
                    host.host,
                    host.port,
                    username=host.user,
                    client_factory=lambda: pin,
                    known_hosts=known_hosts(host),
                    config=None,
                    preferred_auth="publickey",
                    server_host_key_algs=_EVERY_KIND,
                    keepalive_interval=KEEPALIVE_S,
                    keepalive_count_max=KEEPALIVES,
                    **self._keys(),
                )
            async with asyncio.timeout(host.connect_timeout_s):
                self._sftp = await self._ssh.start_sftp_client()
        except asyncssh.HostKeyNotVerifiable as error:
            raise pin.error or InfrastructureError(f"{host}: {error.reason}") from error
        except asyncssh.KeyExchangeFailed as error:
            raise InfrastructureError(f"{host}: no key exchange: {error.reason}; update its ssh server") from error
        except asyncssh.PermissionDenied as error:
            raise InfrastructureError(
                f"{host} refuses the login with {host.ssh_key or 'the keys of ~/.ssh and the agent'}: check "
                f"{host.section}.user and .ssh_key, and that the public key stands in authorized_keys there (Windows, "
                f"administrators: C:\\ProgramData\\ssh\\administrators_authorized_keys)"
            ) from error
        except asyncssh.SFTPError as error:
            raise InfrastructureError(f"{host} offers no sftp: {error.reason}; enable its sftp subsystem") from error
        except asyncssh.ChannelOpenError as error:
            raise ConnectionError(f"no session: {error.reason}") from error

    def _keys(self) -> dict:
        if self.host.ssh_key is None:
            return {}
        path = Path(self.host.ssh_key).expanduser()
        try:
            key = asyncssh.read_private_key(path)
        except (OSError, asyncssh.KeyImportError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InfrastructureError(
                f"{path}: not a private key that can be used: {reason}; correct {self.host.section}.ssh_key, or for a "
                "key with a passphrase run ssh-add and leave it out"
            ) from error
        return {"client_keys": [key], "agent_path": None}


def _pause_s(number: int) -> float:
    """Before the try `number` (from 1): doubling, the upper half of it by chance, so that clients spread out."""
    return min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** (number - 1)) * random.uniform(0.5, 1.0)
