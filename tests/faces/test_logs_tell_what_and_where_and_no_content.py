"""Logs: one pipe for everything, lines a machine can read, and of errors no word of a text."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings

import pytest

from bindery.errors import InvalidValue
from bindery.faces.logs import EXTRAS, bind_request, log_fault, open_log

CANARY = "canary0123456789"


@pytest.fixture
def lines(own_logging: None) -> "Lines":
    return Lines("json", "debug")


class Lines:
    """What was logged since it was opened."""

    def __init__(self, log_format: str, level: str) -> None:
        self._stream = io.StringIO()
        open_log(log_format, level, stream=self._stream)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.text.splitlines()]


def test_a_line_says_when_who_what_and_for_which_request(lines: Lines) -> None:
    def handle() -> None:
        bind_request("req_1")
        logging.getLogger("bindery.x").info("Model %s is loaded.", "vanilla")

    thread = threading.Thread(target=handle)
    thread.start()
    thread.join()
    logging.getLogger("bindery.x").warning("Outside.")

    inside, outside = lines.events
    assert inside["timestamp"].endswith("Z")
    assert (inside["level"], inside["logger"]) == ("info", "bindery.x")
    assert (inside["message"], inside["request_id"]) == ("Model vanilla is loaded.", "req_1")
    assert "request_id" not in outside


def test_a_person_reads_a_request_as_one_line(own_logging: None) -> None:
    lines = Lines("console", "info")
    facts = {"method": "POST", "route": "/v1/embeddings", "status": 200, "ms": 12.4}
    facts |= {"received_bytes": 61, "sent_bytes": 5120, "model": "vanilla", "texts": 3}
    logging.getLogger("bindery.requests").info("request", extra=facts)
    logging.getLogger("bindery.requests").info("request", extra={"route": "/x", "ms": 0.6})
    first, second = lines.text.splitlines()
    assert "POST /v1/embeddings 200 12 ms vanilla 3 texts" in first
    assert "bytes" not in first
    assert "/x client left 1 ms" in second


def test_only_known_fields_are_written(lines: Lines) -> None:
    extra = {**dict.fromkeys(EXTRAS, 1), "text": CANARY, "headers": {"authorization": CANARY}}

    logging.getLogger("bindery.x").info("request", extra=extra)

    assert CANARY not in lines.text
    assert {*EXTRAS} < {*lines.events[0]}


def test_of_libraries_only_warnings_are_written(lines: Lines) -> None:
    for level in (logging.DEBUG, logging.INFO, logging.WARNING):
        logging.getLogger("httpcore").log(level, "level %s", level)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("deprecated", stacklevel=1)

    assert [event["logger"] for event in lines.events] == ["httpcore", "py.warnings"]


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    ("error", "is_told"),
    [
        (ValueError(CANARY), False),
        (KeyError(CANARY), False),
        (UnicodeEncodeError("ascii", CANARY, 0, 1, CANARY), False),
        (type("Stranger", (Exception,), {})(CANARY), False),
        (ExceptionGroup(CANARY, [ValueError(CANARY), OSError(28, "No space left")]), False),
        (OSError(28, "No space left"), True),
        (RuntimeError("cannot allocate"), True),
        (InvalidValue("out of range"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_keeps_its_place_but_not_what_it_may_quote(
    own_logging: None, log_format: str, error: Exception, is_told: bool
) -> None:
    lines = Lines(log_format, "info")

    def fail() -> None:
        secret_local = CANARY * 2
        if secret_local:
            raise error

    def fail_again() -> None:
        try:
            fail()
        except Exception as cause:
            raise RuntimeError("on top of it") from cause

    try:
        fail_again()
    except RuntimeError:
        logging.getLogger("bindery.x").exception("It failed.")

    assert CANARY not in lines.text
    for word in (type(error).__name__, "fail_again", "in fail", "RuntimeError: on top of it"):
        assert word in lines.text
    if is_told:
        assert str(error) in lines.text
    if isinstance(error, ExceptionGroup):
        assert "No space left" in lines.text


def test_what_fails_in_a_thread_is_logged_as_everything_else(lines: Lines) -> None:
    def fail() -> None:
        raise ValueError(CANARY)

    thread = threading.Thread(target=fail, name="bindery-x")
    thread.start()
    thread.join()
    log_fault("Nobody waited for a task.", None)

    failed, unhandled = lines.events
    assert (failed["level"], failed["message"]) == ("error", "Thread bindery-x failed.")
    assert "in fail" in failed["exception"]
    assert CANARY not in lines.text
    assert unhandled["message"] == "Nobody waited for a task."


def test_no_message_looks_like_another_line_or_moves_the_cursor(own_logging: None) -> None:
    for log_format in ("json", "console"):
        lines = Lines(log_format, "info")

        logging.getLogger("bindery.x").info("one\n2026 [error] two \x1b[2J\r\x00")

        assert len(lines.text.splitlines()) == 1
        assert not {"\x1b", "\r", "\x00"} & {*lines.text}


def test_auto_is_for_machines_where_nobody_watches() -> None:
    program = (
        "import logging; from bindery.faces.logs import open_log; open_log('auto', 'info');"
        "logging.getLogger('bindery').info('hello')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert json.loads(done.stderr)["message"] == "hello"
    if not hasattr(os, "openpty"):
        return
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb"):
        subprocess.run([sys.executable, "-c", program], stderr=theirs, check=True)
        os.close(theirs)
        assert b"hello" in (seen := os.read(ours, 10_000))
        assert not seen.startswith(b"{")
