#!/usr/bin/env bash
# Set up everything the pipeline needs in this checkout: one Python environment in .venv, for training, sampling and
# judging, with the exact versions of requirements.lock, or where there is an NVIDIA GPU of requirements-gpu.lock, which
# has vLLM too; and the compiler and sandbox that judge C++ answers. Safe to run again; `make setup` does.
#
# Settings: PYTHON=… picks the interpreter; SKIP_SYSTEM=1 installs no system packages and does not ask for them.
# GPU=0|1 says which lock (left out: whether an NVIDIA driver is here); TORCH_INDEX=URL is a package index to take torch
# from, such as one of builds for ROCm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=${PATH//"$PWD/.venv/bin:"/}  # the Makefile puts the venv first, but it is not what to make the venv from

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'error: %s\n' "$@" >&2; exit 1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# attempt TEXT COMMAND…: run it quietly, say how long it took; what it said is in $log.
attempt() {
    local text=$1 started=$SECONDS
    shift
    printf 'setup: %s … ' "$text"
    if "$@" >"$log" 2>&1 </dev/null; then
        printf '%d s\n' $((SECONDS - started))
    else
        printf 'failed after %d s\n' $((SECONDS - started))
        return 1
    fi
}

# step TEXT COMMAND…: an attempt that must not fail.
step() {
    if ! attempt "$@"; then
        tail -n 40 "$log" >&2
        shift
        die "\`$*\` failed (its last lines are above); mend that and run \`make setup\` again"
    fi
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "no Python 3.11 or newer found (tried: ${PYTHON:-python3, python3.11 … python3.14})" \
        "install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv), or name yours:" \
        "make setup PYTHON=/path/to/python3"
}

# The Debian packages that are missing here, one a line.
missing_packages() {
    [ -n "${SKIP_SYSTEM:-}" ] || command -v g++ >/dev/null || echo g++
    [ -n "${SKIP_SYSTEM:-}" ] || command -v bwrap >/dev/null || echo bubblewrap
    # Debian keeps what `python -m venv` needs in a package of its own.
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
}

install_packages() {
    local sudo=() apt
    if [ "$(id -u)" != 0 ]; then sudo=(sudo -n); fi
    if ! command -v apt-get >/dev/null; then
        die "missing here: $*" "install them with the package manager of this system, then run \`make setup\` again"
    fi
    if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
        die "missing here: $*" "run:  sudo apt-get update && sudo apt-get install -y $*" "then run \`make setup\` again"
    fi
    apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
    step "reading the package lists of apt" ${sudo[@]+"${sudo[@]}"} "${apt[@]}" update
    step "installing $*" ${sudo[@]+"${sudo[@]}"} "${apt[@]}" install --no-install-recommends "$@"
}

# Sets gpu, lock and why. vLLM's wheels are for Linux and CUDA alone: elsewhere GPU=1 would end in pip's words.
choose_lock() {
    gpu=0 lock=requirements.lock
    case ${GPU:-} in
        0) why="GPU=0" ;;
        1) gpu=1 why="GPU=1" ;;
        "")
            why="no NVIDIA driver is here"
            if [ -e /dev/nvidiactl ] || nvidia-smi -L >/dev/null 2>&1; then gpu=1 why="an NVIDIA driver is here"; fi ;;
        *) die "GPU=$GPU: give 0 or 1, or leave it out" ;;
    esac
    if [ $gpu = 1 ]; then lock=requirements-gpu.lock; fi
    if [ "${GPU:-}" = 1 ] && [ "$("$python" -c 'import sys; print(sys.platform)')" != linux ]; then
        die "GPU=1: requirements-gpu.lock holds vLLM, whose wheels are for Linux and CUDA alone" "leave GPU out"
    fi
}

# The version of torch in .venv, such as 2.13.0+cpu; nothing if there is none.
torch_here() {
    .venv/bin/python -c 'import importlib.metadata; print(importlib.metadata.version("torch"))' 2>/dev/null || true
}

# One version of torch comes in several builds: those for a GPU bring gigabytes of its libraries, the one for the CPU
# alone is 0.2 GB (0.8 GB on disk) and calls itself VERSION+cpu. Which build an index has under the plain version, and
# whether it has the small one, only the index can say.
install_torch() {
    local version here
    version=$(grep '^torch==' $lock)
    version=${version#torch==} here=$(torch_here)
    if [ $gpu = 1 ] && [[ $here == *+cpu ]]; then
        step "removing torch $here, which does not use the GPU" "${pip[@]}" uninstall --yes torch
        here=
    fi
    if [ "${here%%+*}" = "$version" ]; then
        say "torch $here is here already (for another build of it delete .venv first)"
    elif [ -n "${TORCH_INDEX:-}" ]; then
        step "installing torch $version from TORCH_INDEX" \
            "${pip[@]}" install --progress-bar off --no-deps --index-url "$TORCH_INDEX" "torch==$version"
    elif [ $gpu = 0 ] &&
        ! attempt "no GPU: asking the package index for torch's small CPU build (0.2 GB)" \
            "${pip[@]}" install --progress-bar off --no-deps "torch==$version+cpu"; then
        say "it gave none, so pip takes the build it has: on Linux often the one for CUDA, gigabytes of no use here. To"
        say "avoid them stop this and run: make setup TORCH_INDEX=URL, with the URL that PyTorch's own page gives for CPU"
    fi
}

python=$(find_python)
say "Python $("$python" -c 'import platform; print(platform.python_version())') at $python"

choose_lock
say "$lock: $why"

mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi

# A venv is tied to its place and its interpreter: one that was moved, or whose Python went away, is made anew. So is one
# of the other lock: what that lock alone holds would stay, vLLM beside a torch that it was not built for.
rm -f .venv/.ready
before=requirements.lock
if [ -f .venv/.lock ]; then before=$(<.venv/.lock) before=${before%%:*}; fi
if ! { .venv/bin/python -c 'import pip' 2>/dev/null && grep -qsF "$PWD/.venv" .venv/bin/activate; } ||
    [ "$before" != $lock ]; then
    step "creating .venv" "$python" -m venv --clear .venv
fi

pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check --no-input)
install_torch
step "installing $(grep -c == $lock) packages of $lock (some minutes the first time)" \
    "${pip[@]}" install --progress-bar off -r $lock
echo "$lock: $why" >.venv/.lock
step "installing halo-forge itself" "${pip[@]}" install --no-deps --no-build-isolation --editable .

say "torch $(torch_here)"
if [ $gpu = 1 ] && [[ $(torch_here) == *+cpu ]]; then
    say "the package index has torch for the CPU alone, so the GPU is not used; with an index that has builds for it:"
    say "make setup GPU=1 TORCH_INDEX=URL"
fi

# DVC wants Git unless told otherwise: a source archive is told so, in a file of its own that Git ignores.
if ! git rev-parse --git-dir >/dev/null 2>&1; then
    say "no Git repository: DVC runs without it, \`make exp\` will not"
    .venv/bin/dvc config --local core.no_scm true
fi

echo "$PWD" >.venv/.ready
say "ready after $SECONDS s; next: make repro (or make smoke for a first, short run)"
