#!/usr/bin/env bash
# Set up everything the pipeline needs in this checkout: a Python environment in .venv with the exact versions of
# requirements.lock, and the compiler and sandbox that judge C++ answers. Safe to run again; `make setup` does.
#
# Settings: PYTHON=… picks the interpreter; SKIP_SYSTEM=1 installs no system packages and does not ask for them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=${PATH//"$PWD/.venv/bin:"/}  # the Makefile puts the venv first, but it is not what to make the venv from

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'error: %s\n' "$@" >&2; exit 1; }

# step TEXT COMMAND…: run it quietly, say how long it took; show its output only if it fails.
step() {
    local text=$1 log started=$SECONDS
    shift
    log=$(mktemp)
    printf 'setup: %s … ' "$text"
    if "$@" >"$log" 2>&1 </dev/null; then
        printf '%d s\n' $((SECONDS - started))
        rm -f "$log"
    else
        printf 'failed after %d s\n' $((SECONDS - started))
        tail -n 40 "$log" >&2
        rm -f "$log"
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

python=$(find_python)
say "Python $("$python" -c 'import platform; print(platform.python_version())') at $python"

mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi

# A venv is tied to its place and its interpreter: one that was moved, or whose Python went away, is made anew.
rm -f .venv/.ready
if ! { .venv/bin/python -c 'import pip' 2>/dev/null && grep -qsF "$PWD/.venv" .venv/bin/activate; }; then
    step "creating .venv" "$python" -m venv --clear .venv
fi

pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check --no-input)
step "installing $(grep -c == requirements.lock) packages of requirements.lock (some minutes the first time)" \
    "${pip[@]}" install --progress-bar off -r requirements.lock
step "installing halo-forge itself" "${pip[@]}" install --no-deps --no-build-isolation --editable .

# DVC wants Git unless told otherwise: a source archive is told so, in a file of its own that Git ignores.
if ! git rev-parse --git-dir >/dev/null 2>&1; then
    say "no Git repository: DVC runs without it, \`make exp\` will not"
    .venv/bin/dvc config --local core.no_scm true
fi

echo "$PWD" >.venv/.ready
say "ready after $SECONDS s; next: make repro (or make smoke for a first, short run)"
