"""A filter of system calls (seccomp-bpf) that allows little more than reading files.

It lists what is allowed, because the kernel gains calls every year; all others fail with EPERM.
The process cannot create a socket, start a program, process or thread, open a file for writing,
create, rename or remove one, or send a signal to another process.

https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

# Instructions of the classic BPF machine, https://docs.kernel.org/networking/filter.html
_LOAD, _AND, _EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000, 0x80000000

# Offsets in struct seccomp_data of the call's number, the architecture and the arguments.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | 0o20000000  # the last: O_TMPFILE

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""The kernel's number of the architecture, and its column in the table below."""

# Each call with its number on x86_64 and on aarch64, which lacks the oldest calls.
_ALLOWED: dict[str, tuple[int, int | None]] = {
    "read": (0, 63),
    "readv": (19, 65),
    "pread64": (17, 67),
    "write": (1, 64),  # only the socket for the answer is open for writing
    "writev": (20, 66),
    "lseek": (8, 62),
    "close": (3, 57),
    "dup": (32, 23),
    "fstat": (5, 80),
    "stat": (4, None),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "fadvise64": (221, 223),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "mincore": (27, 232),
    "brk": (12, 214),
    "futex": (202, 98),
    "membarrier": (324, 283),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getrusage": (98, 165),
    "getrlimit": (97, 163),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
}


@dataclass(frozen=True, slots=True)
class _Condition:
    """A call that is allowed if an argument, masked by ``mask``, is one of ``values``."""

    numbers: tuple[int, int | None]
    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    is_pointer: bool = False
    """Pointers have two words, and only the null pointer is allowed."""


def _conditions() -> tuple[_Condition, ...]:
    own = (os.getpid(),)  # abort() and raise() send a signal to the process itself
    return (
        _Condition((2, None), 1, (0,), mask=_WRITING),  # open
        _Condition((257, 56), 2, (0,), mask=_WRITING),  # openat
        _Condition((72, 25), 1, (0, 1, 2, 3, 1030)),  # fcntl: flags, and copies of a descriptor
        _Condition((302, 261), 2, (0,), is_pointer=True),  # prlimit64: asking, not setting
        _Condition((62, 129), 0, own),  # kill
        _Condition((234, 131), 0, own),  # tgkill
    )


# These fail as if they did not exist, so that the C library falls back to older calls.
_MISSING = {
    (16, 29): errno.ENOTTY,  # ioctl
    (435, 435): errno.ENOSYS,  # clone3
    (437, 437): errno.ENOSYS,  # openat2
}


def filter_system_calls() -> bool:
    """Filter the calls of this thread and its children, permanently; returns whether that worked.

    The process must have set ``PR_SET_NO_NEW_PRIVS`` before.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None or sys.maxsize < 1 << 32:
        return False
    program = b"".join(_program(*machine))
    code = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    return libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described, 0, 0) == 0


def _program(architecture: int, column: int) -> Iterator[bytes]:
    """The filter, from top to bottom: it compares with each call, and the last line refuses."""
    yield _step(_LOAD, _ARCHITECTURE)
    yield _step(_EQUAL, architecture, equal=1)
    yield _step(_RETURN, _KILL)  # a call of another architecture (32 bits on 64)
    yield _step(_LOAD, _NUMBER)
    for numbers in _ALLOWED.values():
        yield from _if_call(numbers[column], _step(_RETURN, _ALLOW))
    for numbers, code in _MISSING.items():
        yield from _if_call(numbers[column], _step(_RETURN, _FAIL | code))
    for condition in _conditions():
        yield from _if_call(condition.numbers[column], *_if_condition(condition))
    yield _step(_RETURN, _FAIL | errno.EPERM)


def _if_call(number: int | None, *steps: bytes) -> Iterator[bytes]:
    """Take the steps, which end with a verdict, if the call has this number."""
    if number is not None:
        yield _step(_EQUAL, number, unequal=len(steps))
        yield from steps


def _if_condition(condition: _Condition) -> Iterator[bytes]:
    """Allow the call if the condition holds, else refuse it."""
    offset = _ARGUMENTS + 8 * condition.argument
    if condition.is_pointer:
        yield _step(_LOAD, offset + 4)
        yield _step(_EQUAL, 0, equal=1)
        yield _step(_RETURN, _FAIL | errno.EPERM)
    yield _step(_LOAD, offset)
    yield _step(_AND, condition.mask)
    for value in condition.values:
        yield _step(_EQUAL, value, unequal=1)
        yield _step(_RETURN, _ALLOW)
    yield _step(_RETURN, _FAIL | errno.EPERM)


def _step(code: int, value: int, *, equal: int = 0, unequal: int = 0) -> bytes:
    """One instruction; a comparison skips ``equal`` or ``unequal`` of the following ones."""
    return struct.pack("=HBBI", code, equal, unequal, value)
