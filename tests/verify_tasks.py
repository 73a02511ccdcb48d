"""The tasks that the verifiers' tests have answers judged for: alike in all but their tests."""

from __future__ import annotations

from halo_forge.records import Source, StdioCase, StdioTests, Task


def task_of(tests, language: str = "python", task_id: str = "t") -> Task:
    source = Source(dataset="x")
    return Task(task_id=task_id, language=language, prompt="", tests=tests, source=source, family="f")


def stdio_tests(*cases: tuple[str, str]) -> StdioTests:
    """stdio_tests((stdin, stdout), …)"""
    return StdioTests(cases=[StdioCase(stdin=given, stdout=expected) for given, expected in cases])
