"""Two experiments side by side: found as folder, revision or experiment, compared where they can be."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from benchmark_tree import HOSTILE, small_params, write_tree
from typer.testing import CliRunner

from halo_forge.benchmark.experiments.experiment import find_experiment
from halo_forge.benchmark.experiments.side_by_side import differing, paired, render_comparison
from halo_forge.cli.main import app
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.statistics.compare import compare


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experiments `one` (two models more than base) and `two`, which has a cycle more and another seed."""
    root = tmp_path_factory.mktemp("experiments")
    for name, params in (("one", small_params(("c1",))), ("two", small_params(("c1", "c2"), seed=14))):
        write_tree(root / name, params)
    return root


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["report", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def page_of(before: str, after: str) -> str:
    a, b = find_experiment(before), find_experiment(after)
    return render_comparison(a, b, paired(a.best, a.cards[a.best], b.best, b.cards[b.best]))


def test_two_folders_make_one_page_and_the_best_models_are_printed(folders: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = run(str(folders / "one"), str(folders / "two"))
    assert re.search(r"one: c1 -> .*two: c2", said) and said.strip().endswith("results/compare.html")
    page = (tmp_path / "results/compare.html").read_text()
    assert "c1 and c2" in page and "only one of them has it" in page


def test_the_difference_is_the_paired_one_of_the_statistics(folders: Path) -> None:
    one, two = (read_json(folders / name / "results/benchmark/c1.json") for name in ("one", "two"))
    two["per_task"] = {task: row | {"passed": row["n"]} for task, row in two["per_task"].items()}
    assert paired("c1", one, "c1", two)["change"] == compare(one, two, 10_000, 42)


def test_models_on_other_tasks_are_not_compared_and_it_says_why(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "two", tmp_path / "two")
    for path in (tmp_path / "two/results/benchmark").glob("*.json"):
        card = read_json(path)
        card["per_task"].popitem()
        write_json(path, card)
    page = page_of(str(folders / "one"), str(tmp_path / "two"))
    assert "not the same tasks: 8 and 7, 7 in both" in page
    assert "They cannot be compared task by task" in page
    assert "of the 7 tasks that both were asked" in page


def test_settings_that_differ_are_shown_and_no_others(folders: Path) -> None:
    rows = dict.fromkeys(
        key for key, _, _ in differing(*(find_experiment(str(folders / n)).settings for n in ("one", "two")))
    )
    assert "seed" in rows and any(key.startswith("raft.cycles.c2") for key in rows) and "preset" not in rows
    assert differing({"a": 1, "b": 2}, {"b": None}) == [("a", "1", "–"), ("b", "2", "null")]


def test_what_the_preset_says_is_among_the_settings(tmp_path: Path, folders: Path) -> None:
    shutil.copytree(folders / "one", tmp_path / "one")
    write_json(tmp_path / "one/presets.yaml", {"tiny": {"sft": {"learning_rate": 0.5}}, "other": {"x": 1}})
    write_json(tmp_path / "one/params.yaml", {"preset": "tiny", "seed": 1})
    assert find_experiment(str(tmp_path / "one")).settings == {"preset": "tiny", "seed": 1, "sft.learning_rate": 0.5}


def test_hostile_names_stay_text_and_nothing_is_loaded(folders: Path, tmp_path: Path) -> None:
    bad = tmp_path / f"<img src=x onerror=alert(1)>{HOSTILE[0].replace('/', '')}"
    shutil.copytree(folders / "one", bad)
    page = page_of(str(bad), str(folders / "two"))
    assert "<img" not in page and page.count("<script") == 1
    assert "default-src 'none'" in page and not re.search(r'(?:src|href)="(?!#)', page)


@pytest.fixture
def repository(tmp_path: Path, folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose first commit, tagged `one`, and an experiment of it, `wild-ant`, hold results."""
    monkeypatch.chdir(tmp_path)

    def git(*words: str) -> str:
        own = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *own, *words], check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q", "-b", "main")
    for name in ("one", "two"):
        for part in ("results", "models", "params.yaml", "presets.yaml"):
            source, there = folders / name / part, tmp_path / part
            # Not with the older times: Git would take what has as many bytes for what it knows.
            if source.is_dir():
                shutil.copytree(source, there, dirs_exist_ok=True, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(source, there)
        git("add", "-A")
        git("commit", "-q", "-m", name)
        git("tag", name)
    first = git("rev-parse", "one")
    git("update-ref", f"refs/exps/{first[:2]}/{first[2:]}/wild-ant", "two")
    git("reset", "-q", "--hard", "one")
    return tmp_path


def test_a_revision_and_an_experiment_of_dvc_are_read_from_git(repository: Path) -> None:
    one, ant = find_experiment("one"), find_experiment("wild-ant")
    assert list(one.cards) == ["base", "sft", "c1"] and list(ant.cards) == ["base", "sft", "c1", "c2"]
    assert (one.best, ant.best, ant.settings["seed"]) == ("c1", "c2", 14)
    assert one.commit != ant.commit and len(one.commit) == 40
    assert one.cards["c1"] == read_json(repository / "results/benchmark/c1.json")


def test_a_folder_is_read_as_it_is_now_and_not_as_git_has_it(repository: Path) -> None:
    card = read_json("results/benchmark/c1.json")
    write_json("results/benchmark/c1.json", card | {"compile_rate": 0.125})
    assert find_experiment(".").cards["c1"]["compile_rate"] == 0.125
    assert find_experiment("HEAD").cards["c1"]["compile_rate"] == card["compile_rate"]


@pytest.mark.parametrize("name", ["nothing-such", "no/such/folder", "refs/exps"])
def test_a_name_that_is_nothing_is_refused_with_the_cure(repository: Path, name: str) -> None:
    with pytest.raises(
        InputError, match="no folder, no revision of this Git repository and no experiment; `dvc exp list"
    ):
        find_experiment(name)


def test_a_revision_without_results_is_refused_by_name(repository: Path) -> None:
    subprocess.run(["git", "rm", "-rq", "results"], check=True)
    words = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false", "commit", "-qm", "empty"]
    subprocess.run(["git", *words], check=True)
    with pytest.raises(InputError, match=r"HEAD: no results/benchmark/\*.json there"):
        find_experiment("HEAD")


def test_a_broken_file_of_a_revision_is_named_as_git_would(repository: Path) -> None:
    Path("results/benchmark/sft.json").write_text("{")
    words = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false", "commit", "-qam", "broken"]
    subprocess.run(["git", *words], check=True)
    with pytest.raises(InputError, match=r"^HEAD:results/benchmark/sft.json:1: not JSON"):
        find_experiment("HEAD")


def test_without_names_the_report_of_this_folder_is_written_and_nothing_else(
    folders: Path, tmp_path, monkeypatch
) -> None:
    shutil.copytree(folders / "one", tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    before = {path for path in Path().rglob("*") if path.is_file()}
    assert run().strip() == "results/report.html"
    assert {path for path in Path().rglob("*") if path.is_file()} - before == {Path("results/report.html")}
    assert "RAFT report" in Path("results/report.html").read_text()


def test_one_name_alone_is_refused() -> None:
    with pytest.raises(InputError, match="1 experiments named; name two"):
        CliRunner().invoke(app, ["report", "one"], catch_exceptions=False)
