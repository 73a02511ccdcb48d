"""The errors a user is meant to read: one line that names what is wrong and the cure."""

from __future__ import annotations


class HaloForgeError(Exception):
    """Base of all errors shown to the user as one line. `exit_code` is what the process ends with."""

    exit_code = 1


class InputError(HaloForgeError):
    """A file, a record or a setting given by the user is wrong."""

    exit_code = 2


class InfrastructureError(HaloForgeError):
    """Something outside the model's answer failed: a compiler, the sandbox, a host, a disk."""

    exit_code = 3


class UnusableTests(InfrastructureError):
    """A task's own tests are broken, which only running them shows: no answer is to blame, and trying again is vain."""
