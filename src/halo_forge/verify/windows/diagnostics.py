"""What a remote compiler and remote programs say, made readable: code pages, line ends, echoes, crash codes."""

from __future__ import annotations

from dataclasses import replace

from halo_forge.verify.sandbox.job import Report, Run

# NTSTATUS values that a process ends with when nobody handles the exception.
CRASHES = {
    0x80000003: "breakpoint",
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC000008E: "floating-point division by zero",
    0xC0000094: "integer division by zero",
    0xC0000095: "integer overflow",
    0xC00000FD: "stack overflow",
    0xC0000135: "a DLL was not found",
    0xC0000374: "heap corruption",
    0xC0000409: "stack buffer overrun or abort",
    0xC000041D: "unhandled exception",
    0xE06D7363: "uncaught C++ exception",
}


def decode(data: bytes, codepage: int) -> str:
    """UTF-8 if it is that, else the console's code page, else UTF-8 with marks for what is not. Never raises."""
    for encoding in ("utf-8", f"cp{codepage}"):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("utf-8", "replace")


def readable(report: Report, source: str, codepage: int) -> Report:
    """The report with every word of compiler and crash in UTF-8 on stderr; what programs printed stays as it is.

    cl writes its diagnostics to stdout, below the name of the source file, which is no diagnostic.
    """
    compiled = report.compile and _of_compiler(report.compile, source, codepage)
    return replace(report, compile=compiled, tests=[_of_program(run, codepage) for run in report.tests])


def _of_compiler(run: Run, source: str, codepage: int) -> Run:
    lines = [line.rstrip() for line in (decode(run.stdout, codepage) + "\n" + decode(run.stderr, codepage)).split("\n")]
    said = "\n".join(line for line in lines if line and line != source)
    return replace(run, stdout=b"", stderr=said.encode())


def _of_program(run: Run, codepage: int) -> Run:
    said = decode(run.stderr, codepage).replace("\r\n", "\n")
    if run.limit == "-" and run.exit_code in CRASHES:
        said = f"{run.exit_code:#x}: {CRASHES[run.exit_code]}\n{said}"
    return replace(run, stderr=said.encode("utf-8", "replace"))
