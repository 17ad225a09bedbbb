"""Parses one document in a process of its own, within limits of time and memory.

A parser fed by strangers will some day loop, eat all memory, crash or worse: pure Python ones are
patched monthly, native ones fall to a signal, and no thread can be stopped. So the work is done in
a child that starts from a warm template (:mod:`.worker`), knows no secrets, can do nothing but read
and compute (:mod:`.confinement`) and is killed at the limit.

``multiprocessing`` is not used: its children import the caller's ``__main__`` again, and unpickle.
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

from bindery.documents.programs import GRAMMARS, check_installed, grammar_of
from bindery.documents.sandbox import worker
from bindery.documents.sandbox.protocol import (
    MAX_ANSWER_BYTES,
    Request,
    SandboxLimits,
    Task,
    pack_request,
    unpack_document,
    unpack_places,
)
from bindery.errors import (
    BinderyError,
    BrokenDocument,
    FileTooLarge,
    InvalidValue,
    ParseTimeout,
    UnknownFile,
)
from bindery.types import Document

_CAN_FORK = hasattr(os, "fork") and hasattr(socket, "send_fds")
_LEAST_MEMORY_BYTES = 64 << 20

_START_S = 60.0
"""For the template to import the readers: half a second, on a cold and busy disk far more."""

_RECEIVE_BYTES = 1 << 20

# All that Python may need to start at all; none of it is a secret.
_LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")

# The caller's path is handed over, because an isolated Python (-I) ignores PYTHONPATH; in the same
# order, or an installed copy of ours would be found before the one that runs.
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
    """Read a document in a process of its own, safe to call from several threads at once.

    ``source`` is the document or where it lies; ``name`` is what its user calls it, kept as data.
    ``timeout_s`` is wall-clock time; ``memory_bytes`` bounds the address space, where the platform
    can (not on Windows and macOS). The first call takes half a second more, to start the template.

    Raises what :func:`bindery.documents.read` does, ParseTimeout, and BrokenDocument also when the
    reader crashes; UnknownFile where no file can be read at ``source``.
    """
    limits = _limits(timeout_s, memory_bytes)
    data = source if isinstance(source, bytes) else _contents(source)
    return unpack_document(_ask(Request(name, limits, data), timeout_s), name)


def divide(
    program: Document, *, timeout_s: float = 30.0, memory_bytes: int = 1 << 30
) -> list[list[int]]:
    """Where definitions, members and statements of a program begin: code points, by depth.

    In a process of its own and within limits, as :func:`parse` has them. A text without a word
    has no places, whatever it is called.

    Raises UnsupportedKind for a name of no known language, UnknownStrategy without the extra
    ``code``, ParseTimeout, and BrokenDocument where the grammar crashes.
    """
    limits = _limits(timeout_s, memory_bytes)
    if not program.text.strip():
        check_installed(GRAMMARS["python"])
        return []
    grammar_of(program.name)
    request = Request(program.name, limits, program.text.encode(), Task.DIVIDE)
    try:
        return unpack_places(_ask(request, timeout_s), program.name, len(program.text))
    except (BrokenDocument, FileTooLarge, ParseTimeout) as error:
        raise type(error)(
            f"The strategy 'code' has to give up: {error.message}",
            remedy="Choose another strategy; the text may not be what its name says, or too long.",
            param="strategy",
        ) from error


def layers() -> dict[str, bool]:
    """What keeps a parsing process in on this machine, and whether it does.

    The limits of time and of the answer are the asker's own, and hold everywhere.
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
    """The warm process and the way to it. It starts with the first document, and anew if it died.

    A process forked off the caller starts its own: channel and lock are not to be shared.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._is_hooked = False

    def ask(self, request: Request, timeout_s: float) -> bytes:
        """Have a child answer the request; end it whatever happens."""
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
        for _ in range(2):  # the second time with a new template, if the first had died
            child = self._command(worker.START, 0, connection)
            if child != worker.UNKNOWN:
                return child
        raise _no_start()

    def _command(self, command: bytes, child: int, connection: socket.socket | None = None) -> int:
        """Send one command and return the reply, or UNKNOWN where the template has died."""
        with self._lock:
            try:
                channel = self._running()
                descriptors = [] if connection is None else [connection.fileno()]
                socket.send_fds(channel, [worker.COMMAND.pack(command, child)], descriptors)
                reply = channel.recv(worker.REPLY.size, socket.MSG_WAITALL)
                if len(reply) == worker.REPLY.size:
                    return int(worker.REPLY.unpack(reply)[0])
            except OSError:
                pass  # died, or hangs: replaced either way
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
                start_new_session=True,  # a Ctrl-C in the terminal is for the caller
            )
        self._channel = ours
        atexit.register(self.close)
        return ours

    def _forget(self) -> None:
        process, channel, self._process, self._channel = self._process, self._channel, None, None
        atexit.unregister(self.close)
        if channel is not None:
            channel.close()  # which is what the template waits for
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()
            process.wait()

    def _disown(self) -> None:
        """In a forked process: leave the template to the parent, and a lock it may have held."""
        self._lock = threading.Lock()
        if self._process is not None:
            self._process.returncode = 0  # no child of ours: nothing to wait for or to warn of
        if self._channel is not None:
            self._channel.close()
        self._process = self._channel = None


_TEMPLATE = Template()
"""One for the whole process: it holds a lock, and nothing more until the first document."""


def ask_fresh_process(request: Request, timeout_s: float) -> bytes:
    """The same without a template, where the platform cannot fork: a new Python each time."""
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
            f"A document cannot be parsed in {timeout_s} s and {memory_bytes >> 20} MB.",
            remedy=f"Allow some time and at least {_LEAST_MEMORY_BYTES >> 20} MB.",
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
    """Send the request and receive all of the answer, or nothing where the child has crashed."""
    deadline = time.monotonic() + timeout_s
    received = bytearray()
    try:
        connection.settimeout(timeout_s)
        with contextlib.suppress(ConnectionError):  # it crashed early: its status will tell
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
                    f"{request.name!r} holds more than {MAX_ANSWER_BYTES >> 20} MB of text.",
                    remedy="Split it into several documents.",
                )
    except TimeoutError as error:
        raise _timeout(request, timeout_s) from error
    except ConnectionError:
        return b""


def _no_start() -> BinderyError:
    return BinderyError(
        "The process that parses documents does not start.",
        remedy="Its own message is on standard error.",
    )


def _timeout(request: Request, timeout_s: float) -> ParseTimeout:
    return ParseTimeout(
        f"{request.name!r} was not read within {timeout_s:g} s.",
        remedy="Split the document, or allow more time if you trust where it comes from.",
    )


def _crash(request: Request, status: int) -> BinderyError:
    if status == -getattr(signal, "SIGXCPU", 0) != 0:
        return _timeout(request, request.limits.cpu_s)
    known = {-member.value: member.name for member in signal.Signals}
    how = f"signal {known.get(status, -status)}" if status < 0 else f"exit code {status}"
    return BrokenDocument(
        f"{request.name!r} made its reader crash ({how}).",
        remedy="It may be damaged, hostile, or need more memory than the limit: "
        "open it in its own program and save it anew.",
    )


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnknownFile(
            f"No document can be read at {str(path)!r}: {error.strerror or error}.",
            remedy="Check the path and its permissions.",
        ) from error
