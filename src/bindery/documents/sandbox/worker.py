"""The other side of the sandbox: a warm process that forks one child for each document.

It is started by :mod:`.sandbox` with an empty environment, imports readers and
grammars once and then only forks, which takes milliseconds where starting Python and importing
takes a quarter of a second. It has one thread, so forking is safe; it never looks at a document
itself.
"""

import gc
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping

from bindery.documents.programs import load_grammars, places
from bindery.documents.readers import readers
from bindery.documents.reading import read
from bindery.documents.sandbox.confinement import confine, enclose, end_with_parent
from bindery.documents.sandbox.protocol import (
    SandboxLimits,
    Task,
    pack_document,
    pack_error,
    pack_places,
    unpack_request,
)
from bindery.errors import BinderyError

COMMAND = struct.Struct("!cq")
"""A command and a process id (0 with START)."""

REPLY = struct.Struct("!q")
START, END = b"S", b"E"
UNKNOWN = 1 << 32
"""The reply to END for a process that is not a child of this one."""

_TASKS: Mapping[Task, Callable[[bytes, str], bytes]] = {
    Task.READ: lambda data, name: pack_document(read(data, name)),
    Task.DIVIDE: lambda data, name: pack_places(places(data, name)),
}
"""What a child does with the data and the name of a request."""

_CHILD_FAILED = 1

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Libraries of recognition (OCR) start threads as they are loaded, which a child may not."""
_NOWHERE, _ASKER = 1, 3
"""File numbers of a child: the null device, which the template has for output, and the asker."""

_MOST_INHERITED = 1024
"""Beyond the descriptors that importing has opened, if any, and the libraries' own."""


def serve(channel: socket.socket) -> None:
    """Obey commands until the other side is gone, then end the children that are left.

    START comes with a connected socket, forks a child that answers on it and replies its id.
    END kills that child, if it still runs, and replies how it ended (below 0: by that signal).
    Only this process reaps its children, so an id stays theirs until END, and END hits no other.
    """
    prepare()
    # A child lives for one document: looking for cycles in millions of blocks only costs time.
    gc.disable()
    children: set[int] = set()
    try:
        while True:
            message, descriptors, _, _ = socket.recv_fds(channel, COMMAND.size, 1)
            if len(message) < COMMAND.size:
                return
            command, child = COMMAND.unpack(message)
            if command == START:
                child = _fork(descriptors[0])
                children.add(child)
                channel.sendall(REPLY.pack(child))
            else:
                channel.sendall(REPLY.pack(_end(child) if child in children else UNKNOWN))
                children.discard(child)
    except ConnectionError:
        return  # the other side was killed
    finally:
        for child in children:
            _end(child)


def prepare() -> dict[str, bool]:
    """Import readers and grammars, then give up all else; says which layers hold."""
    for reader in readers().values():
        reader.load()
    load_grammars()
    return enclose()


def answer(packed: bytes) -> bytes:
    """Do what a packed request asks, within its limits, and pack the outcome."""
    request = unpack_request(packed)
    confine(request.limits)
    try:
        return _TASKS[request.task](request.data, request.name)
    except BinderyError as error:
        return pack_error(error)


def _fork(connection: int) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        os.close(connection)
        return child
    # Nothing may return from here into the parent's loop, whatever is raised.
    try:
        end_with_parent(parent)
        _keep_only(connection)
        os.environ.clear()
        os.environ.update(_ONE_THREAD)
        asker = socket.socket(fileno=_ASKER)
        with asker.makefile("rb") as received:
            packed = received.read()
        with open(_ASKER, "wb", closefd=False) as out:
            out.write(answer(packed))
        # The socket stays open until the very end: the asker takes its closing for the end.
        os._exit(0)
    finally:
        os._exit(_CHILD_FAILED)


def _keep_only(connection: int) -> None:
    """Close every file but one, which becomes number 3; standard ones lead nowhere."""
    for standard in (0, 2):  # the channel and the caller's errors are not for children
        os.dup2(_NOWHERE, standard)
    os.dup2(connection, _ASKER)
    os.closerange(_ASKER + 1, _MOST_INHERITED)


def _end(child: int) -> int:
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def main(mode: str) -> None:
    """Run as ``serve`` (the channel is file 0) or as ``once`` (request in 0, answer in 1).

    As ``layers`` it only confines itself, and writes to 1 which layers hold.
    """
    if mode == "serve":
        with socket.socket(fileno=0) as channel:
            serve(channel)
        return
    answers = os.dup(1)
    os.dup2(2, 1)  # a native library that prints must not print into the answer
    with os.fdopen(answers, "wb") as out:
        held = prepare()
        if mode == "layers":
            held |= confine(SandboxLimits(1 << 30, 10))
            out.write(json.dumps(held).encode())
        else:
            out.write(answer(sys.stdin.buffer.read()))
