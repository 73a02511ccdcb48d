"""The report in a real browser, network off: on a phone, by keyboard, with samples that are hostile."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmark_tree import ARMS, small_params, write_tree
from conftest import REPOSITORY

from halo_forge.benchmark.experiments.experiment import find_experiment
from halo_forge.benchmark.experiments.side_by_side import write_comparison
from halo_forge.benchmark.report import write_report
from halo_forge.benchmark.results import load_results

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

from chromium import Chromium, installed  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(installed() is None, reason="no Chromium here: apt install chromium"),
]
PARAMS = small_params(("c1", "c2"), controls=ARMS)
FOCUS = "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with report.html and compare.html."""
    root = tmp_path_factory.mktemp("pages")
    write_tree(root / "run", PARAMS, families=12)
    write_report(load_results(PARAMS, root / "run"), root / "report.html")
    shutil.copytree(root / "run", root / "other")
    write_comparison(find_experiment(str(root / "run")), find_experiment(str(root / "other")), root / "compare.html")
    return root


@pytest.fixture
def browser(pages: Path) -> Iterator[Chromium]:
    with Chromium(1280) as opened:
        opened.open(pages / "report.html")
        yield opened


@pytest.mark.parametrize("name", ["report.html", "compare.html"])
@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_sees_the_whole_width_and_nothing_is_asked_for(pages: Path, name: str, dark: bool) -> None:
    with Chromium(390, dark=dark) as phone:
        phone.open(pages / name)
        assert phone.value("document.documentElement.scrollWidth") == 390
        assert phone.requests == [(pages / name).as_uri()]
        paper = phone.value("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(20, 23, 26)") == dark


def test_no_text_of_a_model_runs_or_becomes_an_element(browser: Chromium) -> None:
    browser.value("for (let i = 0; i < 30; i++) document.getElementById('more').click()")
    assert browser.value("document.querySelectorAll('img, iframe, script:not([type])').length") == 1  # its own script
    assert "alert(1)" in browser.value("document.getElementById('samples-list').textContent")


def test_every_control_is_reached_by_the_tab_key_and_is_seen_to_be(browser: Chromium) -> None:
    reached = []
    for _ in range(60):
        browser.press("Tab")
        reached.append(browser.value(FOCUS))
        assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid", reached[-1]
        if reached[-1] == "more":
            break
    assert reached[0] == "skip"
    wanted = ["changed-task", "changed-after", "by-model", "by-task", "by-status", "search", "more"]
    assert [one for one in reached if one in wanted] == wanted
    assert reached.count("link") == 1  # the buttons of the table of tasks are one stop


def test_the_arrow_keys_go_through_the_buttons_of_the_tasks_and_enter_shows_the_answers(browser: Chromium) -> None:
    browser.value("document.querySelector('button[data-changed]').focus()")
    for key in ("ArrowDown", "ArrowDown"):
        browser.press(key)
    assert browser.value("document.activeElement.dataset.changed") == browser.value(
        "document.querySelectorAll('button[data-changed]')[1].dataset.changed"
    )
    browser.press("Enter")
    assert browser.value(FOCUS) == "changed-task"
    assert browser.value("document.getElementById('changed-task').selectedIndex") == 1


def test_more_samples_are_read_on_from_the_first_new_one(browser: Chromium) -> None:
    browser.value("document.getElementById('more').focus()")
    browser.press("Enter")
    cards = "[...document.querySelectorAll('#samples-list article')]"
    assert browser.value(f"{cards}.length") == 20
    assert browser.value(f"{cards}.indexOf(document.activeElement)") == 10


def test_the_lines_of_an_answer_are_marked_in_words_as_well_as_in_colour(browser: Chromium) -> None:
    columns = browser.value(
        "[...document.querySelectorAll('.answer')].map((one) => one.querySelector('b').textContent)"
    )
    assert columns == ["base", "sft", "c2"]
    signs = browser.value(
        "[...document.querySelectorAll('.answer .line')].map((line) => "
        "[line.classList.contains('new'), line.classList.contains('gone'), line.querySelector('.sign').textContent])"
    )
    assert signs and all(sign == ("+" if new else " ") + ("−" if gone else " ") for new, gone, sign in signs)
