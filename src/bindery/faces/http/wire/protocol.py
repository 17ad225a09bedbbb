"""uvicorn's HTTP/1.1 with the limits that it lacks: on headers, and on slow clients.

uvicorn waits forever for the headers of a request (encode/uvicorn#157) and for a client to read its
answer, and it loses the body of a request that offers another protocol. This overrides the
callbacks of its parser, which are not a public interface; the tests check them against the
installed version.
"""

import asyncio
import logging
from collections import Counter
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bindery.errors import BinderyError, InvalidValue
from bindery.faces.http.errors import HeadersTooLarge, RequestTimeout, error_answer
from bindery.faces.http.observing.meters import Meters
from bindery.settings import Settings

_log = logging.getLogger(__name__)

# nginx and Apache allow 8 kB per line. Keys, request ids and cookies of other servers fit well.
_MOST_HEAD_BYTES = 32 << 10
_MOST_HEADERS = 100
# Data that a client sends after its answer is discarded up to this, so that it reads the answer.
_MOST_LEFT_OVER_BYTES = 16 << 20
# A client must read its answer at this speed.
_SLOWEST_BYTES_PER_S = 16_000


def protocol_for(settings: Settings, meters: Meters | None = None) -> type[HttpToolsProtocol]:
    """The value for uvicorn's ``http=``. Refused connections are counted in ``meters``."""

    class Protocol(BoundedProtocol):
        head_timeout_s = settings.header_timeout_s
        stall_timeout_s = settings.body_timeout_s
        errors = (meters or Meters()).errors

    return Protocol


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Headers have a fixed deadline, which slow bytes do not extend."""

    head_timeout_s: float
    stall_timeout_s: float
    errors: Counter[str]

    _deadline: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _is_in_head = False
    _is_whole = False
    _head_bytes = 0
    _fed_bytes = 0
    _left_over_bytes = 0
    _complaint: BinderyError | None = None
    _refusal: BinderyError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        self.parser: Any = _UpgradeIgnoringParser(self)
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._disarm()
        self._end_stall()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._refusal is not None or self._is_answered():
            # The rest of a body, blank lines, or the next headers: all must end soon.
            self._left_over_bytes += len(data)
            if self._left_over_bytes > _MOST_LEFT_OVER_BYTES:
                self.transport.abort()
                return
        if self._refusal is not None:
            return  # nothing after a refused request is read
        if self._is_answered():
            self._arm()
        if self._is_in_head:
            # The parser holds unfinished lines without reporting their length.
            self._fed_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._fed_bytes > _MOST_HEAD_BYTES:
            self._refuse(_too_large())

    def on_message_begin(self) -> None:
        """A request begins, perhaps pipelined behind another one."""
        super().on_message_begin()
        self._is_in_head = True
        self._is_whole = False
        self._head_bytes = self._fed_bytes = self._left_over_bytes = 0
        self._arm()

    def on_url(self, url: bytes) -> None:
        """A part of the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which uvicorn would treat as a header."""
        if not self._is_in_head:
            return
        self._count(len(name) + len(value))
        super().on_header(name, value)
        if len(self.headers) > _MOST_HEADERS:
            raise self._complain(_too_large())

    def on_headers_complete(self) -> None:
        """All headers have arrived."""
        if self.parser.reads_again():
            return
        self._is_in_head = False
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has arrived."""
        if self.parser.reads_again():
            return
        self._is_whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is written. A kept connection now waits for the next request."""
        is_last = not self.pipeline
        super().on_response_complete()
        if self._refusal is not None:
            if is_last:
                self._close_with(self._refusal)
            return
        self._left_over_bytes = 0
        if not self._is_whole:
            self._arm()

    def send_400_response(self, msg: str) -> None:
        """Report why parsing failed, in our error format."""
        self._refuse(self._complaint or InvalidValue("This is not an HTTP/1.1 request."))

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        """The client has read on."""
        super().resume_writing()
        self._end_stall()

    def _is_answered(self) -> bool:
        return bool(self.cycle) and self.cycle.response_complete and not self._is_in_head

    def _count(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._head_bytes > _MOST_HEAD_BYTES:
            raise self._complain(_too_large())

    def _complain(self, error: BinderyError) -> BinderyError:
        """The error to raise in the parser; uvicorn then calls ``send_400_response``."""
        self._complaint = error
        return error

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_timeout_s, self._run_out)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _run_out(self) -> None:
        self._deadline = None
        if self._is_in_head:
            complaint = f"The headers did not arrive within {self.head_timeout_s:g} s."
            self._refuse(RequestTimeout(complaint, remedy="Send them without pauses."))
        else:
            self.transport.close()

    def _refuse(self, error: BinderyError) -> None:
        """Answer a request that never reaches the app, after those before it, and close."""
        if self.transport.is_closing():
            return
        _log.info("Connection closed: %s", error.message)
        self.errors[error.code] += 1
        self._disarm()
        cycle = self.cycle
        is_open = bool(cycle) and not cycle.response_complete
        # The cycle is that of the last request whose headers arrived.
        is_of_cycle = not self._is_in_head and not self._is_whole
        if is_open and is_of_cycle and not self.pipeline:
            # To the app it looks as if the client had left.
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()  # our answer would be read as a part of the one begun
            else:
                self._close_with(error)
        elif is_open:
            if is_of_cycle:
                self.pipeline.popleft()
            self._refusal = error
        else:
            self._close_with(error)

    def _close_with(self, error: BinderyError) -> None:
        if not self.transport.is_closing():
            self.transport.write(closing_answer(error))
            self.transport.close()

    def _expect_reading(self) -> None:
        waiting_bytes = self.transport.get_write_buffer_size()
        self._end_stall()
        self._stall = self.loop.call_later(self.stall_timeout_s, self._check_reading, waiting_bytes)

    def _check_reading(self, before_bytes: int) -> None:
        read_bytes = before_bytes - self.transport.get_write_buffer_size()
        if read_bytes < _SLOWEST_BYTES_PER_S * self.stall_timeout_s:
            _log.info("Connection closed: the client does not read its answer.")
            self.transport.abort()
        else:
            self._expect_reading()

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


class _UpgradeIgnoringParser:
    """httptools' parser, for which an ``Upgrade`` header changes nothing (RFC 9110, 7.8).

    httptools ends a request that offers another protocol after its headers, so that its body would
    be read as the next request. Java's HttpClient offers ``h2c`` with every request. Such headers
    are parsed a second time, without the offer.
    """

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._protocol = protocol
        self._parser = self._new_parser()

    def feed_data(self, data: bytes) -> None:
        """Parse the next bytes. Raises HttpParserError."""
        while True:
            try:
                return self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head() + data[upgrade.args[0] :]
                self._parser = self._new_parser()

    def reads_again(self) -> bool:
        """Whether the current headers are going to be parsed again."""
        return self._parser.should_upgrade() and self.get_method() != b"CONNECT"

    def should_upgrade(self) -> bool:
        """Never."""
        return False

    def should_keep_alive(self) -> bool:
        """Whether the connection stays open after the request."""
        return self._parser.should_keep_alive()

    def get_http_version(self) -> str:
        """Such as ``1.1``."""
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        """Such as ``GET``."""
        return self._parser.get_method()

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self._protocol)
        # uvicorn sets it too: bytes after "Connection: close" are no error.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _head(self) -> bytes:
        """The headers of the current request without the offer."""
        if self.get_method() == b"CONNECT":
            raise httptools.HttpParserError("CONNECT")
        version = self.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.get_method(), self._protocol.url, version)]
        lines += [
            b"%b: %b" % (name, _without_upgrade(value) if name == b"connection" else value)
            for name, value in self._protocol.headers
            if name != b"upgrade"
        ]
        return b"\r\n".join([*lines, b"", b""])


def _without_upgrade(connection: bytes) -> bytes:
    options = (option.strip() for option in connection.split(b","))
    return b", ".join(option for option in options if option.lower() != b"upgrade")


def closing_answer(error: BinderyError) -> bytes:
    """The bytes of an answer that the server writes itself, without the app."""
    answer = error_answer(error, "", headers={"connection": "close"})
    status = HTTPStatus(answer.status_code)
    lines = [f"HTTP/1.1 {status} {status.phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(
        f"The headers exceed {_MOST_HEAD_BYTES >> 10} kB, or there are more than {_MOST_HEADERS}.",
        remedy="Send fewer or shorter headers. Texts belong in the body.",
    )
