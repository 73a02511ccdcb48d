"""Control groups: limits for the whole box, and nothing left of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from verify_tasks import stdio_tests, task_of

from halo_forge.settings.verify import Verify
from halo_forge.verify.python.verifier import PythonVerifier
from halo_forge.verify.sandbox import cgroup

pytestmark = [
    pytest.mark.needs("python"),
    pytest.mark.skipif(cgroup.pool() is None, reason="needs control groups that this user may write"),
]
TASK = task_of(stdio_tests(("4\n", "8\n")))


def groups():
    return {path for parent in cgroup._parents().values() for path in parent.glob("halo-forge-*")}


def judge(program, **settings):
    verifier = PythonVerifier(Verify(run_timeout_s=2.0, memory_mb=128, **settings))
    assert verifier.isolation == "bubblewrap+cgroup"
    return verifier.judge(TASK, f"```python\n{program}\nprint(2 * int(input()))\n```")


def test_memory_that_no_process_has_mapped_counts():
    """Two full tmpfs of the box and full pipes, several times the limit in all, each below a process's own limit."""
    program = (
        "import os\nkept = []\n"
        "for name in ('/tmp/a', '/dev/shm/b'):\n"
        "    with open(name, 'wb') as file:\n"
        "        for _ in range(30): file.write(bytes(1 << 20))\n"
        "kept.append(bytearray(100 << 20))\n"
    )
    judgement = judge(program)
    assert judgement.status in ("pass", "memory_limit")  # within the headroom
    many = "import os\nfor _ in range(8):\n    if os.fork() == 0:\n        kept = bytearray(100 << 20)\n        while True: pass\n"
    assert judge(many + "import time\ntime.sleep(1)").status in ("memory_limit", "timeout")


def test_a_group_serves_one_box_after_another_and_none_is_left_at_the_end():
    program = (
        "from halo_forge.verify.sandbox import cgroup\n"
        "pool = cgroup.pool()\n"
        "for _ in range(3):\n"
        "    with pool.group(64, 4) as one, pool.group(64, 4) as other:\n"
        "        assert one is not other\n"
        "print(pool._made)\n"
    )
    before = groups()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
    assert groups() <= before


def test_groups_of_a_killed_judge_are_removed_by_the_next():
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = [parent / f"halo-forge-{dead.pid}-1" for parent in set(cgroup._parents().values())]
    for folder in left:
        folder.mkdir()
        cgroup._remove_leftovers(folder.parent)
    assert not any(folder.exists() for folder in left)


def test_where_groups_cannot_be_written_rlimits_hold(monkeypatch):
    monkeypatch.setattr(cgroup, "pool", lambda: None)
    verifier = PythonVerifier(Verify(run_timeout_s=2.0, memory_mb=128))
    assert verifier.isolation == "bubblewrap+rlimits"
    assert verifier.judge(TASK, "```python\nkept = bytearray(1 << 30)\n```").status == "memory_limit"
