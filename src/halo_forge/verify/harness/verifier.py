"""gcc and clang: compiled programs, and functions under test code with a `main` beside them."""

from __future__ import annotations

from importlib.metadata import version

from halo_forge.records import HarnessTests, Task
from halo_forge.settings.verify import Verify
from halo_forge.verify.compiled.verifier import CompiledVerifier
from halo_forge.verify.core.extract import extract_code
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.cpp.gcc import Gcc
from halo_forge.verify.harness.harness import Harness, asked_function


class HarnessVerifier(CompiledVerifier):
    """A CompiledVerifier that takes tests of kind `harness` too."""

    kinds = (*CompiledVerifier.kinds, HarnessTests)

    def __init__(self, settings: Verify, toolchain: Gcc, *, late: bool = False):
        super().__init__(settings, toolchain, late=late)
        self._harness = Harness(settings, toolchain, self._sandbox, self._compile_limits, self._run_limits, late=late)

    def fingerprint(self) -> str:
        return repr([super().fingerprint(), self._settings.beside, version("tree-sitter"), version("tree-sitter-cpp")])

    def check(self, task: Task) -> None:
        super().check(task)
        if isinstance(task.tests, HarnessTests):
            self._harness.check(task)

    def extract(self, task: Task, completion: str) -> str | None:
        if isinstance(task.tests, HarnessTests):
            return extract_code(completion, task.language, names=[asked_function(task)])
        return super().extract(task, completion)

    def look_again(self, task: Task, code: str) -> str:
        if isinstance(task.tests, HarnessTests):
            return self._harness.look_again(task, code)
        return super().look_again(task, code)

    def _judge_running(self, task: Task, code: str) -> Judgement:
        if isinstance(task.tests, HarnessTests):
            return self._harness.judge(task, code)
        return super()._judge_running(task, code)
