"""What a hostile or broken Python answer can do: each hack a test, on real boxes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from conftest import REPOSITORY, wait_until
from verify_tasks import stdio_tests, task_of

from halo_forge.errors import InfrastructureError
from halo_forge.records import CallCase, CallTests, CompileTests
from halo_forge.settings.verify import Verify
from halo_forge.verify.registry import get_verifier
from halo_forge.verify.sandbox import cgroup
from halo_forge.verify.sandbox.box import Sandbox
from halo_forge.verify.sandbox.job import Job, Limits

pytestmark = pytest.mark.needs("python")
SECRET = "the-expected-value-84713"
SETTINGS = Verify(run_timeout_s=0.5, memory_mb=200, max_processes=8, max_output_kb=64)


@pytest.fixture(scope="module")
def verifier():
    verifier = get_verifier("python", SETTINGS)
    verifier.probe()
    return verifier


def stdio(*cases):
    return task_of(stdio_tests(*cases))


def calls(*cases):
    return task_of(CallTests(entry_point="f", cases=[CallCase(args=args, expected=value) for args, value in cases]))


DOUBLE = stdio(("4\n", "8\n"))


def judge(verifier, program, task=DOUBLE):
    return verifier.judge(task, f"```python\n{program}\n```\n")


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.mark.parametrize(
    "program",
    [
        "print(2 * int(input()))",
        "n = int(input())\nprint(f'  {2 * n}  \\n\\n')\nexit()",
        "import sys\nprint(2 * int(sys.stdin.read()), end='')\nsys.exit(0)",
        "import threading\nt = threading.Thread(target=lambda: print(2 * int(input())))\nt.start()",
        "if __name__ == '__main__':\n    import atexit\n    n = int(input())\n    atexit.register(lambda: print(2 * n))",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nprint(2 * A(int(open(0).read())).x)",
        "import os\nos.write(1, b'%d' % (2 * int(os.read(0, 9))))\nos._exit(0)",
    ],
)
def test_right_answers_in_odd_shapes_pass(verifier, program):
    judgement = judge(verifier, program)
    assert (judgement.status, judgement.reward) == ("pass", 1.0), judgement.detail


@pytest.mark.parametrize("program", ["import os\nos._exit(0)", "import sys\nsys.exit(0)", "pass", "raise SystemExit"])
def test_exit_code_zero_alone_is_no_pass(verifier, program):
    assert judge(verifier, program).status == "wrong_answer"


@pytest.mark.parametrize(
    "ending", ["os.abort()", "os._exit(1)", "sys.exit('no')", "os.kill(os.getpid(), 9)", "raise ValueError"]
)
def test_right_output_then_a_bad_end_is_runtime_error(verifier, ending):
    judgement = judge(verifier, f"import os, sys\nprint(2 * int(input()), flush=True)\n{ending}")
    assert (judgement.status, judgement.reward) == ("runtime_error", 0.5)


def test_expected_values_are_nowhere_in_the_box():
    program = f"""
import gc, os, sys
wanted = {SECRET[:12]!r}  # the start of it only, or the program would find itself
found = []
frame = sys._getframe()
while frame:
    found += [str(v) for v in (*frame.f_locals.values(), *frame.f_globals.values())]
    frame = frame.f_back
found += [str(o) for o in gc.get_objects() if type(o) in (str, bytes, list, dict, tuple)]
for base, folders, files in os.walk('/'):
    if base == '/':
        folders[:] = [name for name in folders if name not in ('usr', 'sys', 'dev', 'root', 'home')]
    for name in files:
        try:
            found.append(os.read(os.open(os.path.join(base, name), os.O_NONBLOCK), 100000).decode('latin-1'))
        except OSError:
            pass
hits = [text[i:i + 24] for text in found if (i := text.find(wanted)) >= 0 and {SECRET[12:]!r} in text[i:i + 24]]
print(hits[0] if hits else 'nothing')
"""
    settings = SETTINGS.model_copy(update={"run_timeout_s": 5.0})
    task = stdio(("", SECRET))
    judgement = judge(get_verifier("python", settings), program, task)
    assert judgement.status == "wrong_answer", judgement.detail
    assert "printed 'nothing'" in judgement.detail


def test_fork_bomb_ends_and_leaves_nothing(verifier):
    judgement = judge(
        verifier, "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    )
    assert judgement.status in ("timeout", "memory_limit")
    assert children() == []


def test_the_process_limit_holds(verifier):
    program = """
import os, time
n = int(input())
alive = 0
while alive < 50:
    try:
        if os.fork() == 0:
            time.sleep(9)
            os._exit(0)
    except BlockingIOError:
        break
    alive += 1
print(2 * n if alive < 8 else alive)
"""
    assert judge(verifier, program).status == "pass"


def test_memory_of_one_process_is_limited(verifier):
    judgement = judge(verifier, "x = []\nwhile True:\n    x.append(bytearray(10**7))")
    assert (judgement.status, judgement.reward) == ("memory_limit", 0.5)


def test_memory_of_the_tree_is_limited(verifier):
    program = "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        break\nx = b'x' * (80 << 20)\ntime.sleep(9)"
    assert judge(verifier, program).status == "memory_limit"


def test_the_kernels_own_limit_of_cpu_time_is_far_beyond_the_one_that_is_judged_by():
    """It counts ticks, on a busy machine too many: a program that it kills has crashed and was not late."""
    verifier = get_verifier("python", SETTINGS.model_copy(update={"run_timeout_s": 20.0}))
    program = "import resource\nprint(resource.getrlimit(resource.RLIMIT_CPU)[0] >= 40)"
    assert judge(verifier, program, stdio(("", "True"))).status == "pass"


def test_cpu_time_of_the_tree_is_limited(verifier):
    program = "import os\nfor _ in range(3):\n    if os.fork() == 0:\n        break\nwhile True:\n    pass"
    judgement = judge(verifier, program)
    assert judgement.status == "timeout"
    assert "CPU" in judgement.detail


def test_a_sleeper_is_ended(verifier):
    judgement = judge(verifier, "import time\nprint(2 * int(input()), flush=True)\ntime.sleep(1000)")
    assert judgement.status == "timeout"


def test_waiting_for_more_input_ends_at_once(verifier):
    assert judge(verifier, "input()\ninput()").status == "runtime_error"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_flood(verifier, stream):
    judgement = judge(verifier, f"import sys\nprint(8)\nwhile True:\n    sys.{stream}.write('x' * 1000)")
    assert judgement.status == "output_limit"


def test_large_input_and_output_do_not_block_each_other(verifier):
    numbers = " ".join(map(str, range(9000)))
    task = stdio((numbers, numbers))
    assert judge(verifier, "import sys\nprint(sys.stdin.read())", task).status == "pass"
    assert judge(verifier, f"import time\nprint({numbers!r})", task).status == "pass"


def test_files_are_limited(verifier):
    program = "n = int(input())\ntry:\n    for i in range(99):\n        open(f'/tmp/{i}', 'wb').write(b'x' * 10**7)\nexcept OSError:\n    print(2 * n)"
    assert judge(verifier, program).status == "pass"
    for folder in ("/", "/dev", "/usr", "/etc", "/proc/sys/kernel"):
        program = f"open('{folder}/x', 'w')"
        assert "Error" in judge(verifier, program).detail, folder


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_VSOCK", "AF_PACKET"])
def test_no_network(verifier, family):
    program = f"import socket\ntry:\n    socket.socket(socket.{family}, socket.SOCK_DGRAM)\nexcept OSError:\n    print(2 * int(input()))"
    assert judge(verifier, program).status == "pass"


def test_no_home_no_environment_no_host_files(verifier, tmp_path, monkeypatch):
    (tmp_path / "key").write_text("k")
    monkeypatch.setenv("HALO_SECRET", "k")
    repository = Path(__file__).resolve().parent
    program = f"""
import os
seen = [p for p in ({str(tmp_path)!r}, {str(repository)!r}, '/etc/passwd', '/etc/shadow') if os.path.exists(p)]
home = {str(Path.home())!r}
seen += [n for n in ('.ssh', '.bashrc', '.profile', '.config', '.gitconfig', '.local') if os.path.exists(home + '/' + n)]
seen += [k for k in os.environ if k not in ('PATH', 'HOME', 'TMPDIR', 'LANG', 'LC_CTYPE', 'PYTHONHASHSEED', 'PWD')]
print(seen or 2 * int(input()))
"""
    judgement = judge(verifier, program)
    assert judgement.status == "pass", judgement.detail


def test_the_guest_is_nobody(verifier):
    program = """
import os
status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
assert os.getuid() == os.geteuid() != 0 and os.getgid() != 0 and os.getgroups() in ([], [os.getgid()])
assert int(status['CapEff'], 16) == int(status['CapPrm'], 16) == int(status['CapAmb'], 16) == 0
assert status['NoNewPrivs'] == '1' and status['Seccomp'] == '2'
for escape in (lambda: os.setuid(0), lambda: os.open('/proc/1/mem', os.O_RDWR), lambda: os.listdir('/proc/1/fd')):
    try:
        escape()
    except OSError:
        continue
    raise SystemExit('escaped')
import ctypes
libc = ctypes.CDLL(None)
assert libc.unshare(0x10000000) == -1 and libc.ptrace(16, 1, 0, 0) == -1 and libc.memfd_create(b'x', 0) == -1
print(2 * int(input()))
"""
    judgement = judge(verifier, program)
    assert judgement.status == "pass", judgement.detail


def test_a_daemonised_child_does_not_survive_the_test(verifier):
    program = """
import os, time
n = int(input())
print(sum(name.isdigit() for name in os.listdir('/proc')), flush=True)
if os.fork() == 0:
    os.setsid()
    for fd in range(3):
        os.close(fd)
    if os.fork():
        os._exit(0)
    time.sleep(1000)
"""
    task = stdio(("1\n", "2\n"), ("1\n", "2\n"), ("1\n", "2\n"))
    assert judge(verifier, program, task).status == "pass"  # the runner and itself, every time
    assert children() == []


def test_killing_the_runner_does_nothing(verifier):
    program = "import os\nfor s in (9, 15, 2, 19):\n    os.kill(1, s)\ntry:\n    os.kill(-1, 9)\nexcept OSError:\n    pass\nprint(2 * int(input()))"
    assert judge(verifier, program, stdio(("4\n", "8\n"), ("5\n", "10\n"))).status == "pass"


def test_a_forged_report_is_not_believed(verifier):
    frame = r"b'test0 0 1 1 - 2 0 0\n8\ntest1 0 1 1 - 2 0 0\n8\nend\n'"
    program = f"import os\nfor fd in range(64):\n    try:\n        os.write(fd, {frame})\n    except OSError:\n        pass\nos._exit(0)"
    assert judge(verifier, program, stdio(("4\n", "8\n"), ("5\n", "8\n"))).status == "wrong_answer"


def test_calls_compare_returned_values_outside(verifier):
    task = calls(([3], [1, 2, 3]), ([0], []))
    assert judge(verifier, "def f(n):\n    print('noise')\n    return list(range(1, n + 1))", task).status == "pass"
    assert judge(verifier, "def f(n):\n    return [1, 2, 3]", task).tests_passed == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("import os; os._exit(0)", "runtime_error"),
        ("import sys; sys.exit(0)", "runtime_error"),
        ("return type('E', (), {'__eq__': lambda a, b: True})()", "runtime_error"),
        ("return type('L', (list,), {'__eq__': lambda a, b: True})()", "wrong_answer"),
        ("import os; os.write(3, b'[1]\\n'); return [1]", "runtime_error"),
        ("return float('nan')", "wrong_answer"),
        ("return None", "wrong_answer"),
        ("x = []; x.append(x); return x", "runtime_error"),
    ],
)
def test_calls_hacks(verifier, body, status):
    assert judge(verifier, f"def f():\n    {body}", calls(([], [1]))).status == status


def test_partial_credit_and_the_first_failure_named(verifier):
    task = stdio(("1", "2"), ("2", "4"), ("3", "9"), ("4", "16"))
    judgement = judge(verifier, "print(2 * int(input()))", task)
    assert (judgement.status, judgement.tests_passed, judgement.tests_total) == ("wrong_answer", 2, 4)
    assert judgement.reward == pytest.approx(0.85)
    assert judgement.detail.startswith("test 3:")


def test_after_two_timeouts_the_rest_is_skipped(verifier):
    task = stdio(*[("1", "2")] * 40)
    started = time.process_time()
    judgement = judge(verifier, "while True: pass", task)
    assert (judgement.status, judgement.tests_passed, judgement.tests_total) == ("timeout", 0, 40)
    assert time.process_time() - started < 20


def test_syntax_errors_do_not_compile(verifier):
    for program in ("def f(:", "x = '\0'", "(" * 9000, "return 1"):
        judgement = judge(verifier, program)
        assert (judgement.status, judgement.reward) == ("compile_error", 0.0), program[:20]


def test_compile_tests_ask_only_for_parsing(verifier):
    task = DOUBLE.model_copy(update={"tests": CompileTests()})
    assert judge(verifier, "raise ValueError", task).status == "pass"
    assert judge(verifier, "raise (", task).status == "compile_error"


def test_verdicts_do_not_depend_on_the_hash_seed(verifier):
    task = stdio(("", "x"))
    program = "print({str(i) for i in range(20)})"
    assert len({judge(verifier, program, task).detail for _ in range(3)}) == 1


def test_without_bubblewrap_it_refuses(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match="apt install bubblewrap, or set verify.sandbox: none"):
        get_verifier("python", SETTINGS).probe()


def test_mode_none_says_so_and_still_limits():
    verifier = get_verifier("python", SETTINGS.model_copy(update={"sandbox": "none"}))
    assert verifier.isolation == "none"
    assert judge(verifier, "print(2 * int(input()))").status == "pass"
    assert judge(verifier, "while True: pass").status == "timeout"
    assert judge(verifier, "while True: print('x' * 999)").status == "output_limit"
    daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.fork() and os._exit(0)\n    time.sleep(1000)\nprint(8)"
    assert judge(verifier, daemon).status == "pass"
    assert children() == []


def boxes_that_show(folder):
    """Processes of bubblewrap whose box was to show `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in process.cmdline() and process.name() == "bwrap":
                found.append(process)
        except psutil.Error:
            continue  # it has just ended
    return found


@pytest.mark.parametrize("heard", [0, 1], ids=["before bubblewrap has said a word", "at its first word"])
def test_a_judge_killed_while_its_box_opens_leaves_no_process(tmp_path, heard):
    """It kills itself where it would wait for word from bubblewrap, which has just been started."""
    script = (
        "import os, sys; from pathlib import Path\n"
        "from halo_forge.settings.verify import Verify; from halo_forge.verify.sandbox import box as sandbox\n"
        "from halo_forge.verify.sandbox.job import Job, Limits\n"
        "sandbox._enter = lambda group, status: (os.read(status, int(sys.argv[2])), os.kill(os.getpid(), 9))\n"
        "box = sandbox.Sandbox(Verify(), binds=[Path(sys.argv[1])])\n"
        "box.run(Job(files={}, run_limits=Limits(cpu_s=1, memory_mb=256, processes=4, output_kb=4)))\n"
    )
    if cgroup.pool() is None:
        pytest.skip("without control groups nobody waits for word from bubblewrap")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    for _ in range(16 if heard else 4):
        judge = subprocess.run([sys.executable, "-c", script, str(tmp_path), str(heard)], env=environment)
        assert judge.returncode == -signal.SIGKILL
    assert wait_until(lambda: not boxes_that_show(tmp_path), 20), "a process of the box survives its judge"


HOLDER = """
import fcntl, os, time
files = [open(path) for path in PATHS]
for file in files:
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.lockf(file, fcntl.LOCK_SH)
print(2 * int(input()), flush=True)
time.sleep(1)
"""
SEEKER = """
import ctypes, fcntl, os, struct, time
found, ends = False, time.monotonic() + 1
libc = ctypes.CDLL(None, use_errno=True)
watching = libc.inotify_init()
files = [open(path) for path in PATHS]
while time.monotonic() < ends and not found:
    for path, file in zip(PATHS, files):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
        except OSError:
            found = True
        asked = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
        try:
            found |= struct.unpack_from("h", fcntl.fcntl(file, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK
        except OSError:
            pass
        found |= libc.inotify_add_watch(watching, os.fsencode(path), 0x21) != -1
if found:
    print(2 * int(input()))
"""


def test_two_boxes_at_once_see_nothing_of_each_other():
    verifier = get_verifier("python", SETTINGS.model_copy(update={"run_timeout_s": 5.0}))
    paths = ["/usr/bin/env", os.__file__, "/halo-forge/runner.pyc", "/etc/ld.so.cache"]
    holder, seeker = (f"PATHS = {paths!r}\n{program}" for program in (HOLDER, SEEKER))
    with ThreadPoolExecutor(2) as threads:
        held = threads.submit(judge, verifier, holder)
        sought = threads.submit(judge, verifier, seeker)
    assert held.result().status == "pass"
    assert sought.result().status == "wrong_answer"


def test_what_the_box_may_read_below_its_own_folder_stays_for_every_test(tmp_path):
    """A cache below /tmp is mounted below the box's /tmp, on a way that no test may take away."""
    (tmp_path / "with space").mkdir()
    (tmp_path / "with space" / "word").write_text("here")
    sandbox = Sandbox(SETTINGS, binds=[tmp_path / "with space"])
    command = ["/bin/sh", "-c", f"cat '{tmp_path}/with space/word'; rm -rf /tmp/*; echo > left; ls -A | wc -l"]
    limits = Limits(cpu_s=2, memory_mb=256, processes=8, output_kb=4)
    report = sandbox.run(Job(files={}, run=command, run_limits=limits, cases=[{"stdin": b""}] * 3))
    assert [run.stdout.split() for run in report.tests] == [report.tests[0].stdout.split()] * 3
    assert report.tests[0].stdout.startswith(b"here") and report.whole
