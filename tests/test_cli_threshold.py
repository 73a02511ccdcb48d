"""What a RAFT run says of its threshold before it begins is what the selection then keeps."""

from __future__ import annotations

import pytest

from halo_forge.cli.threshold import what_is_kept
from halo_forge.records import CompileTests
from halo_forge.settings.verify import Custom, Ladder, Verify
from halo_forge.verify.core.rewards import reward_for

LADDERS = [
    Ladder(),
    Ladder(compile_error=0.1, compiles_with_warnings=0.1, compiles=0.2, runs=0.9),
    Ladder(compiles_with_warnings=0.5, compiles=0.5, runs=0.5),
]
THRESHOLDS = [0.0, 0.1, 0.15, 0.3, 0.31, 0.5, 0.51, 0.7, 0.71, 0.85, 0.9, 0.95, 1.0]


@pytest.fixture
def tasks(make_task):
    """tasks(*languages) -> one with tests in each; `untested(…)` has none."""

    def tasks(*languages: str) -> list:
        return [make_task(f"{name}{n}", language=name) for n, name in enumerate(languages)]

    return tasks


def untested(tasks: list) -> list:
    return [task.model_copy(update={"tests": CompileTests()}) for task in tasks]


@pytest.mark.parametrize("ladder", LADDERS, ids=["default", "steep", "flat"])
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_line_names_what_reaches_the_threshold_and_nothing_else(threshold, ladder, tasks) -> None:
    line = what_is_kept(threshold, tasks("cpp"), "auto", Verify(rewards=ladder))

    def kept(status: str, passed: int = 0, warnings: bool = False) -> bool:
        return reward_for(status, passed, 2, warnings=warnings, ladder=ladder) >= threshold

    everything = "every answer" in line
    assert everything == kept("compile_error")
    assert (everything or "crash or time out" in line) == kept("timeout")
    assert (everything or "crash or time out" in line and "without a warning" not in line) == kept(
        "runtime_error", warnings=True
    )
    assert (everything or "right or wrong" in line) == kept("wrong_answer")
    assert ("pass at least" in line) == (ladder.runs < threshold < 1.0)
    assert ("only programs that pass every test" in line) == (threshold == 1.0)
    assert ("--reward-threshold 1.0" in line) == (threshold < 1.0)
    assert len(line.splitlines()) == 1


def test_partial_credit_is_told_as_a_share_of_the_tests(tasks) -> None:
    assert "pass at least 50% of their tests" in what_is_kept(0.85, tasks("cpp"), "gcc", Verify())


@pytest.mark.parametrize(
    ("languages", "verifier", "words"),
    [
        (["cpp"], "gcc", "those that compile without a warning and then crash or time out"),
        (["python"], "python", "those that parse without a warning and then crash or time out"),
        (["python", "rust"], "auto", "those that compile (Python: parse) without a warning and then crash"),
        (["go"], "go-compile", "programs that compile without a warning, and none is run; --verifier go runs the"),
    ],
)
def test_the_words_fit_the_languages_and_the_verifier(languages, verifier, words, tasks) -> None:
    assert f" {words}" in what_is_kept(0.5, tasks(*languages), verifier, Verify())


def test_without_tests_a_higher_threshold_is_no_cure(tasks) -> None:
    line = what_is_kept(0.5, untested(tasks("python", "python")), "auto", Verify())
    assert line.endswith("keeps every program that parses: no prompt has tests, which could tell more")
    nothing = what_is_kept(0.0, untested(tasks("cpp")), "auto", Verify())
    assert nothing.endswith("even one without a program; --reward-threshold 1.0 keeps only what compiles")
    mixed = what_is_kept(1.0, [*tasks("cpp"), *untested(tasks("cpp"))], "auto", Verify())
    assert mixed.endswith("only programs that pass every test (of prompts without tests: what compiles)")


def test_a_verifier_that_runs_nothing_keeps_nothing_above_what_compiling_pays(tasks) -> None:
    line = what_is_kept(1.0, tasks("cpp"), "gcc-compile", Verify())
    assert "no program of a prompt with tests, since none is run; --verifier gcc runs the tests" in line


def test_a_verifier_of_ones_own_is_taken_at_its_word(tasks) -> None:
    command = Verify(custom=Custom(command=["lint", "{file}"]))
    assert "the command of verify.custom accepts" in what_is_kept(0.5, tasks("go"), "custom", command)
    made = Verify(custom=Custom(implementation="mine:Judge"))
    assert "that mine:Judge gives at least 0.5" in what_is_kept(0.5, tasks("go"), "custom", made)
