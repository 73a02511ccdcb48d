"""What is sent to a Windows host, run by Wine behind a real OpenSSH server: the batch file and the runner.

Real here: driver.cmd, the runner and its job objects, restricted tokens and pipes as Wine has them; ssh and all of the
judge's side. Stand-ins: Windows itself, vswhere, vcvars64 and cl (a cross compiler does its work).
Not shown here, since Wine counts neither: limits of memory, of processes and of CPU time (wall time ends a loop).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import wait_until
from remote_host import IO, RIGHT, SETTINGS, Server, in_background, judge, judge_all, program, task

from halo_forge.errors import InfrastructureError
from halo_forge.verify.windows.msvc import Msvc, MsvcVerifier
from halo_forge.verify.windows.platform import WindowsPlatform

WINE = shutil.which("wine64", path=os.environ.get("PATH", "") + ":/usr/lib/wine")
MINGW = "x86_64-w64-mingw32-g++"
STANDIN = Path(__file__).with_name("windows_standin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("sshd", "wine", "mingw"),
]


class WinePlatform(WindowsPlatform):
    """Windows commands under Wine, whose drive Z: is the root of this machine."""

    def __init__(self, prefix: Path, visual_studio: str = "newest"):
        super().__init__(visual_studio)
        self.start = (
            f"WINEPREFIX={prefix} WINEDEBUG=-all WINEDLLOVERRIDES=winedbg.exe= exec {WINE}"  # no debugger at a crash
        )

    def command(self, tools: str, batch: str) -> str:
        return f"{self.start} {shlex.join(super().command('Z:' + tools, 'Z:' + batch).split())}"

    def stop(self, tools: str, batch: str) -> str:
        raise AssertionError("a driver did not end by itself")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """A drive C: with a Visual Studio of stand-ins."""
    root = tmp_path_factory.mktemp("wine")
    prefix, tools = root / "prefix", root / "bin"
    environment = {**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all"}
    subprocess.run([WINE, "cmd.exe", "/c", "exit"], env=environment, check=True, timeout=300)
    installer = prefix / "drive_c/Program Files (x86)/Microsoft Visual Studio/Installer"
    build = root / "Visual Studio/VC/Auxiliary/Build"
    for folder in (installer, build, tools):
        folder.mkdir(parents=True)
    for source, target in (("vswhere.cpp", installer / "vswhere.exe"), ("cl.cpp", tools / "cl.exe")):
        subprocess.run([MINGW, "-static", "-O1", str(STANDIN / source), "-o", str(target)], check=True)
    shutil.copy(STANDIN / "cl.sh", tools)
    windows = {path: "Z:" + str(path).replace("/", "\\") for path in (root / "Visual Studio", tools)}
    (installer / "studio.txt").write_text(windows[root / "Visual Studio"])
    (build / "vcvars64.bat").write_bytes(
        f'@echo off\r\necho noise\r\nset "PATH={windows[tools]};%PATH%"\r\nset "INCLUDE=C:\\x & (y)"\r\n'.encode()
    )
    yield prefix
    subprocess.run([str(Path(WINE).with_name("wineserver")), "-k"], env=environment, timeout=60)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("sshd"))
    yield server
    server.kill()


@pytest.fixture
def connect(server, prefix):
    made = []

    def connect(visual_studio="newest", **settings):
        given = {"host": "127.0.0.1", "port": server.port, "user": server.user, "ssh_key": str(server.key)}
        given |= {"host_key": server.fingerprint, "folder": str(server.work), "connect_timeout_s": 60.0}
        made.append(MsvcVerifier(SETTINGS, Msvc(**given | settings), WinePlatform(prefix, visual_studio)))
        return made[-1]

    yield connect
    for verifier in made:
        verifier.close()


def test_the_probe_finds_the_compiler_and_builds_the_runner_once(connect, server):
    verifier = connect()
    verifier.probe()
    assert verifier.compiler == "Stand-in Compiler Version 19.0"
    built = [path.stat().st_mtime for path in server.work.glob("tools-*/runner.exe")]
    connect("2022").probe()
    assert [path.stat().st_mtime for path in server.work.glob("tools-*/runner.exe")] == built and len(built) == 1
    assert not list(server.work.glob("tools-*/runner-*"))


@pytest.mark.parametrize("low_integrity", [True, False])
@pytest.mark.parametrize(
    ("body", "status", "reward", "detail"),
    [
        (RIGHT, "pass", 1.0, ""),
        ('printf("8");', "wrong_answer", 0.85, "test 2: expected '10', printed '8'"),
        ("undeclared = 1;", "compile_error", 0.0, "main.cpp:2:"),
        ("int unused; return 3;", "runtime_error", 0.3, "exit code 3"),
        ("for (volatile int i = 0;; i++) {}", "timeout", 0.5, ""),
        ("volatile int *p = 0; *p = n;", "runtime_error", 0.5, "0xc0000005: access violation"),
        ('for (;;) puts("flood");', "output_limit", 0.5, "wrote more"),
    ],
)
def test_the_ladder_on_real_programs(connect, server, low_integrity, body, status, reward, detail):
    judgement = judge(connect(low_integrity=low_integrity), program(body))
    assert (judgement.status, judgement.reward) == (status, reward), judgement.detail
    assert detail in judgement.detail
    assert wait_until(lambda: not server.batches())


def test_c_and_compile_only(connect):
    verifier = connect()
    code = program('int new = n; printf("%d", 2 * new);')
    assert judge(verifier, code, task(("4", "8"), language="c")).status == "pass"
    assert judge(verifier, code).status == "compile_error"
    assert judge(verifier, "int f(void) { return 1; }", task()).status == "pass"


def test_what_a_program_starts_is_killed_with_it(connect, server):
    """It starts itself again and ends, so only the job object still knows the second one."""
    top = IO + "#include <windows.h>\n"
    again = (
        'if (n == 5) { printf("10"); return 0; } char own[300], line[400]; GetModuleFileNameA(0, own, 300); '
        'sprintf(line, "\\"%s\\" stay", own); STARTUPINFOA s = {}; s.cb = sizeof s; PROCESS_INFORMATION p; '
        'if (__argc > 1) Sleep(600000); if (CreateProcessA(0, line, 0, 0, FALSE, 0, 0, 0, &s, &p)) printf("8"); return 0;'
    )
    code = f'{top}#include <stdlib.h>\nint main() {{ if (__argc > 1) Sleep(600000); int n; scanf("%d", &n); {again} }}'
    assert judge(connect(), code).status == "pass"
    assert wait_until(lambda: not [p for p in server.drivers() if "main.exe" in " ".join(p.cmdline())])


def test_a_program_sees_neither_the_environment_nor_the_input_file(connect):
    body = 'printf("%d%d", getenv("PATH") && !strstr(getenv("PATH"), "bin"), getenv("INCLUDE") || getenv("USERNAME"));'
    code = program(body, IO + "#include <stdlib.h>\n#include <string.h>\n")
    assert judge(connect(), code, task(("1", "10"))).status == "pass"


def test_a_test_finds_nothing_of_the_one_before(connect, server):
    """The second prints the right answer only if the first could leave it a word."""
    body = (
        'if (n == 4) { FILE *f = fopen("word.txt", "w"); if (f) fclose(f); rename("main.exe", "renamed.exe"); } '
        'else if (!fopen("word.txt", "r") && !fopen("renamed.exe", "r")) n = 0; printf("%d", 2 * n);'
    )
    judgement = judge(connect(low_integrity=False), program(body))
    assert (judgement.status, judgement.tests_passed) == ("wrong_answer", 1), judgement.detail
    assert wait_until(lambda: not server.batches())


def test_a_batch_runs_side_by_side_and_keeps_apart(connect, server):
    codes = [program(f'printf("%d", {k} * n);') for k in range(8)]
    statuses = [judgement.status for judgement in judge_all(connect(programs_at_once=3), codes)]
    assert statuses == ["pass" if k == 2 else "wrong_answer" for k in range(8)]
    assert wait_until(lambda: not server.batches())


def test_inputs_with_every_byte_arrive_unchanged(connect):
    text = "".join(map(chr, range(1, 128))) * 700 + "é\n"
    code = (
        IO + "#include <fcntl.h>\n#include <io.h>\nint main() { _setmode(0, _O_BINARY); _setmode(1, _O_BINARY); "
        'unsigned sum = 0, c, n = 0; while ((int)(c = getchar()) != EOF) sum = sum * 31 + c, n++; printf("%u %u", n, sum); }'
    )
    data, total = text.encode(), 0
    for byte in data:
        total = (total * 31 + byte) % 2**32
    assert judge(connect(), code, task((text, f"{len(data)} {total}"))).status == "pass"


def test_a_driver_that_loses_its_judge_ends_its_programs_and_cleans_up(connect, server):
    verifier = connect()
    verdict = in_background(judge, verifier, program("Sleep(2500);" + RIGHT, IO + "#include <windows.h>\n"))
    assert wait_until(lambda: list(server.work.glob("batch-*/j*/main.exe")))
    connection = verifier._sandbox._connection
    verifier._sandbox._loop.call_soon_threadsafe(connection._ssh.abort)
    assert verdict.result(240).status == "pass"
    assert wait_until(lambda: not server.batches() and not server.drivers())


def test_a_host_without_the_wanted_visual_studio_says_so(connect, server):
    with pytest.raises(InfrastructureError, match=r"no Visual Studio \[16.0,17.0\) with C\+\+ compilers"):
        connect("2019").probe()
    assert wait_until(lambda: not server.batches())
