"""What the server writes down while it runs: JSON lines, or lines for people on a terminal.

Everything goes through Python's logging, ours and that of libraries, to standard error. No text,
file, secret or address of a request is ever written: what a line may hold beside its message is
``EXTRAS``, and of an error that may quote what it was given only the kind and the place are told.
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

# Their messages are about code or the system. A ValueError or a KeyError may quote a text that it
# could not take, and so may kinds that are not known here.
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
    """Send every log of this process to ``stream``, standard error by default.

    ``log_format`` is ``"json"``, ``"console"``, or ``"auto"``: the console's on a terminal.
    ``level`` is for our own logs. Of libraries' only warnings are written: some tell below that
    whom they ask for what.
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
    """Have each line that is logged for this request from here on bear its id."""
    structlog.contextvars.bind_contextvars(request_id=request_id)


def log_fault(message: str, error: BaseException | None) -> None:
    """Log an error that nobody caught, by its kind and place."""
    _log.error("%s", message, exc_info=error)


def _json() -> list[Processor]:
    def dump(event: EventDict, **_: object) -> str:
        return orjson.dumps(event, default=str).decode()

    return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(dump)]


def _console(*, colours: bool) -> list[Processor]:
    return [_one_line, structlog.dev.ConsoleRenderer(colors=colours)]


def _one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """No message can move the cursor, or look like a line of its own."""
    message = str(event["event"])
    event["event"] = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in message)
    return event


def _add_traceback(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    if info and info[1] is not None:
        event["exception"] = "\n".join(_chain(info[1]))
    return event


def _chain(error: BaseException) -> Iterator[str]:
    """Each error that led to this one, the first one first, with the lines of code it came by."""
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
