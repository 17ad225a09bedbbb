"""The log of the server: JSON lines, or readable lines on a terminal.

Everything goes through Python's logging to standard error, including the logs of libraries. Texts,
files, secrets and URLs of requests are never logged: a line has only its message and the fields in
``EXTRAS``, and errors whose message may quote input are logged without it.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bindery.errors import BinderyError

_log = logging.getLogger(__name__)

EXTRAS = (
    "method",
    "route",
    "status",
    "ms",
    "received_bytes",
    "sent_bytes",
    "model",
    "texts",
    "tokens",
    "code",
    "key_id",
    "trace_id",
)
"""The fields that a record's ``extra`` may carry; others are not written."""

# The messages of these are about code or the system. A ValueError or KeyError may quote a text, and
# so may unknown types.
_TELLING = (
    BinderyError,
    OSError,
    MemoryError,
    RuntimeError,
    TypeError,
    AttributeError,
    ImportError,
)


def open_log(log_format: str, level: str, *, stream: TextIO | None = None) -> None:
    """Send all logs of this process to ``stream``, by default standard error.

    ``log_format`` is ``"json"``, ``"console"``, or ``"auto"``: console on a terminal, else JSON.
    ``level`` is for our own logs. Libraries log warnings only, because some log URLs below that.
    """
    output = stream or sys.stderr
    colours = output.isatty()
    as_json = log_format == "json" or (log_format == "auto" and not colours)
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.ExtraAdder(allow=EXTRAS),
                _add_traceback,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_json() if as_json else _console(colours=colours)),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("bindery").setLevel(level.upper())
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_thread


def bind_request(request_id: str) -> None:
    """Add the id to all further log lines of this request."""
    structlog.contextvars.bind_contextvars(request_id=request_id)


def log_fault(message: str, error: BaseException | None) -> None:
    """Log an uncaught error, with its type and traceback."""
    _log.error("%s", message, exc_info=error)


def _json() -> list[Processor]:
    def dump(event: EventDict, **_: object) -> str:
        return orjson.dumps(event, default=str).decode()

    return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(dump)]


def _console(*, colours: bool) -> list[Processor]:
    return [_request_line, _one_line, structlog.dev.ConsoleRenderer(colors=colours)]


def _request_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write a request as ``POST /v1/embeddings 200 12 ms vanilla 3 texts``."""
    if "route" not in event or "ms" not in event:
        return event
    parts = [event.pop("method", ""), event.pop("route"), event.pop("status", "client left")]
    parts += [f"{event.pop('ms'):.0f} ms", event.pop("model", ""), event.pop("code", "")]
    if texts := event.pop("texts", 0):
        parts.append(f"{texts} text{'' if texts == 1 else 's'}")
    for name in ("received_bytes", "sent_bytes", "tokens", "logger"):
        event.pop(name, None)
    event["event"] = " ".join(str(part) for part in parts if part != "")
    return event


def _one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace control characters: no message can move the cursor or fake another line."""
    message = str(event["event"])
    event["event"] = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in message)
    return event


def _add_traceback(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    if info and info[1] is not None:
        event["exception"] = "\n".join(_chain(info[1]))
    return event


def _chain(error: BaseException) -> Iterator[str]:
    """The traceback of each error that led to this one, starting with the first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _chain(before)
        yield ""
    for one in _members(error):
        yield from _chain(one)
        yield ""
    yield "".join(traceback.format_tb(error.__traceback__)) + _told(error)


def _members(error: BaseException) -> Sequence[BaseException]:
    is_group = isinstance(error, BaseExceptionGroup)
    return cast("BaseExceptionGroup[BaseException]", error).exceptions if is_group else ()


def _told(error: BaseException) -> str:
    name = type(error).__qualname__
    return f"{name}: {error}" if isinstance(error, _TELLING) else f"{name} (message withheld)"


def _log_thread(arguments: threading.ExceptHookArgs) -> None:
    name = arguments.thread.name if arguments.thread else "?"
    log_fault(f"Thread {name} failed.", arguments.exc_value)
