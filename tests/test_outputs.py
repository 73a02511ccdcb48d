"""Output folders: whatever runs follow each other in one, and wherever one is killed, nothing finished is lost."""

from __future__ import annotations

import os

import pytest

from halo_forge.runs import outputs
from halo_forge.runs.outputs import claim

MARKS = {"beside": "run.json", "inside": "work/run.json"}


@pytest.fixture(params=MARKS)
def run(request, tmp_path):
    """run(settings, content) -> whether the run had been here; it then leaves `content`, unless that is None."""
    root, mark = tmp_path / "out", tmp_path / "out" / MARKS[request.param]

    def run(settings: str, content: str | None = None) -> bool:
        known = claim(root, mark, settings, lambda: [*sorted(root.glob("work*")), root / "table"])
        if content:
            (root / "work").mkdir(exist_ok=True)
            for name in ("work/weights", "work_final", "table"):
                (root / name).write_text(content)
        return known

    run.root, run.mark = root, MARKS[request.param]
    return run


def held(run) -> list[str]:
    return [(run.root / name).read_text() for name in ("work/weights", "work_final", "table")]


def test_coming_back_to_settings_takes_their_work_up_however_many_were_tried_between(run, capsys) -> None:
    for settings in "abcd":
        assert not run(settings, settings)
    assert capsys.readouterr().err.count("moved to") == 3
    for settings in "acbbda":
        assert run(settings) and held(run) == [settings] * 3
    assert f"taken up again from {run.root}/previous/" in capsys.readouterr().err
    assert len(list((run.root / "previous").iterdir())) == 3


def test_what_no_run_is_known_to_have_made_is_kept_every_time(run) -> None:
    for content in "xyz":
        run("a", content)
        (run.root / run.mark).unlink()
    run("b")
    assert sorted(path.read_text() for path in run.root.glob("previous/*/table")) == ["x", "y", "z"]


def test_a_run_killed_before_it_did_anything_leaves_nothing_behind(run) -> None:
    run("a")
    assert not run("b", "b") and held(run) == ["b"] * 3
    assert run("b") and not any("table" in str(path) for path in run.root.glob("previous/*/*"))


@pytest.mark.parametrize("after", ["same", "back", "third"])
@pytest.mark.parametrize("moves", range(9))
def test_a_kill_between_any_two_moves_loses_and_mixes_nothing(run, monkeypatch, moves, after) -> None:
    run("a", "a")
    run("b", "b")
    made = 0

    def replace(*names):
        nonlocal made
        if made == moves:
            raise KeyboardInterrupt
        made += 1
        rename(*names)

    rename = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(outputs.os, "replace", replace)
        try:
            run("a")
        except KeyboardInterrupt:
            pass
    if after == "third":
        assert not run("c", "c") and held(run) == ["c"] * 3
    for settings in {"same": "ab", "back": "ba", "third": "bac"}[after]:
        assert run(settings) and held(run) == [settings] * 3
