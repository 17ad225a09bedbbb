"""The worker side of the sandbox: a warm template process that forks a child for each document.

:mod:`.client` starts it with an empty environment. It imports readers and grammars once and then
only forks, which takes milliseconds; starting Python and importing takes a quarter of a second. It
has one thread, so forking is safe, and it never looks at a document itself.
"""

import gc
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping

from bindery.documents.programs import division_points, load_grammars
from bindery.documents.readers import readers
from bindery.documents.reading import read
from bindery.documents.sandbox.confinement import confine, enclose, end_with_parent
from bindery.documents.sandbox.protocol import (
    Request,
    SandboxLimits,
    Task,
    pack_document,
    pack_error,
    pack_picture,
    pack_points,
    unpack_request,
)
from bindery.errors import BinderyError

COMMAND = struct.Struct("!cq")
"""A command and a process id (0 with START)."""

REPLY = struct.Struct("!q")
START, END = b"S", b"E"
UNKNOWN = 1 << 32
"""The reply to END for a process that is not a child of this one."""


def _draw(request: Request) -> bytes:
    from bindery.documents.formats.page_picture import draw_page  # loads PDFium, as its reader does

    return pack_picture(draw_page(request.data, request.name, request.page, request.width))


_TASKS: Mapping[Task, Callable[[Request], bytes]] = {
    Task.READ: lambda request: pack_document(read(request.data, request.name)),
    Task.DIVIDE: lambda request: pack_points(division_points(request.data, request.name)),
    Task.DRAW: _draw,
}
"""What a child does for a request."""

_CHILD_FAILED = 1

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""OCR libraries start threads when they are loaded, which a child must not."""
_NULL_DEVICE, _CLIENT = 1, 3
"""File descriptors of a child: the null device (the template's output), and the client."""

_MOST_INHERITED = 1024
"""Above any descriptor that importing a library may have opened."""


def serve(channel: socket.socket) -> None:
    """Obey commands until the client is gone, then end the remaining children.

    START comes with a connected socket; it forks a child that answers there, and replies its id.
    END kills that child if it still runs, and replies how it ended (below 0: the signal's number).
    Only this process reaps its children, so an id cannot be reused before END.
    """
    prepare()
    # A child lives for one document: collecting cycles among millions of blocks wastes time.
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
        return  # the client was killed
    finally:
        for child in children:
            _end(child)


def prepare() -> dict[str, bool]:
    """Import readers and grammars, then give up other rights; returns which layers are active."""
    for reader in readers().values():
        reader.load()
    load_grammars()
    return enclose()


def answer(packed: bytes) -> bytes:
    """Carry out a packed request within its limits, and pack the result."""
    request = unpack_request(packed)
    confine(request.limits)
    try:
        return _TASKS[request.task](request)
    except BinderyError as error:
        return pack_error(error)


def _fork(connection: int) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        os.close(connection)
        return child
    # The child must never return into the parent's loop, even if something raises.
    try:
        end_with_parent(parent)
        _keep_only(connection)
        os.environ.clear()
        os.environ.update(_ONE_THREAD)
        client = socket.socket(fileno=_CLIENT)
        with client.makefile("rb") as received:
            packed = received.read()
        with open(_CLIENT, "wb", closefd=False) as out:
            out.write(answer(packed))
        # The socket stays open until the very end, because the client waits for its closing.
        os._exit(0)
    finally:
        os._exit(_CHILD_FAILED)


def _keep_only(connection: int) -> None:
    """Close all files except one, which becomes number 3; standard files become the null device."""
    for standard in (0, 2):  # children must not reach the channel or the caller's standard error
        os.dup2(_NULL_DEVICE, standard)
    os.dup2(connection, _CLIENT)
    os.closerange(_CLIENT + 1, _MOST_INHERITED)


def _end(child: int) -> int:
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def main(mode: str) -> None:
    """Run as ``serve`` (the channel is file 0) or as ``once`` (request in 0, answer in 1).

    As ``layers`` it only confines itself, and writes the active layers to 1.
    """
    if mode == "serve":
        with socket.socket(fileno=0) as channel:
            serve(channel)
        return
    answers = os.dup(1)
    os.dup2(2, 1)  # the output of a native library must not end up in the answer
    with os.fdopen(answers, "wb") as out:
        held = prepare()
        if mode == "layers":
            held |= confine(SandboxLimits(1 << 30, 10))
            out.write(json.dumps(held).encode())
        else:
            out.write(answer(sys.stdin.buffer.read()))
