"""The system calls a box may not make, as a BPF program for `bwrap --seccomp` (seccomp(2), x86-64 and AArch64).

An answer computes, reads and prints. What is refused are the doors that namespaces leave open: sockets other than
AF_UNIX (vsock knows no network namespace), new user namespaces, limits, priorities and cores of other processes (the
runner hands its own on to every test), tracing, keys, io_uring, BPF, mounting, what belongs to no process (memfd,
shared memory, semaphores and queues that have names), and watching files, which boxes share.

Locks on files are granted without being taken: a file of the host that cannot be written can be locked all the same,
and two boxes would see each other's lock. A program alone with its files does not notice.
"""

from __future__ import annotations

import errno
import functools
import platform
import struct

# Names with their numbers on x86-64 and on AArch64.
_DENIED = {
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "ptrace": (101, 117),
    "syslog": (103, 116),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "acct": (163, 89),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "mq_open": (240, 180),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "inotify_init1": (294, 26),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "finit_module": (313, 273),
    "memfd_create": (319, 279),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_getfd": (438, 438),
    "mount_setattr": (442, 442),
    "memfd_secret": (447, 447),
}
_CLONE, _CLONE3, _SOCKET, _PRLIMIT = (56, 220), (435, 435), (41, 198), (302, 261)
_FLOCK, _FCNTL, _SETPRIORITY, _IOPRIO_SET = (73, 32), (72, 25), (141, 140), (251, 30)
_SCHEDULING = ((142, 118), (144, 119), (203, 122), (314, 274))
"""sched_setparam, sched_setscheduler, sched_setaffinity, sched_setattr: the first argument is a process."""
_INOTIFY_INIT = 253
"""On x86-64 alone."""
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN = {"x86_64": 0, "aarch64": 1}
_X32 = 0x40000000
_CLONE_NEWUSER = 0x10000000
_AF_UNIX = 1
_SET_LOCK = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW and their siblings of open file descriptions."""
_ASK_OR_WATCH = (5, 36, 1024, 1026)
"""F_GETLK, its sibling, F_SETLEASE, F_NOTIFY."""
_RUNNER, _ANY_PROCESS, _IOPRIO_PROCESS = 1, 0, 1

_LOAD, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH, _FIRST, _SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data; of an argument, its lower half


def supported() -> bool:
    return platform.machine() in _AUDIT_ARCH


@functools.cache
def program() -> bytes:
    """The filter for this machine: an array of struct sock_filter."""
    machine = platform.machine()
    column = _COLUMN[machine]
    code = [
        _op(_LOAD, _ARCH),
        _op(_JUMP_EQ, _AUDIT_ARCH[machine], 1, 0),
        _op(_RETURN, _KILL),  # a 32-bit call, whose numbers mean other things
        _op(_LOAD, _NR),
        _op(_JUMP_GE, _X32, 0, 1),
        _op(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    for numbers in _DENIED.values():
        code += _on(numbers[column], _refuse(errno.EPERM))
    if machine == "x86_64":
        code += _on(_INOTIFY_INIT, _refuse(errno.EPERM))
    # Its flags lie in memory, out of a filter's sight; libc falls back to clone.
    code += _on(_CLONE3[column], _refuse(errno.ENOSYS))
    code += _on(_CLONE[column], [_op(_LOAD, _FIRST), _op(_JUMP_SET, _CLONE_NEWUSER, 0, 1), *_refuse(errno.EPERM)])
    # Limits of one's own, not of the runner, which has the same user.
    code += _on(_PRLIMIT[column], [_op(_LOAD, _FIRST), _op(_JUMP_EQ, 0, 1, 0), *_refuse(errno.EPERM)])
    code += _on(_SOCKET[column], [_op(_LOAD, _FIRST), _op(_JUMP_EQ, _AF_UNIX, 1, 0), *_refuse(errno.EACCES)])
    for numbers in _SCHEDULING:
        code += _on(numbers[column], [_op(_LOAD, _FIRST), _op(_JUMP_EQ, _RUNNER, 0, 1), *_refuse(errno.EPERM)])
    # Not of a group or of all processes of a user either, among whom the runner may be.
    for numbers, kind in ((_SETPRIORITY, _ANY_PROCESS), (_IOPRIO_SET, _IOPRIO_PROCESS)):
        own = [_op(_LOAD, _FIRST), _op(_JUMP_EQ, kind, 0, 2), _op(_LOAD, _SECOND), _op(_JUMP_EQ, _RUNNER, 0, 1)]
        code += _on(numbers[column], [*own, *_refuse(errno.EPERM)])
    granted = 0
    code += _on(_FLOCK[column], _refuse(granted))
    locking = [_op(_LOAD, _SECOND)]
    for command in _SET_LOCK:
        locking += _on(command, _refuse(granted))
    for command in _ASK_OR_WATCH:
        locking += _on(command, _refuse(errno.EINVAL))
    code += _on(_FCNTL[column], locking)
    code.append(_op(_RETURN, _ALLOW))
    return b"".join(code)


def _on(number: int, then: list[bytes]) -> list[bytes]:
    """`then` if what was loaded is `number`; allowed where `then` runs to its end."""
    return [_op(_JUMP_EQ, number, 0, len(then) + 1), *then, _op(_RETURN, _ALLOW)]


def _refuse(error: int) -> list[bytes]:
    return [_op(_RETURN, _ERRNO | error)]


def _op(code: int, k: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, k)
