"""The files a test begins with: what compiling left, and nothing that an earlier test did.

A test may have changed, replaced or renamed everything in the places it can write, the program itself too, and may
have hidden a message in times or attributes. So nothing is compared: all is removed and the first files are made anew,
a fraction of a millisecond for a program of a megabyte. What is mounted below a folder, read-only, and the way there
stay as they are.
"""

import os
import stat

_BEGUN = 1_000_000_000
"""The time of every file, in seconds: the present one would tell how often the world was made."""


class World:
    """The folders a test can write, as they are now. Between two tests nothing else runs in them."""

    def __init__(self, folders):
        self._folders = folders
        self._mounts = [path for path in _mounted() if path.startswith(tuple(folder + "/" for folder in folders))]
        self._entries = []
        for folder in folders:
            self._remember(folder)

    def restore(self):
        """Make the folders again what they were. Raises OSError if the machine refuses."""
        for folder in self._folders:
            self._empty(folder)
            # Its own time of change, which it keeps though all is gone.
            marker = os.path.join(folder, ".begun")
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            os.unlink(marker)
        for path, mode, content in self._entries:
            if stat.S_ISDIR(mode):
                os.mkdir(path)
            elif stat.S_ISLNK(mode):
                os.symlink(content, path)
                continue
            else:
                with open(path, "xb") as file:
                    file.write(content)
            os.chmod(path, stat.S_IMODE(mode))
        for path, _, _ in self._entries[::-1]:
            os.utime(path, (_BEGUN, _BEGUN), follow_symlinks=False)

    def _remember(self, folder):
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if self._leads_to_mount(entry.path):
                    continue
                mode = entry.stat(follow_symlinks=False).st_mode
                content = None
                if stat.S_ISLNK(mode):
                    content = os.readlink(entry.path)
                elif stat.S_ISREG(mode):
                    with open(entry.path, "rb") as file:
                        content = file.read()
                elif not stat.S_ISDIR(mode):
                    continue  # a socket or a pipe, which no compiler makes: it is gone after the first test
                self._entries.append((entry.path, mode, content))
                if stat.S_ISDIR(mode):
                    self._remember(entry.path)

    def _leads_to_mount(self, path):
        return any(mount == path or mount.startswith(path + "/") for mount in self._mounts)

    def _empty(self, folder):
        """Remove all that is in `folder`. Folders within folders are first moved up: a path to the lowest may be too
        long to be named, and descriptors for all of the way may be too many.
        """
        moved = 0
        while names := [name for name in os.listdir(folder) if not self._leads_to_mount(os.path.join(folder, name))]:
            for name in names:
                path = os.path.join(folder, name)
                if not stat.S_ISDIR(os.lstat(path).st_mode):
                    os.unlink(path)
                    continue
                os.chmod(path, 0o700)
                for inner in os.listdir(path):
                    inner = os.path.join(path, inner)
                    if not stat.S_ISDIR(os.lstat(inner).st_mode):
                        os.unlink(inner)
                        continue
                    os.chmod(inner, 0o700)
                    while os.path.lexists(up := os.path.join(folder, ".moved%d" % moved)):
                        moved += 1
                    os.rename(inner, up)
                os.rmdir(path)
        for mount in self._mounts:
            # As root's guest a test cannot write there; as a user's it owns the way.
            way = os.path.dirname(mount)
            while way != folder and way.startswith(folder + "/"):
                if os.access(way, os.W_OK):
                    self._empty(way)
                way = os.path.dirname(way)


def _mounted():
    """Where something is mounted, as the box sees it."""
    with open("/proc/self/mounts", "rb") as file:
        return [os.fsdecode(line.split()[1].decode("unicode_escape").encode("latin-1")) for line in file]
