"""Settings of the verifiers: limits, rewards, and where they are."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from halo_forge.settings.base import Positive, Section

SSH_PORT = 22
# UTF-8 sources; no advice against scanf; the stack that a Linux program has, where Windows would give it 1 MiB.
_COMMON = ["/W4", "/utf-8", "/D_CRT_SECURE_NO_WARNINGS", "/F8388608"]
# One word each: no space or quote, so that nothing has to be quoted for anybody's shell.
Flag = Annotated[str, Field(pattern=r"^[/-][^\s\"]+$")]


class Ladder(Section):
    """Reward for how far a program got; partial credit between `runs` and `correct` by tests passed."""

    compile_error: float = 0.0
    compiles_with_warnings: float = 0.3
    compiles: float = 0.5
    runs: float = 0.7
    correct: float = 1.0

    @model_validator(mode="after")
    def _rising(self) -> Ladder:
        steps = [self.compile_error, self.compiles_with_warnings, self.compiles, self.runs, self.correct]
        if steps != sorted(steps) or self.correct != 1.0 or self.runs >= 1.0 or steps[0] < 0:
            raise ValueError(
                "rewards must rise from compile_error (>= 0) to correct, which is 1.0; only passing pays 1.0"
            )
        return self


class Host(Section):
    """Where to connect to, as whom, and how to know that it is the right one."""

    section: ClassVar[str] = "verify.remote"
    """Where these settings stand, for the errors that name a cure."""

    host: Annotated[str, Field(pattern=r"^[^\s/@]+$")]
    user: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = SSH_PORT
    ssh_key: str | None = None
    """Private key file; None for the keys of ~/.ssh and of the ssh agent."""
    host_key: Annotated[str, Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}=?$")] | None = None
    """Fingerprint of the host's key. With it `known_hosts` is not read."""
    known_hosts: str = "~/.ssh/known_hosts"
    connect_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    """For one try: TCP, key exchange and login together."""
    connect_tries: Annotated[int, Field(ge=1)] = 5
    """Tries, with a growing pause between them, before the host is given up."""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" + (f":{self.port}" if self.port != SSH_PORT else "")

    @property
    def pattern(self) -> str:
        """The host as known_hosts spells it."""
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"


class Msvc(Host):
    """Settings of the verifier msvc."""

    section: ClassVar[str] = "verify.msvc"

    folder: Annotated[str, Field(pattern=r"^([A-Za-z]:)?/?[\w.~-]+(/[\w.~-]+)*$")] = "halo-forge"
    """Where batches lie on the host, with forward slashes: in the home folder there, or from the root (C:/judge)."""
    visual_studio: Literal["newest", "2017", "2019", "2022", "2026"] = "newest"
    cpp_flags: list[Flag] = ["/std:c++20", "/EHsc", *_COMMON]
    c_flags: list[Flag] = ["/std:c17", *_COMMON]
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Programs sent at once, if so many wait: a batch costs the driver's start, so judge with at least as many
    workers."""
    programs_at_once: Annotated[int, Field(ge=0)] = 0
    """Programs side by side on the host; 0 for as many as it has cores."""
    low_integrity: bool = True
    """Run programs with fewer rights than the account has."""
    start_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """For the driver to find the compiler; on the first contact it compiles its runner too."""
    silence_s: Annotated[float, Field(ge=1)] = 60.0
    """How long the host may say nothing before it counts as dead, and the judge before the host gives up."""
    leftovers_age_s: Annotated[float, Field(gt=0)] = 6 * 3600.0
    """Folders of batches older than this are removed from the host at the next connection."""


class Custom(Section):
    """A verifier of one's own: a command, or a class by import path."""

    command: list[str] | None = None
    """Words of a command, no shell: {file} is the answer's file. Exit code 0 means that the answer passes."""
    file: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "answer.txt"
    """What the answer is called where the command runs, such as main.rs."""
    binds: list[str] = []
    """Files and folders outside /usr that the command needs to read, such as a script of one's own, which `command`
    then names in the same way. Read in full before a run: their contents decide whether earlier verdicts hold."""
    implementation: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = None
    """`package.module:Class`, made as Class(settings.verify, options); what it must have: verify/core/protocol.py."""
    options: dict[str, Any] = {}
    """Handed to the class."""

    @model_validator(mode="after")
    def _one(self) -> Custom:
        if (self.command is None) == (self.implementation is None):
            raise ValueError("give one of command and implementation")
        if self.command is not None and not any("{file}" in word for word in self.command):
            raise ValueError("command: no word holds {file}, the answer's file")
        return self


class Verify(Section):
    sandbox: Literal["bubblewrap", "none"] = "bubblewrap"
    workers: Annotated[int, Field(ge=0)] = 0
    """Programs judged at once; 0 for as many as there are cores."""
    run_timeout_s: Annotated[float, Field(gt=0)] = 2.0
    """CPU seconds a test; wall time is limited to a multiple of it."""
    compile_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    memory_mb: Positive = 512
    max_processes: Positive = 16
    max_output_kb: Positive = 256
    cpp_standard: Annotated[str, Field(pattern=r"^(c|gnu)\+\+(11|14|17|20|23|26|1z|2[abc])$")] = "gnu++20"
    """What g++, clang++ and MinGW read C++ by; what compiles by C++17 is compiled by that, which is faster. The GNU
    kind is what contests use: __int128 is an integer there."""
    c_standard: Annotated[str, Field(pattern=r"^(c|gnu)(89|90|99|11|17|18|23|2[xy])$")] = "gnu17"
    """The same for C. With c17 there is no M_PI and no getline, which C programs take for granted."""
    sanitize: Literal["kept", "off"] = "kept"
    """Whether C and C++ programs that pass, and that a RAFT cycle may keep, are run again under the address and
    undefined-behaviour sanitizers; what these stop is not kept."""
    max_infra_errors: Annotated[int, Field(ge=0)] = 20
    """More infrastructure failures than this stop the stage."""
    cache: bool = True
    """Take the verdict of the same program, tests and judge from an earlier run."""
    beside: Literal["refuse", "allow"] = "refuse"
    """Tests in C and C++ that cannot be kept out of the answer's process: refuse the task, or judge it there all the
    same, where a program can read what is expected of it."""
    rewards: Ladder = Ladder()
    testlib: str | None = None
    """Your copy of testlib.h, such as data/own/testlib.h, for checkers in C++ that include it: none is shipped."""
    msvc: Msvc | None = None
    """The Windows host of the verifier msvc."""
    custom: Custom | None = None
    """What the verifier custom does."""
