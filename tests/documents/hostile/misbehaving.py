"""A reader of another package that does what no reader should: what the file's first line names.

The sandbox's tests install it by an entry point, so that it runs where every reader does. What it
could do or not comes back as the text of a document, in JSON.
"""

# It does as a stranger's program may.
# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH123, PTH208, PTH211, SIM115

import contextlib
import ctypes
import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping

from bindery.documents import Reader
from bindery.types import Document

ROW = Reader(
    function="misbehaving:misbehave",
    media_types=("application/x-misbehaving",),
    extensions=(".misbehaving",),
    mark=r"\A#misbehave ",
)

_LEFT_OPEN = os.open(os.devnull, os.O_RDONLY)
"""As by a careless library, which opens files while it is imported."""

_ANSWER = 3
_ON_THIS_MACHINE = {"x86_64": 0, "aarch64": 1}


def misbehave(data: bytes, name: str) -> Document:
    """Do what the first line says, with the second one to do it to."""
    deed, _, rest = data.decode().removeprefix("#misbehave ").partition("\n")
    return Document(json.dumps(_DEEDS[deed](rest)), "text", name)


def _memory(_: str) -> None:
    held = []
    while True:
        held.append(bytearray(1 << 20))


def _processor(_: str) -> None:
    while True:
        pass


def _deaf(_: str) -> None:
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass


def _recursion(_: str) -> None:
    _recursion(_)


def _output(_: str) -> None:
    while True:
        os.write(_ANSWER, b"[" * (1 << 16))


def _mute(_: str) -> None:
    os.close(_ANSWER)
    time.sleep(1000)


def _lie(answer: str) -> None:
    os.write(_ANSWER, answer.encode())
    os._exit(0)


def _lie_and_crash(answer: str) -> None:
    os.write(_ANSWER, answer.encode())
    ctypes.string_at(8)


def _trickle(_: str) -> None:
    while True:
        os.write(_ANSWER, b" ")
        time.sleep(0.02)


def _descriptors(_: str) -> dict[int, str]:
    found = {}
    for number in range(1024):
        with contextlib.suppress(OSError):
            found[number] = "socket" if stat.S_ISSOCK(os.fstat(number).st_mode) else "device"
    return found


def _attempts(given: str) -> dict[str, str]:
    """Everything that is not for a reader; ``given`` has the folder, file and port to try it on."""
    return {name: _outcome(attempt, json.loads(given)) for name, attempt in _ATTEMPTS.items()}


def _outcome(attempt: Callable[[Mapping[str, str]], object], given: Mapping[str, str]) -> str:
    try:
        return f"done: {attempt(given)!r}"
    except OSError as error:
        return type(error).__name__
    except RuntimeError as error:  # what a thread raises that cannot start
        return type(error).__name__
    except ValueError as error:  # what setrlimit raises
        return f"ValueError {error}"


def _connect(given: Mapping[str, str]) -> None:
    socket.create_connection(("127.0.0.1", int(given["port"])), timeout=1)


def _fork(_: Mapping[str, str]) -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return child


def _raise_limits(_: Mapping[str, str]) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


def _call(x86_64: int, aarch64: int, *arguments: object) -> Callable[[Mapping[str, str]], int]:
    """A system call of which Python knows nothing; what fails raises."""

    def attempt(_: Mapping[str, str]) -> int:
        number = (x86_64, aarch64)[_ON_THIS_MACHINE[os.uname().machine]]
        result = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    return attempt


_ATTEMPTS: Mapping[str, Callable[[Mapping[str, str]], object]] = {
    "read a file of the user": lambda given: open(given["file"], "rb").read(),
    "list a folder of the user": lambda given: os.listdir(given["folder"]),
    "read the password file": lambda _: open("/etc/passwd", "rb").read(),
    "read its own environment": lambda _: open("/proc/self/environ", "rb").read(),
    "read the parent's memory": lambda _: open(f"/proc/{os.getppid()}/mem", "rb").read(),
    "write a file": lambda given: open(given["folder"] + "/new", "wb"),
    "write to a temporary folder": lambda _: open("/tmp/bindery-misbehaving", "wb"),
    "append to a file": lambda given: open(given["file"], "ab"),
    "truncate a file": lambda given: os.truncate(given["file"], 0),
    "remove a file": lambda given: os.unlink(given["file"]),
    "rename a file": lambda given: os.rename(given["file"], given["file"] + "2"),
    "link a file": lambda given: os.link(given["file"], given["folder"] + "/link"),
    "link by name": lambda given: os.symlink(given["file"], given["folder"] + "/link"),
    "make a folder": lambda given: os.mkdir(given["folder"] + "/folder"),
    "change a mode": lambda given: os.chmod(given["file"], 0o777),
    "change a time": lambda given: os.utime(given["file"]),
    "make a pipe by name": lambda given: os.mkfifo(given["folder"] + "/pipe"),
    "open a socket": lambda _: socket.socket(),
    "open a Unix socket": lambda _: socket.socket(socket.AF_UNIX),
    "open a pair of sockets": lambda _: socket.socketpair(),
    "connect": _connect,
    "look up a name": lambda _: socket.getaddrinfo("example.org", 80),
    "fork": _fork,
    "start a program": lambda _: subprocess.run(["/bin/true"]),
    "become a program": lambda _: os.execv("/bin/true", ["true"]),
    "start a thread": lambda _: threading.Thread(target=int).start(),
    "signal its parent": lambda _: os.kill(os.getppid(), 0),
    "signal all": lambda _: os.kill(-1, 0),
    "raise its limits": _raise_limits,
    "trace its parent": _call(101, 117, 16, os.getppid(), 0, 0),
    "read another's memory": _call(310, 270, os.getppid(), 0, 0, 0, 0, 0),
    "make a namespace": _call(272, 97, 0x10000000),
    "mount": _call(165, 40, b"x", b"/", b"tmpfs", 0, 0),
    "load a program into the kernel": _call(321, 280, 0, 0, 0),
    "queue calls": _call(425, 425, 1, 0),
    "watch performance": _call(298, 241, 0, 0, -1, -1, 0),
    "handle page faults": _call(323, 282, 0),
    "make a file of memory": _call(319, 279, b"x", 0),
    "read keys": _call(250, 219, 0, -3, 0),
    "be looked into again": _call(157, 167, 4, 1, 0, 0, 0),
    "open a socket as 32 bits": _call(0x40000029, 198, 2, 1, 0),
    "clone": _call(56, 220, 17, 0, 0, 0, 0),
    "clone in the new way": _call(435, 435, 0, 0),
}

_DEEDS: Mapping[str, Callable[[str], object]] = {
    "memory": _memory,
    "processor": _processor,
    "deaf": _deaf,
    "sleep": lambda _: time.sleep(1000),
    "recursion": _recursion,
    "output": _output,
    "long text": lambda _: "x" * 60_000_000,
    "trickle": _trickle,
    "mute": _mute,
    "lie": _lie,
    "lie and crash": _lie_and_crash,
    "crash": lambda _: ctypes.string_at(8),
    "abort": lambda _: os.abort(),
    "leave": lambda _: os._exit(0),
    "fail": lambda _: {}["missing"],
    "exit": lambda _: exit(3),
    "descriptors": _descriptors,
    "environment": lambda _: dict(os.environ),
    "attempts": _attempts,
}
