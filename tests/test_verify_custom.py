"""The user's own verifier: a command in the box, or a class."""

from __future__ import annotations

import shutil
import sys

import pytest
from verify_tasks import task_of

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.records import CompileTests, Sample
from halo_forge.settings.verify import Custom, Verify
from halo_forge.verify.judge import judge_samples
from halo_forge.verify.registry import get_verifier

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
TASK = task_of(CompileTests())


def custom(**settings):
    verifier = get_verifier("custom", Verify(custom=Custom(**settings)))
    verifier.probe()
    return verifier


def judge(verifier, program):
    return verifier.judge(TASK, f"```python\n{program}\n```")


def test_the_commands_exit_code_decides_and_the_verdict_says_so():
    verifier = custom(command=["grep", "-q", "def answer", "{file}"], file="answer.py")
    right = judge(verifier, "def answer(): return 1")
    assert (right.status, right.reward) == ("pass", 1.0) and "nothing else was looked at" in right.detail
    wrong = judge(verifier, "def other(): return 1")
    assert (wrong.status, wrong.reward) == ("wrong_answer", 0.0)


def test_no_shell_reads_the_command():
    verifier = custom(command=["grep", "-q", "$(echo def)", "{file}"])
    assert judge(verifier, "def answer(): return 1").status == "wrong_answer"


def test_the_command_runs_in_the_box(tmp_path):
    (tmp_path / "key").write_text("k")
    hidden = " && ".join(f"test ! -e {path}" for path in (tmp_path / "key", "/root/.bashrc", "/home"))
    verifier = custom(command=["sh", "-c", hidden + " && sh -e {file}"])
    assert judge(verifier, "true = 1").status == "pass"  # for sh the command `true` with two words
    assert judge(verifier, "import os").status == "wrong_answer"  # which sh does not know
    assert verifier.isolation.startswith("bubblewrap")


def test_a_command_that_never_ends_is_ended():
    verifier = get_verifier("custom", Verify(compile_timeout_s=0.5, custom=Custom(command=["sleep", "99", "{file}"])))
    assert judge(verifier, "x = 1").status != "pass"


def test_a_missing_command_is_the_machines_trouble():
    with pytest.raises(InfrastructureError, match="no-such-command is not installed"):
        custom(command=["no-such-command", "{file}"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [({}, "one of command and implementation"), ({"command": ["grep", "x"]}, "no word holds {file}")],
)
def test_settings_that_say_nothing_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Custom(**settings)


OWN = """
import time

from halo_forge.verify.core.protocol import Judgement


class Own:
    isolation = "none"

    def probe(self):
        pass

    def check(self, task):
        pass

    def extract(self, task, completion):
        return completion


class Longest(Own):
    name = "longest"

    def __init__(self, settings, options):
        self.limit = options["limit"]

    def judge(self, task, completion):
        fine = len(completion) <= self.limit
        return Judgement("pass" if fine else "wrong_answer", 1.0 if fine else 0.0, int(fine), 1, "", completion)


class Sleeper(Own):
    name = "a name of its own"
    made = []

    def __init__(self, settings, options):
        self.limit, self.closed, self.judged = settings.run_timeout_s, False, []
        self.made.append(self)

    def judge(self, task, completion):
        self.judged.append(completion)
        if "solution" in completion:
            time.sleep(0.05)
        if "late" in completion and self.limit < 0.4:
            return Judgement("timeout", 0.5, 0, 1, "late", completion)
        return Judgement("pass", 1.0, 1, 1, "", completion)

    def close(self):
        self.closed = True


class Half:
    def __init__(self, settings, options):
        pass
"""


@pytest.fixture
def own_verifier(tmp_path, monkeypatch):
    """OWN can be imported as own_verifier, as a module beside params.yaml can."""
    (tmp_path / "own_verifier.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_verifier", raising=False)


def test_a_class_by_import_path_is_used_with_its_options(own_verifier):
    settings = Verify(custom=Custom(implementation="own_verifier:Longest", options={"limit": 3}))
    verifier = get_verifier("custom", settings)
    assert verifier.judge(TASK, "abc").status == "pass" and verifier.judge(TASK, "abcd").status == "wrong_answer"
    with pytest.raises(InputError, match="lacks name, isolation, probe"):
        get_verifier("custom", Verify(custom=Custom(implementation="own_verifier:Half")))
    with pytest.raises(InputError, match="cannot import own_verifier:Nobody"):
        get_verifier("custom", Verify(custom=Custom(implementation="own_verifier:Nobody")))


def test_late_answers_get_the_patience_of_their_task_from_a_verifier_that_is_closed_again(tmp_path, own_verifier):
    """Its reference takes 0.05 s and so grants 0.5 s, is asked once, and the verifier is found under `custom`."""
    settings = Verify(custom=Custom(implementation="own_verifier:Sleeper"), run_timeout_s=0.2, cache=False)
    task = TASK.model_copy(update={"solution": "solution"})
    samples = [Sample.of_reference(task, completion, completion) for completion in ("late 1", "late 2")]
    verdicts = judge_samples({task.task_id: task}, samples, settings, verifier="custom", wip=tmp_path / "wip")
    assert [verdict.status for verdict in verdicts] == ["pass", "pass"]
    first, *patient = sys.modules["own_verifier"].Sleeper.made
    assert sum("solution" in completion for completion in first.judged) == 1
    assert [one.judged for one in patient] == [["late 1"], ["late 2"]]
    assert first.closed and all(one.closed and one.limit >= 0.4 for one in patient)


def test_a_command_that_the_box_cannot_see_is_refused_before_anything_is_judged(tmp_path):
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    with pytest.raises(InfrastructureError, match="add its folder to verify.custom.binds"):
        custom(command=[str(tool), "{file}"])
    assert judge(custom(command=[str(tool), "{file}"], binds=[str(tool.parent)]), "x = 1").status == "pass"
