"""What the report says beyond the ladder: curves, coverage, variety, control arms, and what changed in the answers."""

from __future__ import annotations

import json
import re
from math import log2
from pathlib import Path

import pytest
from benchmark_tree import ARMS, make_answers, make_tasks, small_params, write_tree

from halo_forge.benchmark import plots
from halo_forge.benchmark.answers import changed_answers
from halo_forge.benchmark.coverage import benchmark_coverage, raft_coverage
from halo_forge.benchmark.curves import curve, curves_of
from halo_forge.benchmark.judged import judged_answers
from halo_forge.benchmark.ladder import comparisons, control_gains
from halo_forge.benchmark.report import render
from halo_forge.benchmark.results import load_results
from halo_forge.benchmark.variety import Programs, entropy, variety
from halo_forge.errors import InputError
from halo_forge.files import read_json
from halo_forge.jsonl import read_records, write_records
from halo_forge.records import History, Sample, Task, Verdict
from halo_forge.statistics.passk import pass_at_k

PARAMS = small_params(("c1", "c2"), controls=ARMS)
TASK = make_tasks()[2]
TASKS = {TASK.task_id: TASK}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    write_tree(root, PARAMS)
    return root


@pytest.fixture(scope="module")
def page(tree: Path) -> str:
    return render(load_results(PARAMS, tree))


def drawn(*programs: tuple[str, str], task: Task = TASK) -> Programs:
    """The answers of a model: (program, status) of each sample, in order."""
    sample, verdict = (records[0] for records in make_answers("sft", [task], 1))
    found = Programs({task.task_id: task}, {task.task_id})
    for index, (code, status) in enumerate(programs):
        found.add(
            sample.model_copy(update={"index": index, "completion": code or f"no code {index}"}),
            verdict.model_copy(update={"code": code, "status": status}),
        )
    return found


def answers_of(*models: Programs) -> list[dict]:
    of_model = {f"m{number}": programs for number, programs in enumerate(models)}
    (row,) = changed_answers(of_model, list(of_model), [TASK.task_id])
    assert row["task"] == TASK.task_id
    return row["answers"]


def test_a_curve_has_pass_at_k_for_every_k_within_its_interval() -> None:
    rows = {f"t{i}": {"family": f"f{i}", "n": 4 + i % 2, "passed": i % 4, "compiled": 0} for i in range(12)}
    found = curve({"per_task": rows}, 300, 0)
    for k in range(1, 5):
        assert found.means[k - 1] == pytest.approx(sum(pass_at_k(r["n"], r["passed"], k) for r in rows.values()) / 12)
        low, high = found.intervals[k - 1]
        assert low < found.means[k - 1] < high
    assert len(found.means) == len(found.intervals) == 4


def test_the_curve_of_every_model_and_arm_is_drawn(tree: Path) -> None:
    curves = curves_of(load_results(PARAMS, tree))
    assert list(curves) == ["base", "sft", "c1", "c2", *ARMS]
    svg = plots.curve_plot(curves, plots.model_colours(PARAMS.models()))
    assert all(f">{model}</text>" in svg for model in curves)


def test_coverage_tells_what_a_cycle_solved_from_what_was_ever_solved(tmp_path: Path) -> None:
    params = small_params(("c1", "c2"))
    write_tree(tmp_path, params)
    counts = {"sft": {}, "c1": {"a": (4, 1), "b": (4, 0), "c": (4, 4)}, "c2": {"a": (8, 1), "b": (8, 2), "c": (4, 4)}}
    for name, tasks in counts.items():
        rows = [History(task_id=task, judged=j, passed=p) for task, (j, p) in tasks.items()]
        write_records(tmp_path / f"data/raft/{name}/history.jsonl", rows)
    first, second = raft_coverage(load_results(params, tmp_path))["rows"]
    assert (first["solved"], first["tasks"], first["ever"], first["known"]) == (2, 3, 2, 3)
    assert (second["solved"], second["tasks"], second["ever"], second["known"]) == (1, 2, 3, 3)


def test_a_history_that_is_not_there_is_named_and_makes_no_row(tmp_path: Path) -> None:
    write_tree(tmp_path, small_params(("c1", "c2")))
    (tmp_path / "data/raft/c2/history.jsonl").unlink()
    found = raft_coverage(load_results(small_params(("c1", "c2")), tmp_path))
    assert [row["cycle"] for row in found["rows"]] == ["c1"] and found["missing"] == ["data/raft/c2/history.jsonl"]


def test_benchmark_coverage_adds_up_what_the_models_solve(tree: Path) -> None:
    results = load_results(PARAMS, tree)
    ever = [row["ever"] for row in benchmark_coverage(results)]
    solved = [{task for task, row in card["per_task"].items() if row["passed"]} for card in results.benchmark.values()]
    assert ever == [len(set().union(*solved[: place + 1])) for place in range(len(solved))]


def test_programs_that_differ_in_layout_alone_are_one_and_those_without_code_are_told_by_their_text() -> None:
    programs = drawn(
        ("int a;", "pass"), ("int  a; // x", "pass"), ("int b;", "timeout"), ("", "no_code"), ("", "no_code")
    )
    (row,) = variety({"m": programs}, {TASK.task_id: "f"}, 100, 0)
    assert (row["samples"], row["distinct"], row["passing"], row["low"]) == (5, 4, 1, None)
    assert row["entropy"] == pytest.approx(entropy([2, 1, 1, 1])) and row["most"] == pytest.approx(log2(5))


def test_entropy_is_nothing_for_one_program_and_the_logarithm_for_as_many_as_samples() -> None:
    assert entropy([7]) == 0 and entropy([1] * 8) == pytest.approx(3) and 0 < entropy([7, 1]) < 1


def test_what_could_not_be_judged_is_no_program() -> None:
    assert drawn(("int a;", "infra_error")).of_task == {}


def test_the_answer_shown_passes_if_one_does_else_it_is_the_most_frequent() -> None:
    often, once = ("int often;", "wrong_answer"), ("int once;", "pass")
    failing, passing = answers_of(drawn(("int rare;", "timeout"), often, often), drawn(often, often, once))
    assert (failing["text"], failing["times"], failing["passed"], failing["samples"]) == ("int often;", 2, 0, 3)
    assert (passing["text"], passing["status"], passing["passed"]) == ("int once;", "pass", 1)


def test_the_lines_that_a_neighbour_has_not_are_marked() -> None:
    texts = ("a\nb\nc", "a  \nx\nc", "a\nx\nd\nc\n")
    found = answers_of(*(drawn((text, "pass")) for text in texts))
    assert [answer["marks"] for answer in found] == ["=-=", "=+=", "==+="]
    (first, middle, _) = answers_of(*(drawn((text, "pass")) for text in ("a", "b", "c")))
    assert (first["marks"], middle["marks"]) == ("-", "*")


def test_every_line_shown_has_a_mark_however_long_the_answer() -> None:
    long = "\n".join(f"line {number}\u2028\x0b" for number in range(2_000))
    for answer in answers_of(drawn((long, "pass")), drawn(("short", "pass"))):
        assert len(answer["text"].split("\n")) == len(answer["marks"]) and len(answer["text"]) < 3_100


def test_answers_side_by_side_keep_their_budget_and_the_order_of_the_tasks() -> None:
    tasks = {task.task_id: task for task in make_tasks(40)}
    of_model = {}
    for model in ("base", "sft"):
        of_model[model] = Programs(tasks, tasks)
        for sample, verdict in zip(*make_answers(model, list(tasks.values()), 2), strict=True):
            of_model[model].add(sample, verdict)
    names = sorted(tasks)
    every = changed_answers(of_model, ["base", "sft"], names)
    some = changed_answers(of_model, ["base", "sft"], names, budget_bytes=10_000)
    assert [row["task"] for row in every] == names and 0 < len(some) < len(every)
    assert some == every[: len(some)] and len(json.dumps(some)) < 11_000


def test_no_text_is_held_of_a_task_that_is_not_shown() -> None:
    sample, verdict = (records[0] for records in make_answers("sft", [TASK], 1))
    programs = Programs(TASKS)
    programs.add(sample, verdict)
    assert [program.text for program in programs.of_task[TASK.task_id].values()] == [None]


def test_the_page_carries_the_answers_of_base_sft_and_the_best(tree: Path, page: str) -> None:
    carried = json.loads(re.search(r'id="carried">(.*?)</script>', page)[1])
    tasks = read_records(tree / "data/split/benchmark.jsonl", Task)
    assert {row["task"] for row in carried["answers"]} == {task.task_id for task in tasks}
    assert all([a["model"] for a in row["answers"]] == ["base", "sft", "c2"] for row in carried["answers"])


def test_gains_are_those_of_the_summary_and_each_is_drawn(tree: Path, page: str) -> None:
    results = load_results(PARAMS, tree)
    gains = control_gains(results, comparisons(results))
    assert [(what, row["before"], row["after"]) for what, row in gains] == [
        ("RAFT's gain", "sft", "c2"),
        ("gain of unfiltered", "sft", "unfiltered"),
        ("RAFT over unfiltered", "unfiltered", "c2"),
        ("gain of continued", "sft", "continued"),
        ("RAFT over continued", "continued", "c2"),
    ]
    svg = plots.gains_plot(gains, ["pass@1", "pass@10", "compile_rate"])
    assert all(what.replace("'", "&#x27;") in svg or what in svg for what, _ in gains)
    differences = page[page.index('id="differences"') : page.index('id="controls"')]
    assert "unfiltered" not in differences


def test_a_sample_of_no_benchmark_task_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, small_params(()))
    tasks = read_records(tmp_path / "data/split/benchmark.jsonl", Task)
    write_records(tmp_path / "data/split/benchmark.jsonl", tasks[1:])
    with pytest.raises(InputError, match="which data/split/benchmark.jsonl lacks"):
        list(judged_answers(load_results(small_params(()), tmp_path)))


def test_every_table_that_scrolls_can_be_reached_by_keyboard(page: str) -> None:
    regions = re.findall(r'<div class="scroll[^>]*>', page)
    assert len(regions) > 8 and all('tabindex="0"' in one and re.search('aria-label="[^"]+"', one) for one in regions)


def test_the_report_reads_samples_that_the_summary_counted(tree: Path) -> None:
    card = read_json(tree / "results/benchmark/sft.json")
    samples = read_records(tree / "data/benchmark/sft/samples.jsonl", Sample)
    verdicts = read_records(tree / "data/benchmark/sft/verdicts.jsonl", Verdict)
    tasks = {task.task_id: task for task in read_records(tree / "data/split/benchmark.jsonl", Task)}
    programs = Programs(tasks)
    for pair in zip(samples, verdicts, strict=True):
        programs.add(*pair)
    (row,) = variety({"sft": programs}, {task: card["per_task"][task]["family"] for task in tasks}, 100, 0)
    assert row["samples"] == card["n_samples"] and row["low"] <= row["entropy"] <= row["high"] <= row["most"] + 1e-9
