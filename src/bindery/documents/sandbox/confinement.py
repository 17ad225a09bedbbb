"""Takes rights away from a process that reads hostile files, in independent layers.

The template calls :func:`enclose` once; its children inherit the restrictions. Each child then
calls :func:`confine`, after which it can only read and compute. Both report which layers are
active: outside Linux only the limits, and on Windows none.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from bindery.documents.readers import readers
from bindery.documents.sandbox.landlock import allow_reading_only
from bindery.documents.sandbox.protocol import SandboxLimits
from bindery.documents.sandbox.seccomp import filter_system_calls

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000

# Read by the loader and by libraries: shared objects, fonts, character maps, time zones.
_SYSTEM = (
    *("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share", "/lib", "/lib64"),
    *("/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/dev/null", "/dev/urandom"),
)
_MOST_FILES = 32
"""Files open at once: a reader may still import a codec and look for fonts."""

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def enclose() -> dict[str, bool]:
    """Give up privileges, the network and all files except installed programs, permanently."""
    if sys.platform != "linux":
        return dict.fromkeys(("privileges", "network", "files"), False)
    prctl = ctypes.CDLL(None).prctl
    return {
        "privileges": prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        # Other processes of the same user must not be able to read its memory.
        and prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0,
        "network": _leave_network(),
        "files": allow_reading_only(_readable()),
    }


def confine(limits: SandboxLimits) -> dict[str, bool]:
    """Limit memory, time, files, core dumps and system calls of this process, permanently."""
    return {"limits": _limit(limits), "system calls": filter_system_calls()}


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the one that forked it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the call


def _leave_network() -> bool:
    """Move to a network namespace without any interface, if the kernel allows it."""
    unshare = ctypes.CDLL(None).unshare
    # Root may do the second even if user namespaces are disabled.
    return any(unshare(flags) == 0 for flags in (_CLONE_NEWUSER | _CLONE_NEWNET, _CLONE_NEWNET))


def _readable() -> Iterator[Path]:
    """The folders of Python and its libraries, and the packages of readers.

    Other folders on ``sys.path`` are not included: they are often a home or a project folder.
    """
    yield from map(Path, _SYSTEM)
    for prefix in {sys.prefix, sys.base_prefix}:
        yield from (Path(prefix, folder) for folder in ("lib", "lib64"))
    yield from (Path(entry) for entry in sys.path if Path(entry).name in _INSTALLED)
    for package in {"bindery", *(r.function.partition(".")[0] for r in readers().values())}:
        yield from map(Path, getattr(sys.modules.get(package), "__path__", ()))


def _limit(limits: SandboxLimits) -> bool:
    try:
        import resource  # not on Windows
    except ImportError:
        return False
    for what, limit in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
        (getattr(resource, "RLIMIT_NPROC", None), 0),
    ):
        # macOS refuses some limits; the timeout of the client works everywhere.
        with contextlib.suppress(ValueError, OSError):
            if what is not None:
                # SIGXCPU at the soft limit tells why the process ended; one second later SIGKILL.
                hard = limit + 1 if what == resource.RLIMIT_CPU else limit
                resource.setrlimit(what, (limit, hard))
    return resource.getrlimit(resource.RLIMIT_AS)[0] == limits.memory_bytes
