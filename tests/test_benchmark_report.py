"""The report: hostile text stays text, missing results are named, and the file stays one small file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmark_tree import HOSTILE, small_params, write_tree

from halo_forge.benchmark.browser import Browser, as_script_data
from halo_forge.benchmark.judged import judged_answers
from halo_forge.benchmark.plots import ladder_picture
from halo_forge.benchmark.report import render
from halo_forge.benchmark.results import load_results
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json


class Page(HTMLParser):
    """Every element with its attributes, and the text of the scripts, as a browser would see them."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    write_tree(root, small_params(("c1",)))
    return root


@pytest.fixture(scope="module")
def html(tree: Path) -> str:
    return render(load_results(small_params(("c1",)), tree))


def test_what_a_model_wrote_adds_no_element_and_no_script(html: str) -> None:
    page = Page(html)
    assert [attributes.get("type") for tag, attributes in page.elements if tag == "script"] == [
        "application/json",
        None,
    ]
    assert not [tag for tag, _ in page.elements if tag in ("img", "iframe", "object", "link", "base")]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_the_samples_arrive_whole_in_the_browser(html: str, tree: Path) -> None:
    carried = json.loads(Page(html).scripts[0])
    written = [json.loads(line) for line in (tree / "data/benchmark/c1/samples.jsonl").read_text().split("\n") if line]
    shown = {(row["task"], row["index"]): row["completion"] for row in carried["samples"] if row["model"] == "c1"}
    assert shown == {(row["task_id"], row["index"]): row["completion"] for row in written}
    assert any(HOSTILE[0] in text for text in shown.values())


@pytest.mark.parametrize("text", [*HOSTILE, "</SCRIPT >", "\ud800", "<!--<script>-->"])
def test_script_data_never_ends_its_element(text: str) -> None:
    data = as_script_data({"completion": text})
    assert not re.search(r"[<>&\u2028\u2029]", data)
    assert json.loads(data) == {"completion": text}


def test_only_the_script_of_the_page_may_run_and_nothing_is_loaded(html: str) -> None:
    page = Page(html)
    policy = next(attributes["content"] for tag, attributes in page.elements if "http-equiv" in attributes)
    own = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{own}'"
    links = [value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")]
    assert [link for link in links if not link.startswith("#")] == []
    assert "url(http" not in html and "@import" not in html


def test_the_report_says_what_judged_and_whose_verdicts_were_reached_with_something_else(tmp_path, html) -> None:
    assert "Judged with" not in html  # results of an earlier version do not say
    params = small_params(("c1",))
    write_tree(tmp_path, params)
    for model, version in (("base", "11"), ("sft", "12"), ("c1", "12")):
        path = tmp_path / f"results/benchmark/{model}.json"
        tools = {"g++": f"g++ (Debian) {version}", "python": "3.11.7"}
        write_json(path, read_json(path) | {"provenance": {"judged_with": tools}})
    shown = re.findall(r"Judged with</td><td[^>]*>(.*?)</td>", render(load_results(params, tmp_path)))
    assert shown == ["g++ (Debian) 11, python 3.11.7 (base)", "g++ (Debian) 12, python 3.11.7 (sft, c1)"]


def test_every_section_and_plot_is_there_when_the_run_is_complete(html: str) -> None:
    page = Page(html)
    assert [a["id"] for tag, a in page.elements if tag == "h2"] == [
        "ladder", "differences", "raft", "variety", "tasks", "changed", "failures", "samples", "provenance",
    ]  # fmt: skip
    assert sum(tag == "svg" for tag, _ in page.elements) == 6
    assert 'class="missing"' not in html and "arm" not in re.findall(r'<tr class="(\w+)"', html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert "figure_1" not in ids


def test_the_report_of_the_same_results_is_the_same_bytes(html: str, tree: Path) -> None:
    assert render(load_results(small_params(("c1",)), tree)) == html


def test_an_empty_folder_gives_a_report_that_names_what_is_missing(tmp_path: Path) -> None:
    page = render(load_results(small_params(("c1",)), tmp_path))
    for path in ("models/base.json", "results/benchmark/base.json", "results/raft/c1.json"):
        assert path in page
    assert page.count('class="missing"') >= 6


def test_a_cycle_not_yet_run_is_shown_as_missing(tree: Path) -> None:
    page = render(load_results(small_params(("c1", "c2")), tree))
    assert re.search(r"<td>c2</td><td[^>]*>not benchmarked yet", page)
    assert "<b>c1</b> passes" in page


def test_models_benchmarked_on_different_tasks_are_refused(tmp_path: Path) -> None:
    params = small_params(())
    write_tree(tmp_path, params)
    path = tmp_path / "results/benchmark/sft.json"
    result = read_json(path)
    result["per_task"].popitem()
    write_json(path, result)
    with pytest.raises(InputError, match="base and sft were benchmarked on different tasks"):
        render(load_results(params, tmp_path))


def test_a_result_file_of_another_shape_is_refused_by_name(tmp_path: Path) -> None:
    write_json(tmp_path / "results/benchmark/base.json", {"pass_rate": 0.5})
    with pytest.raises(InputError, match=r"benchmark/base.json: no key 'pass_at_k'"):
        load_results(small_params(()), tmp_path)


def test_the_stage_writes_its_files_and_prints_the_ladder(tree: Path, tmp_path: Path) -> None:
    for name in ("data", "models", "results", "params.yaml", "presets.yaml"):
        (tmp_path / name).symlink_to(tree / name)
    script = Path(__file__).parents[1] / "stages" / "report.py"
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^c1 +\d+\.\d % +\d+\.\d % to \d+\.\d %", done.stdout, re.MULTILINE)
    assert re.search(r"^sft -> c1 +", done.stdout, re.MULTILINE)
    assert [row["model"] for row in read_json(tmp_path / "results/ladder.json")] == ["base", "sft", "c1"]
    assert read_json(tmp_path / "results/summary.json")["raft_gain"]["models"] == "c1 - sft"
    assert len(read_json(tmp_path / "results/raft_statistics.json")) == 1
    assert (tmp_path / "results/report.html").stat().st_size < 3_000_000
    assert (tmp_path / "results/ladder.svg").read_text().startswith("<svg ")


def browsed(tree: Path, *budget: int) -> dict:
    results = load_results(small_params(("c1",)), tree)
    judged = judged_answers(results)
    browser = Browser(list(results.benchmark), judged.tasks, *budget)
    for answer in judged:
        browser.add(*answer)
    return browser.carried()


def test_the_browser_keeps_its_budget_and_says_how_many_it_shows(tree: Path) -> None:
    some = browsed(tree, 20_000)
    assert 0 < some["shown"] < some["total"] == 3 * 8 * 10
    assert len(as_script_data(some["samples"])) < 1.5 * 20_000
    assert {row["model"] for row in some["samples"]} == {"base", "sft", "c1"}
    assert browsed(tree)["shown"] == some["total"]


@pytest.mark.parametrize("budget", [3_000, 20_000, 60_000])
def test_what_is_shown_is_the_beginning_of_all_and_no_more_would_fit(tree: Path, budget: int) -> None:
    every, some = browsed(tree), browsed(tree, budget)
    order = {"base": 0, "sft": 1, "c1": 2}
    keys = [(row["index"], row["task"], order[row["model"]]) for row in every["samples"]]
    assert keys == sorted(keys)
    assert some["samples"] == every["samples"][: some["shown"]] and some["shown"] < some["total"] == every["total"]
    used, prompts = 0, {}
    for row in every["samples"][: some["shown"] + 1]:
        new = {} if row["task"] in prompts else {row["task"]: every["prompts"][row["task"]]}
        prompts |= new
        used += len(json.dumps([row, new]))
        fits = used <= budget
    assert not fits


def test_the_picture_of_the_ladder_stands_alone_and_has_its_figures() -> None:
    """Shown as an image it gets nothing from the page: every variable that it uses has its value, light and dark."""
    row = {"cycle": 0, "model": "<b>&", "n_tasks": 73, "n_families": 70, "n_samples": 730}
    for key, value in (("pass@1", 0.25), ("compile_rate", 0.75)):
        row |= {key: value, f"{key}_low": value - 0.1, f"{key}_high": value + 0.1}
    svg = ladder_picture([row, row | {"n_samples": 1460}])
    texts = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {"25.0 %", "75.0 %", "RAFT <b>&"} <= set(texts)
    assert any("730 to 1,460 answers a model" in text for text in texts)
    used, given = set(re.findall(r"var\((--\w+)\)", svg)), re.findall(r"(--\w+):", svg)
    assert used and {name: given.count(name) for name in used} == dict.fromkeys(used, 2)
    assert not re.search(r"<script|(?:href|src)=\"(?!#)|url\((?!#)", svg)


def test_the_picture_of_no_ladder_says_so() -> None:
    assert "nothing is measured yet" in ladder_picture([])
