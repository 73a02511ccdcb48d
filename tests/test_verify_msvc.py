"""The verifier msvc against a real OpenSSH server, with a stand-in for Windows and its compiler behind it.

Real here: ssh, sftp, host keys, logins, batches, streaming, timeouts, reconnecting, cleaning up, decoding, grading.
Not here: Windows, cl, the batch file and the runner that are sent there (test_verify_msvc_wine.py has those).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import asyncssh
import psutil
import pytest
from conftest import wait_until
from remote_host import (
    IO,
    RIGHT,
    SETTINGS,
    Server,
    Standin,
    in_background,
    judge,
    judge_all,
    program,
    task,
)

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.verify.remote import hostkeys, ssh
from halo_forge.verify.windows.msvc import Msvc, MsvcVerifier

pytestmark = pytest.mark.needs("sshd")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("sshd"))
    yield server
    ended = wait_until(lambda: not server.drivers())
    server.kill()
    assert ended, "a driver was left running"


@pytest.fixture
def standin():
    return Standin()


@pytest.fixture
def connect(server, standin, monkeypatch):
    """connect(**settings) -> a verifier of the server, closed at the end."""
    monkeypatch.setattr(ssh, "FIRST_PAUSE_S", 0.05)
    made = []

    def connect(**settings) -> MsvcVerifier:
        given = {"host": "127.0.0.1", "port": server.port, "user": server.user, "ssh_key": str(server.key)}
        given |= {
            "host_key": server.fingerprint,
            "folder": str(server.work),
            "connect_tries": 3,
            "connect_timeout_s": 60.0,
        }
        made.append(MsvcVerifier(SETTINGS, Msvc(**given | settings), standin))
        return made[-1]

    yield connect
    for verifier in made:
        verifier.close()


@pytest.mark.parametrize(
    ("body", "status", "reward", "detail"),
    [
        (RIGHT, "pass", 1.0, ""),
        ('printf("8");', "wrong_answer", 0.85, "test 2: expected '10', printed '8'"),
        ("undeclared = 1;", "compile_error", 0.0, "undeclared"),
        ("int unused; " + RIGHT, "pass", 1.0, "unused"),
        ("int unused; return 3;", "runtime_error", 0.3, "exit code 3"),
        ("for (volatile int i = 0;; i++) {}", "timeout", 0.5, "CPU time"),
        ("volatile int *p = 0; *p = n;", "runtime_error", 0.5, "access violation"),
        ('for (;;) puts("flood");', "output_limit", 0.5, "wrote more"),
    ],
)
def test_verdicts_cross_the_wire(connect, server, body, status, reward, detail):
    judgement = judge(connect(), program(body))
    assert (judgement.status, judgement.reward) == (status, reward), judgement.detail
    assert detail in judgement.detail
    assert wait_until(lambda: not server.batches())


@pytest.mark.slow
def test_a_sleeper_is_stopped_and_its_children_with_it(connect, server):
    code = program("fork(); sleep(600);", IO + "#include <unistd.h>\n")
    judgement = judge(connect(), code, task(("4", "8")))  # one case: each is waited for
    assert (judgement.status, "still waiting" in judgement.detail) == ("timeout", True)
    assert wait_until(lambda: not server.batches())
    assert wait_until(lambda: not server.drivers())


def test_c_is_compiled_as_c_and_compiling_needs_no_main(connect):
    verifier = connect()
    assert (
        judge(verifier, program('int new = n; printf("%d", 2 * new);'), task(("4", "8"), language="c")).status == "pass"
    )
    assert judge(verifier, "int f(void) { return 1; }", task()).status == "pass"
    assert judge(verifier, "int f(void) { return }", task()).status == "compile_error"


def test_the_echo_of_the_source_name_is_no_warning(connect):
    assert judge(connect(), program("return 3;")).reward == SETTINGS.rewards.compiles


def test_compiler_words_in_a_code_page_are_read(connect, standin):
    standin.modes = ["codepage"]
    judgement = judge(connect(), program("#error na\u00efve \u00e9t\u00e9\n"))
    assert judgement.status == "compile_error"
    assert "na\u00efve \u00e9t\u00e9" in judgement.detail


def test_many_threads_share_one_connection_and_few_drivers(connect, server, standin):
    before, verifier = server.logins(), connect()
    codes = [program(f'printf("%d", {k} * n);') for k in range(12)]
    statuses = [judgement.status for judgement in judge_all(verifier, codes)]
    assert statuses == ["pass" if k == 2 else "wrong_answer" for k in range(12)]
    assert server.logins() == before + 1
    assert len(standin.sent) < 6


def test_expected_outputs_are_never_sent(connect, standin):
    secret = "8675309"
    judgement = judge(connect(), program(f'printf("%d", {secret[:4]} * 1000 + n);'), task((secret[4:], secret)))
    assert judgement.status == "pass"
    assert standin.sent and not any(secret.encode() in data for data in standin.sent)
    assert b"printf" in standin.sent[0]


def test_an_unknown_host_is_refused_with_its_fingerprint_and_the_cure(connect, server, standin, tmp_path):
    verifier = connect(host_key=None, known_hosts=str(tmp_path / "none"))
    with pytest.raises(InfrastructureError) as error:
        verifier.probe()
    assert server.fingerprint in str(error.value) and "not a known host" in str(error.value)
    assert f"halo-forge verify trust --host 127.0.0.1 --port {server.port}" in str(error.value)
    assert f"verify.msvc.host_key: {server.fingerprint}" in str(error.value)
    assert not standin.sent and not (tmp_path / "none").exists()


def test_a_known_host_is_let_in(connect, server, standin, tmp_path):
    (tmp_path / "known").write_text(server.known)
    before, verifier = server.logins(), connect(host_key=None, known_hosts=str(tmp_path / "known"))
    verifier.probe()
    assert verifier.compiler == "Stand-in Compiler Version 19.0"
    assert server.logins() == before + 1 and len(standin.sent) == 1
    assert (tmp_path / "known").read_text() == server.known


def test_a_changed_host_key_is_refused(connect, server, tmp_path):
    other = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {other.export_public_key().decode()}")
    for settings in ({"host_key": None, "known_hosts": str(tmp_path / "known")}, {"host_key": other.get_fingerprint()}):
        with pytest.raises(InfrastructureError, match="CHANGED") as error:
            connect(**settings).probe()
        assert server.fingerprint in str(error.value) and other.get_fingerprint() in str(error.value)


def test_a_pinned_key_of_another_kind_is_not_replaced(connect, server, tmp_path):
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {other.export_public_key().decode()}")
    with pytest.raises(InfrastructureError, match="CHANGED"):
        connect(host_key=None, known_hosts=str(tmp_path / "known")).probe()


def test_trusting_a_host_asks_once_and_only_then_writes(server, tmp_path):
    known = tmp_path / "ssh" / "known"
    host = hostkeys.Host(host="127.0.0.1", user="x", port=server.port, known_hosts=str(known))
    asked = []
    with pytest.raises(InputError, match="not confirmed"):
        hostkeys.trust(host, lambda key: asked.append(key.fingerprint))
    assert not known.exists()
    hostkeys.trust(host, lambda key: key.fingerprint == server.fingerprint)
    hostkeys.trust(host, lambda key: pytest.fail("it is known"))
    assert asked == [server.fingerprint]
    assert len(known.read_text().splitlines()) == 1


@pytest.mark.parametrize("wrong", ["user", "key", "missing key", "no key"])
def test_a_refused_login_names_the_cure(connect, tmp_path, wrong):
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "key")
    (tmp_path / "text").write_text("not a key")
    settings = {
        "user": {"user": "nobody-here"},
        "key": {"ssh_key": str(tmp_path / "key")},
        "missing key": {"ssh_key": str(tmp_path / "absent")},
        "no key": {"ssh_key": str(tmp_path / "text")},
    }[wrong]
    with pytest.raises(InfrastructureError, match="authorized_keys" if wrong in ("user", "key") else "ssh_key"):
        connect(**settings).probe()


def slow_programs(count, mark=""):
    """Right programs that take their time, so that a kill falls into the middle of their batch."""
    body = "usleep(300000); " + RIGHT
    return [program(f"/* {k}{mark} */ " + body, IO + "#include <unistd.h>\n") for k in range(count)]


def test_a_server_killed_in_mid_batch_and_restarted_loses_no_verdict(connect, server, standin):
    verifier = connect(connect_tries=20)
    codes = [*slow_programs(6), program('printf("8");')]
    verdicts = in_background(judge_all, verifier, codes)
    assert wait_until(lambda: list(server.work.glob("batch-*/j*/main.exe")))
    server.kill()
    time.sleep(0.2)
    server.start()
    assert [judgement.status for judgement in verdicts.result(240)] == ["pass"] * 6 + ["wrong_answer"]
    assert wait_until(lambda: not server.batches())
    assert wait_until(lambda: not server.drivers())
    assert len(standin.sent) >= 2


def test_a_server_gone_for_good_is_given_up_after_bounded_tries(connect, server):
    verifier = connect(connect_tries=3)
    verdict = in_background(judge, verifier, slow_programs(1)[0])
    assert wait_until(lambda: list(server.work.glob("batch-*/j*/main.exe")))
    server.kill()
    try:
        with pytest.raises(InfrastructureError, match="cannot be reached .3 tries"):
            verdict.result(120)
        with pytest.raises(InfrastructureError, match="cannot be reached"):
            judge(verifier, program())  # at once: it was given up
    finally:
        server.start()


def test_a_close_whose_cancellation_was_lost_ends_after_the_batch(connect, monkeypatch):
    verifier = connect()

    async def deaf(batch):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        for one in batch:
            one.fail(InfrastructureError("its batch ended"))

    monkeypatch.setattr(verifier._sandbox, "_judge", deaf)
    verdict = in_background(judge, verifier, program())
    assert wait_until(lambda: verifier._sandbox._sent)
    in_background(verifier.close).result(30)
    with pytest.raises(InfrastructureError, match="its batch ended"):
        verdict.result(30)


def test_a_host_that_answers_nothing_is_given_up(connect):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(16)
        verifier = connect(port=deaf.getsockname()[1], connect_timeout_s=0.3, connect_tries=2)
        with pytest.raises(InfrastructureError, match="cannot be reached .2 tries"):
            verifier.probe()


def test_a_killed_driver_is_started_again_and_leaves_nothing(connect, server, standin):
    standin.modes = ["die"]
    assert judge(connect(), program()).status == "pass"
    assert len(standin.sent) == 2
    assert wait_until(lambda: not server.batches())
    assert wait_until(lambda: not server.drivers())


@pytest.mark.slow
def test_a_program_that_breaks_every_driver_takes_no_other_down(connect, server, standin):
    standin.modes = ["die"] * 3
    verifier = connect(batch_size=2)
    judgements = []
    threads = [
        threading.Thread(target=lambda code=code: judgements.append(_outcome(verifier, code)))
        for code in slow_programs(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    # Sent together twice, then each alone: one of them meets the third broken driver, the other a whole one.
    assert sorted(judgements) == ["broke off 3 times", "pass"]
    assert wait_until(lambda: not server.batches())


def _outcome(verifier, code):
    try:
        return judge(verifier, code).status
    except InfrastructureError as error:
        return "broke off 3 times" if "broke off 3 times" in str(error) else str(error)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["mute", "hang"])
def test_a_driver_that_hangs_is_an_infrastructure_error_and_is_killed(connect, server, standin, mode, monkeypatch):
    monkeypatch.setattr("halo_forge.verify.remote.sandbox.GRACE_S", 0.5)
    standin.modes = [mode]
    verifier = connect(start_timeout_s=15.0 if mode == "hang" else 3.0, silence_s=1.0)
    verdict = in_background(judge, verifier, program())
    assert wait_until(lambda: len(server.drivers()) > (mode == "hang"))
    running = server.drivers()
    with pytest.raises(InfrastructureError, match="said nothing"):
        verdict.result(120)
    assert wait_until(lambda: not any(p.is_running() and p.status() != "zombie" for p in running))
    assert wait_until(lambda: not server.batches())
    assert judge(connect(), program()).status == "pass"


@pytest.mark.parametrize(
    ("mode", "words"), [("refuse", "Visual Studio is not installed"), ("garbage", "cannot be read")]
)
def test_a_misconfigured_host_is_an_infrastructure_error_with_its_words(connect, server, standin, mode, words):
    standin.modes = [mode]
    with pytest.raises(InfrastructureError, match=words):
        judge(connect(), program())
    assert wait_until(lambda: not server.batches())


def test_a_folder_that_cannot_be_written_is_an_infrastructure_error(connect, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match="choose another remote folder"):
        judge(connect(folder=str(tmp_path / "file")), program())


@pytest.mark.slow
def test_a_driver_whose_judge_has_died_ends_and_cleans_up(server, connect):
    """The judge's side is cut off without a word, as by a kill -9 of it."""
    verifier = connect()
    verdict = in_background(judge, verifier, program("usleep(3000000);", IO + "#include <unistd.h>\n"))
    assert wait_until(lambda: list(server.work.glob("batch-*/j*/main.exe")))
    connection = verifier._sandbox._connection
    verifier._sandbox._loop.call_soon_threadsafe(connection._ssh.abort)
    assert wait_until(lambda: len(server.batches()) <= 1 and verdict.done(), 120)
    assert wait_until(lambda: not server.batches() and not server.drivers())


def test_old_leftovers_are_removed_and_younger_ones_are_not(connect, server):
    old, young, foreign = (
        server.work / name for name in ("batch-1000-00aa00aa00aa", f"batch-{int(time.time())}-00aa00aa00aa", "other")
    )
    for folder in (old, young, foreign):
        (folder / "j0").mkdir(parents=True)
        (folder / "j0" / "main.exe").write_text("x")
    judge(connect(), program())
    assert [folder.exists() for folder in (old, young, foreign)] == [False, True, True]
    young.joinpath("j0", "main.exe").unlink()
    young.joinpath("j0").rmdir()
    young.rmdir()


def test_closing_lets_nobody_wait(connect, standin, monkeypatch):
    monkeypatch.setattr("halo_forge.verify.remote.sandbox.GRACE_S", 0.5)
    standin.modes = ["mute"]
    verifier = connect()
    verdict = in_background(judge, verifier, program())
    assert wait_until(lambda: standin.sent)
    verifier.close()
    with pytest.raises(InfrastructureError, match="closed"):
        verdict.result(60)
    assert judge(verifier, program()).status == "pass"


def test_the_probe_names_what_the_host_does_wrong(connect, monkeypatch):
    connect().probe()
    monkeypatch.setattr(Standin, "command", lambda self, tools, batch: "exit 9")
    with pytest.raises(InfrastructureError, match="did not start: exit code 9"):
        connect().probe()


def test_a_known_hosts_file_that_cannot_be_read_is_named(connect, tmp_path):
    (tmp_path / "known").write_text("@nonsense host ssh-ed25519 AAAA\n")
    with pytest.raises(InfrastructureError, match="known: cannot be read as known_hosts"):
        connect(host_key=None, known_hosts=str(tmp_path / "known")).probe()


@pytest.mark.slow
def test_many_verdicts_leave_no_descriptor_and_no_thread_behind(connect, server):
    verifier, me = connect(), psutil.Process()
    judge(verifier, program())
    assert wait_until(lambda: not server.batches())
    before = me.num_fds(), threading.active_count()
    for number in range(8):
        assert judge(verifier, program(f'printf("%d", {number});')).status == "wrong_answer"
    assert wait_until(lambda: not server.batches())
    assert (me.num_fds(), threading.active_count()) == before
