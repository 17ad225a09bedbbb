"""The body as the app receives it: whole and in order, or an error that says what was wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bindery.encoders.pending import Cancellation
from bindery.errors import FileTooLarge
from bindery.faces.http.app import create_app
from bindery.faces.http.errors import Busy, RequestTimeout, RequestTooLarge
from bindery.faces.http.gate.intake import BodyLimits, Intake, Load
from bindery.library import Library
from bindery.settings import Settings

T = TypeVar("T")
Receive = Callable[[], Awaitable[dict]]


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer, so that a busy machine changes no time."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        select = self._selector.select

        def jump(timeout_s: float | None) -> list:
            self._now_s += timeout_s or 0.0
            return select(None if timeout_s is None else 0)

        self._selector.select = jump

    def time(self) -> float:
        return self._now_s


def in_no_time(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)


def limits(body_bytes: int = 1 << 20, held_bytes: int | None = 1 << 20, timeout_s: float = 5):
    return BodyLimits(body_bytes, held_bytes, timeout_s, lambda: RequestTooLarge("Too large."))


def client_of(*pieces: bytes | float | None) -> Receive:
    """A client that sends bytes, pauses for a number of seconds, and leaves at None."""
    script = iter(pieces)
    bodies = [piece for piece in pieces if isinstance(piece, bytes)]
    left = len(bodies)

    async def receive() -> dict:
        nonlocal left
        for piece in script:
            if piece is None:
                return {"type": "http.disconnect"}
            if isinstance(piece, bytes):
                left -= 1
                return {"type": "http.request", "body": piece, "more_body": left > 0}
            await asyncio.sleep(piece)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


async def unreachable() -> dict:
    """A client that must not be read from."""
    raise AssertionError


async def body_of(intake: Intake) -> AsyncIterator[bytes]:
    while True:
        message = await intake.receive()
        if message["type"] == "http.disconnect":
            return
        yield message["body"]
        if not message["more_body"]:
            return


def run(
    receive: Receive, allowed: BodyLimits, load: Load | None = None, *, announced: int | None = None
):
    """What the app receives, and the cancellation."""

    async def take() -> tuple[bytes, Cancellation]:
        cancellation = Cancellation()
        intake = Intake(receive, cancellation, allowed, load or Load(), announced_bytes=announced)
        try:
            intake.open()
            return b"".join([piece async for piece in body_of(intake)]), cancellation
        finally:
            intake.close()

    return in_no_time(take())


@hypothesis_settings(deadline=None, max_examples=50)
@given(pieces=st.lists(st.binary(max_size=20), min_size=1, max_size=20))
def test_the_app_gets_the_body_as_it_came(pieces):
    load = Load()
    body, cancellation = run(client_of(*pieces), limits(), load)
    assert body == b"".join(pieces)
    assert not cancellation.is_cancelled
    assert load == Load(), "what was held is given back"


def test_of_a_request_without_a_body_the_app_gets_an_empty_one():
    assert run(client_of(b""), limits(), announced=0)[0] == b""


@pytest.mark.parametrize("announced", [None, 2, 0])
def test_the_watcher_cancels_the_request_of_a_client_that_leaves(announced):
    async def leave() -> None:
        cancellation, left = Cancellation(), asyncio.Event()
        cancellation.when_cancelled(left.set)
        pieces = [b""] if announced == 0 else [b"a", b"b"]
        client = client_of(*pieces, 0.05, None)
        intake = Intake(client, cancellation, limits(), Load(), announced_bytes=announced)
        intake.open()
        assert b"".join([piece async for piece in body_of(intake)]) == b"".join(pieces)
        assert not cancellation.is_cancelled
        await left.wait()
        for _ in range(2):
            message = await intake.receive()
            assert message == {"type": "http.disconnect"}
        intake.close()

    in_no_time(leave())


def test_asking_whether_the_client_is_there_takes_nothing_from_the_watcher():
    async def wonder() -> None:
        cancellation, left = Cancellation(), asyncio.Event()
        cancellation.when_cancelled(left.set)
        client = client_of(b"a", 0.1, None)
        intake = Intake(client, cancellation, limits(), Load(), announced_bytes=1)
        intake.open()
        assert [piece async for piece in body_of(intake)] == [b"a"]
        request = Request({"type": "http"}, intake.receive)
        request._stream_consumed = True
        for _ in range(3):
            assert not await request.is_disconnected()
        await left.wait()
        assert await request.is_disconnected()
        intake.close()

    in_no_time(wonder())


def test_a_client_that_leaves_in_the_middle_cancels_its_request():
    _, cancellation = run(client_of(b"a", None, b"b"), limits())
    assert cancellation.is_cancelled


@pytest.mark.parametrize(
    ("pieces", "allowed", "error"),
    [
        ([b"a", 60.0, b"b"], limits(timeout_s=0.05), RequestTimeout),
        ([0.02, b"a"] * 100, limits(timeout_s=0.5), RequestTimeout),
        ([b"x" * 50_000, 60.0, b"b"], limits(timeout_s=0.05), RequestTimeout),
        ([b"aaa", b"aaa"], limits(body_bytes=5), RequestTooLarge),
        ([b"x" * 70_000, b"x"], limits(held_bytes=70_000), Busy),
    ],
    ids=["a pause", "a drip", "a pause after much", "too much", "too much at once"],
)
def test_what_is_wrong_is_told(pieces, allowed, error):
    load = Load()
    with pytest.raises(error):
        run(client_of(*pieces), allowed, load)
    assert load == Load()


@pytest.mark.parametrize("announced", [None, 5])
def test_a_body_at_its_limit_is_taken(announced):
    client = client_of(b"aaa", b"aa")
    assert run(client, limits(body_bytes=5), announced=announced)[0] == b"aaaaa"


@pytest.mark.parametrize(
    ("announced", "allowed", "error"),
    [
        (6, limits(body_bytes=5), RequestTooLarge),
        (10**19, limits(), RequestTooLarge),
        (70_001, limits(held_bytes=70_000), Busy),
    ],
)
def test_what_is_announced_to_be_too_much_is_not_received(announced, allowed, error):
    load = Load()
    with pytest.raises(error):
        run(unreachable, allowed, load, announced=announced)
    assert load == Load()


def test_of_large_bodies_that_begin_together_some_come_in_whole():
    async def begin() -> None:
        load, allowed = Load(), limits(held_bytes=300_000)
        came_in = []
        for _ in range(10):
            intake = Intake(unreachable, Cancellation(), allowed, load, announced_bytes=100_000)
            with suppress(Busy):
                intake.open()
                came_in.append(intake)
        assert len(came_in) == 3
        for intake in came_in:
            intake.close()
        assert load == Load()

    in_no_time(begin())


@pytest.mark.parametrize("announced", [None, 100_000])
def test_a_body_that_fills_what_may_be_held_is_counted_once(announced):
    pieces = [b"x" * 50_000] * 2
    body, _ = run(client_of(*pieces), limits(held_bytes=100_000), announced=announced)
    assert len(body) == 100_000


def test_small_bodies_come_in_however_much_is_held():
    load = Load(body_bytes=1 << 40)
    assert run(client_of(b"x" * 60_000), limits(held_bytes=1), load)[0]


def test_a_fast_client_may_take_longer_than_the_pause_that_it_may_make():
    pieces = [b"x" * 10_000, 0.02] * 30
    assert len(run(client_of(*pieces, b"x"), limits(timeout_s=0.5))[0]) == 300_001


def test_the_time_that_the_app_takes_is_not_the_clients():
    async def dawdle() -> None:
        pieces = [b"x"] * 5
        allowed = limits(timeout_s=0.05)
        intake = Intake(client_of(*pieces), Cancellation(), allowed, Load(), announced_bytes=None)
        got = 0
        async for _ in body_of(intake):
            got += 1
            await asyncio.sleep(0.1)
        assert got == 5
        intake.close()

    in_no_time(dawdle())


@pytest.mark.parametrize(
    ("path", "size", "code"),
    [
        ("/typed", 3_000, "request_too_large"),
        ("/raw", 3_000, "request_too_large"),
        ("/files/upload", 100_000, FileTooLarge.code),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
def test_the_framework_does_not_make_another_error_of_it(tmp_path, path, size, code, announced):
    """FastAPI answers 400 to any error that ``receive`` raises while FastAPI reads the body."""
    settings = Settings(home=tmp_path, body_limit_bytes=2_000, upload_limit_bytes=2_000)
    app = create_app(Library(tmp_path), settings)
    called = []

    @app.post("/typed")
    async def typed(body: dict[str, str]) -> None:
        called.append(body)

    @app.post("/raw")
    async def raw(request: Request) -> None:
        called.append(await request.body())

    content = b'{"a": "' + b"x" * size + b'"}'
    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.post(
            path,
            content=content if announced else iter([content[:1000], content[1000:]]),
            headers={"content-type": "application/json" if path == "/typed" else _MULTIPART},
        )
    assert not called
    assert answer.status_code == 413, answer.text
    assert answer.json()["error"]["code"] == code


_MULTIPART = "multipart/form-data; boundary=x"
