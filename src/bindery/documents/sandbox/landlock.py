"""Restricts a process to reading given folders (Landlock).

On newer kernels this also forbids TCP, abstract Unix sockets and signals to other processes.

https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

# System call numbers, the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""The number of file rights that each version knows; later versions know 16."""

_NETWORK_RIGHTS = 0b11  # to bind and to connect
_SCOPES = 0b11  # abstract Unix sockets, signals


def allow_reading_only(paths: Iterable[Path]) -> bool:
    """Let this thread and its children only read below ``paths``; returns whether that worked.

    Paths that do not exist are skipped. Files that are already open stay open. The process must
    have set ``PR_SET_NO_NEW_PRIVS`` before.
    """
    if sys.platform != "linux":
        return False
    call = ctypes.CDLL(None).syscall
    version = call(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    handled = struct.pack(
        "=QQQ",
        (1 << _FILE_RIGHTS.get(version, 16)) - 1,
        _NETWORK_RIGHTS if version >= 4 else 0,
        _SCOPES if version >= 6 else 0,
    )
    # An older kernel knows fewer fields, and accepts the others if they are zero.
    rules = call(_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    if rules < 0:
        return False
    try:
        for path in paths:
            _allow(call, rules, path)
        return call(_RESTRICT_SELF, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(call: Callable[..., int], rules: int, path: Path) -> None:
    try:
        found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # does not exist, so there is nothing to allow
    try:
        rights = _EXECUTE | _READ_FILE | (_READ_FOLDER if path.is_dir() else 0)
        call(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, found), 0)
    finally:
        os.close(found)
