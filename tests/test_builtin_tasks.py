"""The built-in tasks are right: references pass in the sandbox, plausible wrong programs fail."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from conftest import REPOSITORY

from halo_forge.data.builtin import LANGUAGES, Variant, load_families, variants
from halo_forge.data.prepare import prepare
from halo_forge.data.split import split
from halo_forge.errors import InputError
from halo_forge.model.chat import fenced
from halo_forge.records import Sample, Verdict
from halo_forge.settings.data import Prepare
from halo_forge.settings.params import load_params
from halo_forge.settings.verify import Verify
from halo_forge.verify.judge import judge_samples

FAMILIES = load_families(REPOSITORY / "data" / "builtin")
VARIANTS = variants(FAMILIES)


def judged(programs: list[tuple[Variant, str, str]], wip: Path) -> list[Verdict]:
    """Verdicts of (variant, language, code)."""
    tasks = {task.task_id: task for task in (variant.task(language) for variant, language, _ in programs)}
    samples = [
        Sample.of_reference(variant.task(language), fenced(variant.fill(code), language), str(number))
        for number, (variant, language, code) in enumerate(programs)
    ]
    return judge_samples(tasks, samples, Verify(cache=False), wip=wip)


def references(chosen: list[Variant], languages: list[str]) -> list[tuple[Variant, str, str]]:
    return [(variant, language, variant.family.solutions[language]) for variant in chosen for language in languages]


def wrong_programs(chosen: list[Variant], languages: list[str]) -> list[tuple[Variant, str, str]]:
    return [
        (variant, language, getattr(wrong, language))
        for variant in chosen
        for wrong in variant.family.wrong
        for language in languages
        if getattr(wrong, language)
    ]


def test_there_are_enough_families_and_held_out_ones() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    sides, report = split(prepare(params.prepare, REPOSITORY)[0], params.split, params.seed)
    assert len(FAMILIES) >= 150
    assert report["families"]["benchmark"] >= 50
    assert set(Counter(family.difficulty for family in FAMILIES)) == {1, 2, 3, 4, 5}


def test_every_prompt_shows_one_or_two_of_at_least_eight_tests() -> None:
    for variant in VARIANTS:
        cases = variant.cases()
        assert len(cases) >= 8 and 1 <= variant.family.shown <= 2, variant.name
        assert variant.prompt("cpp").count("Example input:") == variant.family.shown, variant.name


def test_no_two_tasks_have_the_same_prompt() -> None:
    doubles = [prompt for prompt, n in Counter(variant.prompt("cpp") for variant in VARIANTS).items() if n > 1]
    assert doubles == []


def test_no_constant_answer_passes() -> None:
    constant = [variant.name for variant in VARIANTS if len({case.stdout.strip() for case in variant.cases()}) == 1]
    assert constant == []


def test_echoing_the_input_or_the_shown_answer_never_passes() -> None:
    for variant in VARIANTS:
        cases = variant.cases()
        assert any(case.stdin.split() != case.stdout.split() for case in cases), variant.name
        assert any(case.stdout.split() != cases[0].stdout.split() for case in cases), variant.name


def test_an_unfilled_parameter_is_an_error() -> None:
    with pytest.raises(InputError, match="<<nope>> is not a parameter"):
        VARIANTS[0].fill("print(<<nope>>)")


@pytest.mark.slow
def test_python_references_pass_and_wrong_programs_fail_in_a_sample_of_families(tmp_path: Path) -> None:
    chosen = VARIANTS[::50]
    assert {v.status for v in judged(references(chosen, ["python"]), tmp_path / "right")} == {"pass"}
    assert not any(v.passed for v in judged(wrong_programs(chosen, ["python"]), tmp_path / "wrong"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_reference_passes_and_every_wrong_program_fails(tmp_path: Path) -> None:
    right = references(VARIANTS, list(LANGUAGES))
    failed = [
        (variant.name, language, verdict.status, verdict.detail)
        for (variant, language, _), verdict in zip(right, judged(right, tmp_path / "right"), strict=True)
        if not verdict.passed
    ]
    assert failed == []
    wrong = wrong_programs([variant for variant in VARIANTS if variant.number == 0], list(LANGUAGES))
    passed = [
        (variant.name, code)
        for (variant, _, code), verdict in zip(wrong, judged(wrong, tmp_path / "wrong"), strict=True)
        if verdict.passed
    ]
    assert passed == []


def test_prepare_refuses_a_task_id_that_comes_twice(tmp_path: Path, make_task) -> None:
    from halo_forge.jsonl import write_records
    from halo_forge.settings.data import TaskFile

    write_records(tmp_path / "own.jsonl", [make_task("a"), make_task("a")])
    with pytest.raises(InputError, match="task_id 'a' occurs"):
        prepare(Prepare(builtin=False, files=[TaskFile(path="own.jsonl")]), tmp_path)
