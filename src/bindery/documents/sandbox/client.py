"""Parses a document in a separate process, within limits of time and memory.

A parser of untrusted files will some day loop, exhaust memory, crash or worse, and a thread cannot
be stopped. So the work is done in a child of a warm template process (:mod:`.worker`) that has no
secrets, can only read and compute (:mod:`.confinement`), and is killed at the limit.

``multiprocessing`` is not used, because its children import the caller's ``__main__`` and unpickle.
"""

import atexit
import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from bindery.documents.detect import detect_kind
from bindery.documents.programs import GRAMMARS, check_installed, grammar_of
from bindery.documents.sandbox import worker
from bindery.documents.sandbox.protocol import (
    MAX_ANSWER_BYTES,
    Request,
    SandboxLimits,
    Task,
    pack_request,
    unpack_document,
    unpack_picture,
    unpack_points,
)
from bindery.errors import (
    BinderyError,
    BrokenDocument,
    FileTooLarge,
    InvalidValue,
    ParseTimeout,
    UnknownFile,
    UnsupportedKind,
)
from bindery.types import Document

_CAN_FORK = hasattr(os, "fork") and hasattr(socket, "send_fds")
_LEAST_MEMORY_BYTES = 64 << 20

_START_S = 60.0
"""For the template to import the readers: half a second, or far more on a cold and busy disk."""

_RECEIVE_BYTES = 1 << 20

# Python may need these to start; none of them is a secret.
_LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")

# The caller's sys.path is passed on, because an isolated Python (-I) ignores PYTHONPATH. The order
# is kept, so that the running copy of Bindery is found before another installed one.
_PROGRAM = (
    "import sys; mode, *path = sys.argv[1:]; sys.path[:] = path; "
    "from bindery.documents.sandbox.worker import main; main(mode)"
)


def parse(
    source: bytes | Path,
    name: str,
    *,
    timeout_s: float = 30.0,
    memory_bytes: int = 1 << 30,
) -> Document:
    """Read a document in a separate process. Safe to call from several threads.

    ``source`` is the document or its path; ``name`` is its file name, which is only kept as data.
    ``timeout_s`` is wall-clock time. ``memory_bytes`` limits the address space (not on Windows and
    macOS). The first call takes half a second longer, to start the template.

    Raises as :func:`bindery.documents.read` does; also ParseTimeout, BrokenDocument if the reader
    crashes, and UnknownFile if the file at ``source`` cannot be read.
    """
    limits = _limits(timeout_s, memory_bytes)
    data = source if isinstance(source, bytes) else _contents(source)
    return unpack_document(_ask(Request(name, limits, data), timeout_s), name)


def draw_page(
    data: bytes, name: str, page: int, *, width: int = 900, timeout_s: float = 30.0
) -> bytes:
    """The PNG of a page of a PDF, drawn in a separate process, as :func:`parse` reads.

    ``page`` counts from 1. Raises InvalidValue for a page that is not there, UnsupportedKind for
    another kind of document, and the errors of :func:`parse`.
    """
    if detect_kind(data, name) != "pdf":
        raise UnsupportedKind(
            f"{name!r} has no pages that can be drawn.", remedy="Only pages of PDFs can be drawn."
        )
    limits = _limits(timeout_s, 1 << 30)
    request = Request(name, limits, data, Task.DRAW, page, width)
    try:
        return unpack_picture(_ask(request, timeout_s), name)
    except InvalidValue as error:
        raise InvalidValue(error.message, remedy=error.remedy, param="page") from error


def divide(
    program: Document, *, timeout_s: float = 30.0, memory_bytes: int = 1 << 30
) -> list[list[int]]:
    """Where definitions, members and statements of a program begin: code points, by depth.

    Runs in a separate process within limits, as :func:`parse` does. A blank program has none,
    whatever its name.

    Raises UnsupportedKind if the extension belongs to no known language, UnknownStrategy without
    the extra ``code``, ParseTimeout, and BrokenDocument if the grammar crashes.
    """
    limits = _limits(timeout_s, memory_bytes)
    if not program.text.strip():
        check_installed(GRAMMARS["python"])
        return []
    grammar_of(program.name)
    request = Request(program.name, limits, program.text.encode(), Task.DIVIDE)
    try:
        return unpack_points(_ask(request, timeout_s), program.name, len(program.text))
    except (BrokenDocument, FileTooLarge, ParseTimeout) as error:
        raise type(error)(
            f"The strategy 'code' cannot divide this program: {error.message}",
            remedy="Choose another strategy. The file may be too long, or not a program.",
            param="strategy",
        ) from error


def layers() -> dict[str, bool]:
    """The layers that can confine a parsing process, and whether each is active on this machine.

    The limits on time and on the size of the answer are enforced by the client, on all platforms.
    """
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        _command_line("layers"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=_environment(),
        timeout=_START_S,
        check=False,
    )
    try:
        held: dict[str, bool] = json.loads(done.stdout)
    except ValueError as error:
        raise _no_start() from error
    return held


class Template:
    """The warm template process. It starts with the first document, and again if it has died.

    A process forked from the caller starts its own, since channel and lock cannot be shared.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._is_hooked = False

    def ask(self, request: Request, timeout_s: float) -> bytes:
        """Have a child answer the request, and always end that child."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                child = self._start(theirs)
            try:
                answer = _converse(ours, request, timeout_s)
            finally:
                status = self._command(worker.END, child)
        if status != 0 or not answer:
            raise _crash(request, status)
        return answer

    def close(self) -> None:
        """End the template and its children."""
        with self._lock:
            self._forget()

    def _start(self, connection: socket.socket) -> int:
        for _ in range(2):  # again with a new template if the first has died
            child = self._command(worker.START, 0, connection)
            if child != worker.UNKNOWN:
                return child
        raise _no_start()

    def _command(self, command: bytes, child: int, connection: socket.socket | None = None) -> int:
        """Send one command and return the reply, or UNKNOWN if the template has died."""
        with self._lock:
            try:
                channel = self._running()
                descriptors = [] if connection is None else [connection.fileno()]
                socket.send_fds(channel, [worker.COMMAND.pack(command, child)], descriptors)
                reply = channel.recv(worker.REPLY.size, socket.MSG_WAITALL)
                if len(reply) == worker.REPLY.size:
                    return int(worker.REPLY.unpack(reply)[0])
            except OSError:
                pass  # it died or hangs, and is replaced in both cases
            self._forget()
            return worker.UNKNOWN

    def _running(self) -> socket.socket:
        if self._channel is not None:
            return self._channel
        if not self._is_hooked:
            os.register_at_fork(after_in_child=self._disown)
            self._is_hooked = True
        ours, theirs = socket.socketpair()
        ours.settimeout(_START_S)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
                _command_line("serve"),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=_environment(),
                cwd="/",
                start_new_session=True,  # Ctrl-C in the terminal is meant for the caller
            )
        self._channel = ours
        atexit.register(self.close)
        return ours

    def _forget(self) -> None:
        process, channel, self._process, self._channel = self._process, self._channel, None, None
        atexit.unregister(self.close)
        if channel is not None:
            channel.close()  # the template ends when its channel closes
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()
            process.wait()

    def _disown(self) -> None:
        """In a forked process: leave the template, and a lock that may be held, to the parent."""
        self._lock = threading.Lock()
        if self._process is not None:
            self._process.returncode = 0  # not our child: nothing to wait for or to warn about
        if self._channel is not None:
            self._channel.close()
        self._process = self._channel = None


_TEMPLATE = Template()
"""One for the whole process; it starts nothing before the first document."""


def ask_fresh_process(request: Request, timeout_s: float) -> bytes:
    """As :meth:`Template.ask`, with a new Python each time, for platforms that cannot fork."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and program
            _command_line("once"),
            input=pack_request(request),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _timeout(request, timeout_s) from error
    if done.returncode != 0 or not done.stdout:
        raise _crash(request, done.returncode)
    return done.stdout


def _limits(timeout_s: float, memory_bytes: int) -> SandboxLimits:
    if not timeout_s > 0 or memory_bytes < _LEAST_MEMORY_BYTES:
        raise InvalidValue(
            f"timeout_s must be above 0 and memory_bytes at least {_LEAST_MEMORY_BYTES} "
            f"({_LEAST_MEMORY_BYTES >> 20} MB), got {timeout_s} and {memory_bytes}.",
            remedy="Allow more time or memory.",
        )
    return SandboxLimits(memory_bytes, cpu_s=math.ceil(min(timeout_s, 1e6)) + 1)


def _ask(request: Request, timeout_s: float) -> bytes:
    return (_TEMPLATE.ask if _CAN_FORK else ask_fresh_process)(request, timeout_s)


def _command_line(mode: str) -> list[str]:
    path = [entry for entry in sys.path if Path(entry).is_absolute()]
    return [sys.executable, "-I", "-X", "utf8", "-c", _PROGRAM, mode, *path]


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _LOADER_VARIABLES if name in os.environ}


def _converse(connection: socket.socket, request: Request, timeout_s: float) -> bytes:
    """Send the request and receive the whole answer, or nothing if the child has crashed."""
    deadline = time.monotonic() + timeout_s
    received = bytearray()
    try:
        connection.settimeout(timeout_s)
        with contextlib.suppress(ConnectionError):  # crashed: see its exit status
            connection.sendall(pack_request(request))
            connection.shutdown(socket.SHUT_WR)
        while True:
            connection.settimeout(max(deadline - time.monotonic(), 1e-3))
            piece = connection.recv(_RECEIVE_BYTES)
            if not piece:
                return bytes(received)
            received += piece
            if len(received) > MAX_ANSWER_BYTES:
                raise FileTooLarge(
                    f"{request.name!r} has more than {MAX_ANSWER_BYTES >> 20} MB of text.",
                    remedy="Split it into several documents.",
                )
    except TimeoutError as error:
        raise _timeout(request, timeout_s) from error
    except ConnectionError:
        return b""


def _no_start() -> BinderyError:
    return BinderyError(
        "The process that parses documents did not start.",
        remedy="See its message on standard error.",
    )


def _timeout(request: Request, timeout_s: float) -> ParseTimeout:
    return ParseTimeout(
        f"{request.name!r} was not read within {timeout_s:g} s.",
        remedy="Split the document, or allow more time if you trust its source.",
    )


def _crash(request: Request, status: int) -> BinderyError:
    if status == -getattr(signal, "SIGXCPU", 0) != 0:
        return _timeout(request, request.limits.cpu_s)
    known = {-member.value: member.name for member in signal.Signals}
    how = f"signal {known.get(status, -status)}" if status < 0 else f"exit code {status}"
    return BrokenDocument(
        f"The reader crashed while reading {request.name!r} ({how}).",
        remedy="The file may be damaged or hostile, or need more memory than the limit. Open it in "
        "the program that wrote it and save it again.",
    )


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnknownFile(
            f"The file {str(path)!r} cannot be read: {error.strerror or error}.",
            remedy="Check the path and its permissions.",
        ) from error
