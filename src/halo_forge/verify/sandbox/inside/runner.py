"""Runs inside the sandbox: compiles one answer, runs it once a test, and reports what each run did.

Not imported by the judge: started as a file by `python -S`, standard library only, few imports. Each costs every
judgement: the packages ctypes and signal together as much as the interpreter's own start, for a few names. It knows
inputs only; what a test expects stays outside. stdin carries the job (marshal), stdout takes the
report: one frame a run,

    <step> <wait status> <cpu ms> <wall ms> <limit that stopped it or -> <length of out, err, value> LF <bytes>

Tests that call into the answer run in a second process, the referee, forked before the answer's; its result is a frame
`referee <length> LF <bytes>`.

A run's processes never hold the report pipe, and the runner is not dumpable, so they can neither read its memory
nor reach its descriptors through /proc. In a pid namespace it is process 1: signals from inside do not touch it, and
when it ends the kernel kills whatever is left. Without a namespace it adopts orphans (subreaper) and kills them. When
nobody is left to read the report, its judge is gone and it ends.
"""

import _ctypes
import _signal
import marshal
import os
import resource
import select
import sys
import time

TICK_MS = 25
REFEREE_S = 2.0
"""How long the referee may take to end after the answer has."""
CHUNK = 1 << 16
_CLOCK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36


class Guest(BaseException):
    """Raised in a forked child to unwind to the top of the file, where it turns into the answer's interpreter."""


def main():
    job = marshal.loads(_read_all(0))
    report = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    if job["uid"] is not None:
        os.setgroups([])
        os.setresgid(job["uid"], job["uid"], job["uid"])
        os.setresuid(job["uid"], job["uid"], job["uid"])
    address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")

    def prctl(option, value):
        _ctypes.call_function(address, (option, value))

    prctl(_PR_SET_DUMPABLE, 0)
    prctl(_PR_SET_PDEATHSIG, _signal.SIGKILL)
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    try:
        _work(job, report, prctl)
    except BrokenPipeError:
        _end_everything(None)  # the judge is gone
    except OSError as error:
        # No answer's code runs now, and nothing of it is alive: this is the machine's trouble.
        _send(report, ("trouble %s\n" % error).encode())


def _work(job, report, prctl):
    os.chdir(job["folder"])
    _send(report, b"ready\n")
    for name, data in job["files"].items():
        with open(name, "wb") as file:
            file.write(data)
    source = job["source"]
    if source is not None:
        import signal  # noqa: F401 - with enum, functools and collections, which answers need: once, not once a test
    if source is not None or job["compile"] is not None:
        start = job["compile"] if source is None else (source, None)
        wait_status, limit = run(report, "compile", start, b"", job["compile_limits"], prctl)
        if wait_status != 0 or limit != "-":
            return
    code = None if source is None else compile(source, "main.py", "exec", dont_inherit=True)
    if job["tests_fd"] is not None:
        _referee(job, report, code, prctl)
    timeouts = 0
    world = _world(job) if len(job["cases"]) > 1 else None
    for number, case in enumerate(job["cases"]):
        if number:
            world.restore()
        start = job["run"] if code is None else (code, case.get("call"))
        _, limit = run(report, "test%d" % number, start, case["stdin"], job["run_limits"], prctl)
        timeouts += limit in ("cpu", "wall")
        if timeouts >= job["max_timeouts"]:
            break
    _send(report, b"end\n")


def _world(job):
    """What each test begins with. The box's /dev/shm belongs to it; without a box that is everybody's."""
    sys.path.insert(0, os.path.dirname(sys.argv[0]))
    import world

    sys.path.pop(0)
    return world.World([job["folder"], *(["/dev/shm"] if os.getpid() == 1 else [])])


def _referee(job, report, code, prctl):
    """Fork the referee, then run the answer beside it until one of them ends; report both."""
    calls, replies, over, result = (os.pipe() for _ in range(4))
    pid = os.fork()
    if pid == 0:
        os.close(report)
        keep = (replies[0], calls[1], over[0], result[1])
        for fd in {*calls, *replies, *over, *result}.difference(keep):
            os.close(fd)
        _limit(job["run_limits"])
        raise Guest("referee", job["tests_fd"], *keep)
    for fd in (job["tests_fd"], replies[0], calls[1], over[0], result[1]):
        os.close(fd)
    data = bytearray()

    def finish():
        """Tell the referee that the answer is over, and take its result before everything is killed."""
        os.close(over[1])
        deadline = time.monotonic() + REFEREE_S
        while select.select([result[0]], (), (), max(0.0, deadline - time.monotonic()))[0]:
            part = os.read(result[0], CHUNK)
            if not part:
                break
            data.extend(part)

    run(report, "test0", (code, "serve"), b"", job["run_limits"], prctl, (replies[1], calls[0]), finish)
    os.close(result[0])
    _send(report, b"referee %d\n" % len(data) + data)


def run(report, step, start, stdin, limits, prctl, line=(), finish=None):
    """Run one process and all it starts to the end, report it, and leave nothing of it alive.

    `line`: descriptors that become 3 and 4 of the process instead of the value pipe. `finish` is called when it has
    ended or must end, before what is left is killed.
    """
    pipes = [os.pipe() for _ in range(4)]  # stdin, stdout, stderr, value
    started = time.monotonic()
    cpu_before = _reaped_cpu()
    pid = os.fork()
    if pid == 0:
        try:
            _become_guest(pipes, line, limits, prctl)
            if isinstance(start, list):
                _execute(start)
        except BaseException as error:  # noqa: BLE001 - a child must never go on as the runner
            os.write(2, ("cannot start %r: %r" % (start, error)).encode())
            os._exit(127)
        raise Guest("program", *start)
    for fd in line:
        os.close(fd)
    for mine, theirs in ((pipes[0][1], pipes[0][0]), *((r, w) for r, w in pipes[1:])):
        os.close(theirs)
        os.set_blocking(mine, False)
    kept, limit = _attend(report, pid, pipes[0][1], stdin, [r for r, _ in pipes[1:]], limits, started, cpu_before)
    if finish is not None:
        finish()
    wait_status = _end_everything(pid)
    cpu = _reaped_cpu() - cpu_before
    wall = time.monotonic() - started
    if limit == "-" and cpu > limits["cpu_s"]:
        limit = "cpu"
    for fd in kept:
        limit = _drain(fd, kept, limits) if limit == "-" else limit
        os.close(fd)
    out, err, value = (bytes(kept[r]) for r, _ in pipes[1:])
    head = "%s %d %d %d %s %d %d %d\n" % (
        step,
        wait_status,
        cpu * 1e3,
        wall * 1e3,
        limit,
        len(out),
        len(err),
        len(value),
    )
    _send(report, head.encode() + out + err + value)
    return wait_status, limit


def _become_guest(pipes, line, limits, prctl):
    os.setsid()
    mine = [pipes[0][0], pipes[1][1], pipes[2][1], *(line or [pipes[3][1]])]
    for target, fd in enumerate(mine):
        os.dup2(fd, target + 40)
    for target in range(len(mine)):
        os.dup2(target + 40, target, inheritable=target < 3)
    os.closerange(len(mine), 1024)
    prctl(_PR_SET_PDEATHSIG, _signal.SIGKILL)
    _limit(limits)
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT):
        _signal.signal(number, _signal.SIG_DFL)


def _execute(words):
    while "=" in words[0]:
        name, _, value = words[0].partition("=")
        os.environ[name] = value
        words = words[1:]
    os.execv(words[0], words)


def _limit(limits):
    # A backstop for the look at the tree, and a wide one: the kernel counts ticks here, on a busy machine up to a third
    # more than the process was given.
    cpu = 2 * int(limits["cpu_s"]) + 2
    for kind, value in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, limits["address_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_NPROC, limits["processes"] + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = hard if value == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _attend(report, pid, stdin_fd, stdin, outputs, limits, started, cpu_before):
    """Feed stdin, collect output and watch the limits of the whole tree until the process ends or must be ended.

    Raises BrokenPipeError once nobody reads the report.
    """
    kept = {fd: bytearray() for fd in outputs}
    poller = select.poll()
    pidfd = os.pidfd_open(pid)
    poller.register(pidfd, select.POLLIN)
    for fd in outputs:
        poller.register(fd, select.POLLIN)
    poller.register(stdin_fd, select.POLLOUT)
    poller.register(report, 0)
    view, limit, checked, feeding, seen = memoryview(stdin), "-", started, True, {}
    while limit == "-":
        events = dict(poller.poll(TICK_MS))
        if report in events:
            raise BrokenPipeError
        for fd in events:
            if fd == stdin_fd:
                view = _feed(fd, view)
                if not view:
                    poller.unregister(fd)
                    os.close(fd)
                    feeding = False
            elif fd in kept:
                data = os.read(fd, CHUNK)
                if not data:
                    poller.unregister(fd)
                limit = _keep(fd, data, kept, limits)
        now = time.monotonic()
        if pidfd in events:
            break
        if now - started > limits["wall_s"] and now - started - _starved(pid, limits) > limits["wall_s"]:
            limit = "wall"
        if now - checked > TICK_MS / 1e3:
            checked = now
            cpu, memory = _tree_usage(seen, _reaped_cpu() - cpu_before)
            if cpu > limits["cpu_s"]:
                limit = "cpu"
            elif memory > limits["memory_bytes"]:
                limit = "memory"
    if feeding:
        os.close(stdin_fd)
    os.close(pidfd)
    return kept, limit


def _feed(fd, view):
    try:
        return view[os.write(fd, view[:CHUNK]) :] if view else view
    except BlockingIOError:
        return view
    except BrokenPipeError:
        return view[:0]


def _keep(fd, data, kept, limits):
    room = limits["output_bytes"] - len(kept[fd])
    kept[fd] += data[: max(room, 0)]
    return "output" if len(data) > room else "-"


def _drain(fd, kept, limits):
    """What the dead left in the pipe."""
    while True:
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return "-"
        if not data:
            return "-"
        if _keep(fd, data, kept, limits) != "-":
            return "output"


def _end_everything(pid):
    """Kill and reap all that lives under this process; the wait status of `pid`."""
    wait_status = None
    while True:
        if os.getpid() == 1:
            try:
                os.kill(-1, _signal.SIGKILL)
            except ProcessLookupError:
                pass  # nobody left but zombies
        else:
            for other in _others():
                try:
                    os.kill(other, _signal.SIGKILL)
                except ProcessLookupError:
                    pass
        try:
            ended, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return wait_status
        if ended == pid:
            wait_status = status


def _others():
    """Process ids under this one: all of its pid namespace, or its descendants where there is none."""
    if os.getpid() == 1:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
    found, queue = [], [os.getpid()]
    while queue:
        pid = queue.pop()
        try:
            for thread in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/children" % (pid, thread)) as file:
                    children = [int(word) for word in file.read().split()]
                found += children
                queue += children
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return found


def _tree_usage(seen, reaped):
    """(CPU seconds of the tree, resident bytes of what lives of it).

    `reaped` seconds are known of those that have ended. The kernel forgets the time of a child that its parent ignores
    (SIGCHLD), so `seen` remembers what each process had used when it was last looked at.
    """
    ticks = pages = 0
    for pid in _others():
        try:
            with open("/proc/%d/stat" % pid, "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(int(word) for word in fields[11:15])
        pages += int(fields[21])
        seen[pid, fields[19]] = int(fields[11]) + int(fields[12])
    return max(ticks / _CLOCK + reaped, sum(seen.values()) / _CLOCK), pages * _PAGE


def _starved(pid, limits):
    """Seconds a process was ready to run but had no core: the machine's doing, so not held against it (to a bound)."""
    try:
        with open("/proc/%d/schedstat" % pid) as file:
            return min(int(file.read().split()[1]) / 1e9, limits["patience_s"])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has just ended, or the kernel does not count this


def _reaped_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _read_all(fd):
    parts = []
    while data := os.read(fd, CHUNK):
        parts.append(data)
    return b"".join(parts)


def _send(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


if __name__ == "__main__":
    child = ()
    try:
        main()
    except Guest as unwound:
        child = unwound.args
    if child:
        sys.path.insert(0, os.path.dirname(sys.argv[0]))
        if child[0] == "referee":
            import referee

            referee.main(*child[1:])
        else:
            import program

            sys.path.pop(0)
            program.become(*child[1:])
