"""The folder on a remote host: tools-<hash> with the driver, batch-<when>-<which> for each batch on its way."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Mapping

import asyncssh

from halo_forge.errors import InfrastructureError

BATCH_FILE = "batch.txt"
_PAUSES_S = (0.0, 0.2, 0.5, 1.0, 2.0)
"""A folder cannot be removed on Windows while a process that has just been killed still holds it."""
_BATCH = re.compile(r"batch-(\d+)-[0-9a-f]{12}")
_BREAKS = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
_GONE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


class RemoteFolder:
    """Raises InfrastructureError when the host refuses a file; a broken connection comes through as it is."""

    def __init__(self, path: str, files: Mapping[str, bytes], leftovers_age_s: float):
        """`files` go into the tools folder. Batches older than `leftovers_age_s`, by our clock, are nobody's."""
        self._path = path
        self._files = files
        self._age_s = leftovers_age_s
        self._left: set[str] = set()
        digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]
        self.tools = f"{path}/tools-{digest}"

    async def prepare(self, sftp: asyncssh.SFTPClient) -> None:
        """Put the driver there, and remove what broken connections and killed judges left behind."""
        try:
            await sftp.makedirs(_sftp_path(self.tools), exist_ok=True)
            for name, data in self._files.items():
                await _put(sftp, _sftp_path(f"{self.tools}/{name}"), data)
            names = await sftp.listdir(_sftp_path(self._path))
        except _BREAKS:
            raise
        except asyncssh.SFTPError as error:
            raise _refused(self._path, error) from error
        for name in names:
            match = _BATCH.fullmatch(name)
            batch = f"{self._path}/{name}"
            if match and (batch in self._left or time.time() - int(match[1]) > self._age_s):
                await self._try_to_remove(sftp, batch)

    async def put_batch(self, sftp: asyncssh.SFTPClient, data: bytes) -> str:
        """Write a batch file into a new folder; its path. To be taken back with `remove`."""
        batch = f"{self._path}/batch-{int(time.time())}-{secrets.token_hex(6)}"
        self._left.add(batch)
        try:
            await sftp.mkdir(_sftp_path(batch))
            async with sftp.open(_sftp_path(f"{batch}/{BATCH_FILE}"), "wb") as file:
                await file.write(data)
        except _BREAKS:
            raise
        except asyncssh.SFTPError as error:
            await self.remove(sftp, batch)
            raise _refused(batch, error) from error
        return batch

    async def remove(self, sftp: asyncssh.SFTPClient, batch: str) -> None:
        """Remove a batch. What cannot be removed now is tried again at the next connection."""
        for pause in _PAUSES_S:
            await asyncio.sleep(pause)
            if await self._try_to_remove(sftp, batch):
                return

    async def _try_to_remove(self, sftp: asyncssh.SFTPClient, batch: str) -> bool:
        try:
            await sftp.rmtree(_sftp_path(batch))
        except _GONE:
            pass  # the driver has done it, or another judge has
        except _BREAKS:
            raise
        except asyncssh.SFTPError:
            return False
        self._left.discard(batch)
        return True


async def _put(sftp: asyncssh.SFTPClient, path: str, data: bytes) -> None:
    """Write a file under a passing name and rename it, unless it is there: another judge may be using it."""
    try:
        async with sftp.open(path, "rb") as file:
            if await file.read() == data:
                return
    except _GONE:
        pass
    passing = f"{path}.{secrets.token_hex(6)}"
    async with sftp.open(passing, "wb") as file:
        await file.write(data)
    try:
        await sftp.remove(path)
    except _GONE:
        pass
    await sftp.rename(passing, path)


def _sftp_path(path: str) -> str:
    """C:/work as sftp spells it: /C:/work."""
    return f"/{path}" if path[1:2] == ":" else path


def _refused(path: str, error: asyncssh.SFTPError) -> InfrastructureError:
    return InfrastructureError(
        f"the host does not let {path} be written: {error.reason}; make room there, or choose another remote folder"
    )
