"""What `make doctor` and `halo-forge info` say of a machine and a folder."""

from __future__ import annotations

import re
import shutil
import sys

import pytest
from conftest import REPOSITORY as ROOT
from scratch import copy_of_setup, path_without_tools, sh

from halo_forge.cli import doctor
from halo_forge.provenance import Gpu
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import load_params


@pytest.fixture
def bare_path(tmp_path):
    return path_without_tools(tmp_path)


def test_the_doctor_says_which_lock_the_environment_has_and_why(tmp_path):
    said = tmp_path / ".lock"
    assert doctor.environment([], said).found == "not made by make setup"
    said.write_text("requirements.lock: no NVIDIA driver is here\n")
    assert doctor.environment([], said)[2:4] == (True, "requirements.lock: no NVIDIA driver is here")
    beside = doctor.environment([Gpu("NVIDIA A10", 22.5)], said)
    assert not beside.ok and beside.cure == "make setup GPU=1"
    said.write_text("requirements-gpu.lock: GPU=1\n")
    assert doctor.environment([Gpu("NVIDIA A10", 22.5)], said)[2:4] == (True, "requirements-gpu.lock: GPU=1")


def test_the_doctor_fails_without_the_compiler_and_says_how_to_get_it(bare_path, monkeypatch, capsys):
    (bare_path / "git").symlink_to(shutil.which("git"))
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", str(bare_path))
    monkeypatch.setattr(doctor, "find_model", lambda choice: (True, "not asked", ""))  # no network in this test
    assert doctor.main() == 1
    out = capsys.readouterr().out
    assert re.search(r"verifier +gcc +MISSING +no g\+\+ +sudo apt-get install g\+\+", out)
    assert re.search(r"sandbox +bubblewrap +MISSING +bubblewrap not found.*sudo apt-get install bubblewrap", out)
    assert "missing: verifier gcc, sandbox bubblewrap\n" in out


def test_the_doctor_does_not_ask_for_what_the_settings_do_not_use(bare_path, monkeypatch):
    monkeypatch.setenv("PATH", str(bare_path))
    params = load_params(ROOT / "params.yaml")
    params.prepare.languages = ["python"]
    params.verify.sandbox = "none"
    found = [*doctor.verifiers(params), *doctor.sandbox(params)]
    assert "gcc" in [check.what for check in found if not check.ok]
    assert [check.what for check in found if check.needed and not check.ok] == []


def test_the_doctor_says_when_torch_does_not_use_the_gpu():
    gpu = [Gpu("NVIDIA A10", 22.5)]
    unused = doctor.gpu_check(gpu, "2.13.0+cpu")
    assert not unused.ok and "does not use it" in unused.found and unused.cure.startswith("make setup GPU=1")
    assert doctor.gpu_check(gpu, "2.13.0").ok and doctor.gpu_check(gpu, "2.13.0+cu128").ok
    assert doctor.gpu_check([], "2.13.0+cpu").cure == "only the GPU presets need one"


def test_the_doctor_looks_for_a_base_model_in_the_order_in_which_it_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path))
    hub, index = ["on the hub"], {"carrier==1.0:a.gguf": True}
    monkeypatch.setattr(doctor, "_on_hub", lambda repository: hub[0])
    monkeypatch.setattr(doctor, "_on_package_index", lambda wheel: index.get(wheel, False))
    choice = BaseModelChoice(
        provider="gguf", id="o/n", file="a.gguf", sha256="ab" * 32, mirrors=[["gone==1.0:a"], ["carrier==1.0:a.gguf"]]
    )
    assert doctor.find_model(choice)[:2] == (True, "on the hub")
    hub[0] = None
    assert doctor.find_model(choice)[:2] == (True, "on the package index")
    index.clear()
    assert doctor.find_model(choice)[0] is False
    (tmp_path / "models" / ("ab" * 8)).mkdir()
    assert doctor.find_model(choice)[:2] == (True, "in the cache")


def test_every_gpu_preset_says_how_much_memory_it_takes():
    text = (ROOT / "presets.yaml").read_text()
    known = {name: doctor.gpus_of(name, text) for name in re.findall(r"^([\w.-]+):", text, re.MULTILINE)}
    assert [name for name, cards in known.items() if cards is None] == [
        "tiny",
        "smoke",
        "laptop",
        "laptop-long",
        "laptop-gpu",  # takes what batch the card has room for
        "laptop-1500m",
    ]
    assert known["qwen-1500m"] == (1, 16) and known["qwen-7b-8x80gb"] == (8, 80)


def halo_forge(*arguments, cwd):
    code = "from halo_forge.cli.main import main; main()"
    return sh(sys.executable, "-c", code, *arguments, cwd=cwd, PYTHONPATH=str(ROOT / "src"))


def test_the_command_line_shows_the_settings_of_the_folder(tmp_path):
    checkout = copy_of_setup(tmp_path)
    result = halo_forge("info", cwd=checkout)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^models +base, sft, c1, c2$", result.stdout, re.MULTILINE)


def test_the_command_line_names_a_missing_file_in_one_line(tmp_path):
    result = halo_forge("info", cwd=tmp_path)
    assert (result.stderr, result.returncode) == ("error: params.yaml: no such file\n", 2)
