"""`halo-forge cache`: what it counts and what it deletes, and the licences said before anything is fetched."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from conftest import REPOSITORY
from typer.testing import CliRunner

from halo_forge.cli.cache import KINDS, app, content
from halo_forge.errors import InputError
from halo_forge.model.licences import licence_of
from halo_forge.settings.checking import read_yaml

OLD = time.time() - 90 * 86_400


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put(path: Path, age: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5_000)
    if age:
        os.utime(path, (age, age))
    return path


def cache(*words: str):
    return CliRunner().invoke(app, words, catch_exceptions=False)


def test_what_was_not_used_for_long_goes_and_the_rest_stays(root: Path) -> None:
    old, new = put(root / "models/aaaa/weights", OLD), put(root / "models/bbbb/weights")
    lock = put(root / "models/.aaaa~lock", OLD)
    assert cache("prune").exit_code == 0
    assert [path.exists() for path in (old, new, lock)] == [False, True, True]


def test_what_was_paid_for_goes_only_if_it_is_named(root: Path) -> None:
    paid = put(root / "llm/replies.sqlite", OLD)
    assert "llm" not in cache("prune", "--days", "0").output and paid.exists()
    cache("prune", "llm")
    assert not paid.exists()


def test_what_this_version_has_not_made_is_left_alone(root: Path) -> None:
    foreign = put(root / "another/thing", OLD)
    cache("prune", "--days", "0")
    assert foreign.exists()


def test_a_dry_run_deletes_nothing_and_a_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "mine/thesis", OLD)
    (root / "models").mkdir(parents=True)
    (root / "models/link").symlink_to(outside.parent)
    assert "would delete" in cache("prune", "--days", "0", "--dry-run").output
    assert (root / "models/link").is_symlink()
    cache("prune", "--days", "0")
    assert outside.exists() and not (root / "models/link").is_symlink()


def test_a_file_with_two_names_counts_once(root: Path) -> None:
    first = put(root / "headers/a/one")
    os.link(first, root / "headers/a/two")
    assert content(root / "headers") == content(first)._replace(files=2)


def test_a_misspelt_kind_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="modles.*models"):
        cache("prune", "modles")


def test_every_kind_that_the_code_makes_is_explained() -> None:
    made = {
        kind
        for folder in ("src", "benchmarks")
        for path in (REPOSITORY / folder).rglob("*.py")
        for kind in re.findall(r'cache_folder\("(\w+)"\)', path.read_text(encoding="utf-8"))
    }
    assert made == set(KINDS)


def test_the_licence_of_every_preset_is_known() -> None:
    for name, preset in read_yaml(REPOSITORY / "presets.yaml").items():
        assert "not known" not in licence_of(preset["base_model"]["id"]), name
