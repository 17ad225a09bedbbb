"""The other side of the sandbox: a warm process that forks one child for each document.

It is started by :mod:`bindery.documents.sandbox` with an empty environment, imports the readers
once and then only forks, which takes milliseconds where starting Python and importing takes a
quarter of a second. It has one thread, so forking is safe; it never looks at a document itself.
"""

import contextlib
import gc
import os
import signal
import socket
import struct
import sys

from bindery.documents.readers import READERS
from bindery.documents.reading import read
from bindery.documents.wire import Limits, pack_document, pack_error, unpack_request
from bindery.errors import BinderyError

COMMAND = struct.Struct("!cq")
"""A command and a process id (0 with START)."""

REPLY = struct.Struct("!q")
START, END = b"S", b"E"
UNKNOWN = 1 << 32
"""The reply to END for a process that is not a child of this one."""

_CHILD_FAILED = 1


def serve(channel: socket.socket) -> None:
    """Obey commands until the other side is gone, then end the children that are left.

    START comes with a connected socket, forks a child that answers on it and replies its id.
    END kills that child, if it still runs, and replies how it ended (below 0: by that signal).
    Only this process reaps its children, so an id stays theirs until END, and END hits no other.
    """
    for reader in READERS.values():
        reader.load()
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


def answer(packed: bytes) -> bytes:
    """Parse the document of a packed request within its limits and pack the outcome."""
    request = unpack_request(packed)
    confine(request.limits)
    try:
        return pack_document(read(request.data, request.name))
    except BinderyError as error:
        return pack_error(error)


def confine(limits: Limits) -> None:
    """Limit this process, for good: memory, processor time, files, no writing, no core."""
    try:
        import resource  # Windows has none
    except ImportError:
        return
    for what, limit in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),  # a reader may still import a codec and look for fonts
        (getattr(resource, "RLIMIT_NPROC", None), 0),
    ):
        # macOS refuses some of them; the clock that the asker watches holds everywhere.
        with contextlib.suppress(ValueError, OSError):
            if what is not None:
                # At the soft limit of time comes SIGXCPU, which says why; one second on, SIGKILL.
                hard = limit + 1 if what == resource.RLIMIT_CPU else limit
                resource.setrlimit(what, (limit, hard))


def _fork(connection: int) -> int:
    child = os.fork()
    if child:
        os.close(connection)
        return child
    # Nothing may return from here into the parent's loop, whatever is raised.
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):  # 0 is the channel, which is not for children
            os.dup2(null, standard)
        os.close(null)
        os.environ.clear()
        asker = socket.socket(fileno=connection)
        with asker.makefile("rb") as received:
            packed = received.read()
        asker.sendall(answer(packed))
        # The socket stays open until the very end: the asker takes its closing for the end.
        os._exit(0)
    finally:
        os._exit(_CHILD_FAILED)


def _end(child: int) -> int:
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def main(mode: str) -> None:
    """Run as ``serve`` (the channel is file 0) or as ``once`` (request in 0, answer in 1)."""
    if mode == "serve":
        with socket.socket(fileno=0) as channel:
            serve(channel)
        return
    answers = os.dup(1)
    os.dup2(2, 1)  # a native library that prints must not print into the answer
    with os.fdopen(answers, "wb") as out:
        out.write(answer(sys.stdin.buffer.read()))
