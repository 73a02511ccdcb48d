"""Work shared by machines: no part missing, none done twice, and the outputs are those of one machine."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import pytest
from test_generate import Counting
from test_verify_flat import TASKS, ByItsWords, samples_of
from test_verify_judge import SETTINGS, TASK, mixed, sample

from halo_forge import state
from halo_forge.errors import InputError
from halo_forge.files import read_json
from halo_forge.generate.drawing import Drawing, draws_of
from halo_forge.generate.run import generate_file
from halo_forge.jsonl import read_records, write_records
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.parts import MERGE, WHOLE, Part
from halo_forge.records import Verdict
from halo_forge.settings.generate import Generate, Server
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import Params
from halo_forge.settings.verify import Verify
from halo_forge.state import drop_state
from halo_forge.verify.judge import shelve_verdicts
from halo_forge.verify.registry import VERIFIERS
from halo_forge.verify.run import verify_file
from halo_forge.verify.shelf import Shelf


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


@contextlib.contextmanager
def machine():
    """What is done in it is done by a process of its own: it leaves no lock, and its unfinished work if it fails."""
    try:
        yield
        drop_state()
    finally:
        for descriptor, _ in state._held.values():
            os.close(descriptor)
        state._held.clear()


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "-1/2", "1/2/3", "all"])
def test_what_names_no_part_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--shard: .* is neither i/n .* nor merge"):
        Part.parse(text)


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_the_parts_have_every_piece_of_work_once(count: int) -> None:
    parts = [Part.parse(f"{number}/{count}").of(range(11)) for number in range(1, count + 1)]
    assert sorted(piece for part in parts for piece in part) == list(range(11))
    assert list(WHOLE.of(range(11))) == list(range(11)) and list(MERGE.of(range(11))) == []


@pytest.fixture
def sampling(folder, tiny_model, make_task, monkeypatch):
    """sampling(part, engine, out) is one machine's run; without an engine none may be opened."""
    lock = {"provider": "local", "id": str(tiny_model), "revision": "0", "system_prompt": ""}
    base = BaseModelChoice(provider="local", id=str(tiny_model))
    params = Params(seed=1, preset="p", base_model=base, generate=Generate(chunk_size=4))
    draws = draws_of([make_task(name) for name in "abcde"], 3)

    def run(part: Part, engine: Counting | None, out: str = "out") -> None:
        def opened(*_) -> Counting:
            assert engine is not None, "an engine is opened, though nothing is to be drawn"
            return engine

        monkeypatch.setattr("halo_forge.generate.run.open_engine", opened)
        checkpoint, drawing = Checkpoint("sft", lock, tiny_model, None), Drawing("sft", "c1", 1.0, 8)
        with machine():
            generate_file(params, checkpoint, drawing, draws, Path(out), part)

    return run


@pytest.mark.parametrize("last", [MERGE, WHOLE], ids=["merge", "plain"])
def test_samples_drawn_in_parts_are_byte_for_byte_those_of_one_machine(sampling, last) -> None:
    sampling(WHOLE, Counting(), "one")
    engines = [Counting() for _ in range(3)]
    for number in (3, 1, 2):  # in whatever order they come
        sampling(Part(number, 3), engines[number - 1])
        assert not Path("out").exists()
    assert [engine.drawn for engine in engines] == [4 + 3, 4, 4]
    sampling(last, None)
    assert Path("out/samples.jsonl").read_bytes() == Path("one/samples.jsonl").read_bytes()
    told, whole = read_json("out/generation.json"), read_json("one/generation.json")
    measured = {"seconds", "tokens_per_s", "resumed_samples_tokens"}
    assert {key: told[key] for key in told.keys() - measured} == {key: whole[key] for key in whole.keys() - measured}
    assert not list(Path(".state").iterdir())


def test_a_part_that_was_killed_is_missed_and_goes_on_where_it_was(sampling) -> None:
    sampling(Part(2, 2), Counting())
    with pytest.raises(KeyboardInterrupt):
        sampling(Part(1, 2), Counting(fail_at=4))
    with pytest.raises(InputError, match=r"c1: 1 of 4 chunks are missing .*--shard 1/n to n/n"):
        sampling(MERGE, None)
    again = Counting()
    sampling(Part(1, 2), again)
    assert again.drawn == 4
    sampling(MERGE, None)
    assert len(Path("out/samples.jsonl").read_text().splitlines()) == 15


def test_what_no_part_has_drawn_a_plain_run_draws(sampling) -> None:
    sampling(Part(1, 2), Counting())
    engine = Counting()
    sampling(WHOLE, engine)
    assert engine.drawn == 7 and len(Path("out/samples.jsonl").read_text().splitlines()) == 15


def test_a_merge_of_nothing_says_so(sampling) -> None:
    with pytest.raises(InputError, match="c1: nothing is drawn yet: all is missing"):
        sampling(MERGE, None)


def test_samples_of_a_server_that_does_not_say_its_weights_are_merged_and_name_its_model(
    folder, tiny_model, make_task, monkeypatch
) -> None:
    class Served(Counting):
        name = "server"

    lock = {"provider": "local", "id": str(tiny_model), "revision": "0", "system_prompt": ""}
    generate = Generate(engine="server", server=Server(model="org/served"), chunk_size=4)
    params = Params(
        seed=1, preset="p", base_model=BaseModelChoice(provider="local", id=str(tiny_model)), generate=generate
    )
    monkeypatch.setattr("halo_forge.generate.run.open_engine", lambda *_: Served())
    for part in (Part(1, 2), Part(2, 2), MERGE):
        with machine():
            checkpoint, drawing = Checkpoint("sft", lock, tiny_model, None), Drawing("sft", "c1", 1.0, 8)
            generate_file(params, checkpoint, drawing, draws_of([make_task(n) for n in "ab"], 3), Path("out"), part)
    told = read_json("out/generation.json")
    assert (told["engine"], told["weights"], told["served_model"]) == ("server", None, "org/served")


def test_what_the_cache_of_a_part_knows_is_there_for_a_machine_with_another_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(VERIFIERS, "by_its_words", ByItsWords)
    monkeypatch.setattr(ByItsWords, "asked", [])
    samples = samples_of(*(f"pass {number // 2}" for number in range(80)))

    def judge(wip: str, cache: str, part: Part) -> Shelf:
        monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / cache))
        given = {"verifier": "by_its_words", "wip": tmp_path / wip / "wip.jsonl"}
        return shelve_verdicts(TASKS, samples, Verify(workers=2), part=part, **given)

    with judge("before", "one", WHOLE):
        assert len(ByItsWords.asked) == 40
    with judge("now", "one", Part(1, 2)) as first, judge("now", "one", Part(2, 2)) as second:
        assert (first.filled, second.filled) == (40, 40)
    with judge("now", "two", MERGE) as merged:
        assert merged.filled == 80
    assert len(ByItsWords.asked) == 40


def test_what_no_part_has_judged_the_whole_judges_and_a_merge_does_not(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(VERIFIERS, "by_its_words", ByItsWords)
    monkeypatch.setattr(ByItsWords, "asked", [])
    samples = samples_of("pass 0", "broken 1", "pass 2", "pass 3")

    def judge(part: Part) -> int:
        given = {"verifier": "by_its_words", "wip": tmp_path / "wip.jsonl", "part": part}
        with shelve_verdicts(TASKS, samples, Verify(workers=2, cache=False), **given) as shelf:
            return shelf.filled

    assert judge(Part(2, 2)) == 2
    assert judge(MERGE) == 1, "what could not be judged is judged again"
    assert ByItsWords.asked == ["broken 1", "pass 3"]
    assert judge(WHOLE) == 4
    assert sorted(ByItsWords.asked[2:]) == ["broken 1", "pass 0", "pass 2"]


@pytest.mark.needs("python")
def test_verdicts_reached_in_parts_are_those_of_one_machine_and_a_copy_is_judged_once(folder, capsys) -> None:
    """Of equal programs the copies lie in what would be another part if samples were dealt out."""
    samples = mixed(7) + [sample(8 + n, "print(2 * int(input())) #0") for n in range(3)]
    write_records("tasks.jsonl", [TASK])
    for place in ("one", "out"):
        write_records(f"{place}/samples.jsonl", samples)

    def judge(place: str, part: Part) -> str:
        with machine():
            verify_file(SETTINGS, Path("tasks.jsonl"), Path(place), "test", part=part)
        return capsys.readouterr().out

    judge("one", WHOLE)
    with pytest.raises(InputError, match="test: 11 of 11 samples have no verdict"):
        judge("out", MERGE)
    parts = [re.findall(r"test, part-(\d)-of-2: (\d+) of 11 samples", judge("out", Part(n, 2))) for n in (2, 1)]
    assert parts == [[("2", "4")], [("1", "7")]] and not Path("out/verdicts.jsonl").exists()
    judge("out", MERGE)
    one, out = (read_records(f"{place}/verdicts.jsonl", Verdict) for place in ("one", "out"))
    measured = [verdict.duration_s for verdict in out]
    assert [seconds > 0.0 for seconds in measured] == [verdict.duration_s > 0.0 for verdict in one]
    assert [v.model_dump(exclude={"duration_s"}) for v in out] == [v.model_dump(exclude={"duration_s"}) for v in one]
