"""The user's own verifier: a command in the box, or a class."""

from __future__ import annotations

import os
import sys

import pytest
from verify_tasks import task_of

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.records import CompileTests, Sample
from halo_forge.settings.verify import Custom, Verify
from halo_forge.verify.judge import Tally, judge_samples
from halo_forge.verify.registry import get_verifier

pytestmark = pytest.mark.needs("python")
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
    """Its reference takes 0.05 s and so asks for 0.5 s, is judged once, and the verifier is found under `custom`."""
    settings = Verify(custom=Custom(implementation="own_verifier:Sleeper"), run_timeout_s=0.2, cache=False)
    task = TASK.model_copy(update={"solution": "solution"})
    samples = [Sample.of_reference(task, completion, completion) for completion in ("late 1", "late 2")]
    verdicts = judge_samples({task.task_id: task}, samples, settings, verifier="custom", wip=tmp_path / "wip")
    assert [verdict.status for verdict in verdicts] == ["pass", "pass"]
    first, patient = sys.modules["own_verifier"].Sleeper.made
    assert sum("solution" in completion for completion in first.judged) == 1
    assert sorted(patient.judged) == ["late 1", "late 2"] and patient.limit >= 0.4
    assert first.closed and patient.closed


CHECK = "import sys\nsys.exit(0 if 'good' in open(sys.argv[1]).read() else 1)\n"
PICKY = CHECK.replace("good", "fine")


def judged_with(settings, tmp_path, number):
    """(status, whether it came from the cache) of one answer."""
    tally = Tally()
    sample = Sample.of_reference(TASK, "```python\ngood = 1\n```", "s")
    verify = Verify(custom=Custom(**settings))
    (verdict,) = judge_samples(
        {TASK.task_id: TASK}, [sample], verify, verifier="custom", wip=tmp_path / f"wip-{number}", tally=tally
    )
    return verdict.status, bool(tally.cached)


@pytest.mark.parametrize(
    ("command", "binds", "edited"),
    [
        (["python3", "check.py", "{file}"], ["check.py"], "check.py"),
        (["python3", "tools/check.py", "{file}"], ["tools"], "tools/check.py"),
        (["python3", "{here}/tools/check.py", "{file}"], ["{here}/tools"], "tools/check.py"),
        (["python3", "main.py", "{file}"], ["."], "check.py"),
        (["./check.sh", "{file}"], ["check.sh"], "check.sh"),
        (
            ["python3", "-c", "import runpy; runpy.run_path('{here}/linked/check.py')", "{file}"],
            ["."],
            "tools/check.py",
        ),
    ],
    ids=["a file", "a file in a bound folder", "full paths", "a module beside", "the program", "through a link"],
)
def test_an_edited_check_judges_again_and_an_untouched_one_does_not(tmp_path, monkeypatch, command, binds, edited):
    """The edit leaves length and time of the file as they were: its contents count."""
    here = tmp_path / "here"
    (here / "tools").mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))
    for name in ("check.py", "tools/check.py"):
        (here / name).write_text(CHECK)
    (here / "main.py").write_text("import check\n")
    (here / "check.sh").write_text('#!/bin/sh\nexec grep -q good "$1"\n')
    (here / "check.sh").chmod(0o755)
    (here / "linked").symlink_to("tools")
    settings = {
        "command": [word.replace("{here}", str(here)) for word in command],
        "binds": [path.replace("{here}", str(here)) for path in binds],
    }
    assert judged_with(settings, tmp_path, 1) == ("pass", False)
    file = here / edited
    times = file.stat()
    os.utime(file, (1, 1))
    assert judged_with(settings, tmp_path, 2) == ("pass", True)
    file.write_text(file.read_text().replace("good", "fine"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert judged_with(settings, tmp_path, 3) == ("wrong_answer", False)


def test_a_link_in_a_bound_folder_that_leads_elsewhere_judges_again(tmp_path, monkeypatch):
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))
    for name, text in (("one", CHECK), ("two", PICKY)):
        (tmp_path / "tools" / name).mkdir(parents=True)
        (tmp_path / "tools" / name / "check.py").write_text(text)
    current = tmp_path / "tools/current"
    current.symlink_to("one")
    settings = {"command": ["python3", f"{current}/check.py", "{file}"], "binds": [str(tmp_path / "tools")]}
    assert judged_with(settings, tmp_path, 1) == ("pass", False)
    current.unlink()
    current.symlink_to("two")
    assert judged_with(settings, tmp_path, 2) == ("wrong_answer", False)


@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
def test_a_script_that_the_command_would_not_find_is_refused_before_anything_is_judged(tmp_path, monkeypatch, sandbox):
    """It runs in a folder of its own: every answer would be wrong, for want of the script."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "check.py").write_text(CHECK)
    verifier = get_verifier("custom", Verify(sandbox=sandbox, custom=Custom(command=["python3", "check.py", "{file}"])))
    with pytest.raises(InfrastructureError, match="check.py cannot be seen.*verify.custom.binds"):
        verifier.probe()


def test_a_bind_that_is_not_there_is_named(tmp_path):
    for ask in ("probe", "fingerprint"):
        verifier = get_verifier("custom", Verify(custom=Custom(command=["true", "{file}"], binds=["no/such/folder"])))
        with pytest.raises(InfrastructureError, match="verify.custom.binds: no/such/folder is not there"):
            getattr(verifier, ask)()


def test_a_command_that_the_box_cannot_see_is_refused_before_anything_is_judged(tmp_path):
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    with pytest.raises(InfrastructureError, match="cannot be seen.*its folder, to verify.custom.binds"):
        custom(command=[str(tool), "{file}"])
    assert judge(custom(command=[str(tool), "{file}"], binds=[str(tool.parent)]), "x = 1").status == "pass"
