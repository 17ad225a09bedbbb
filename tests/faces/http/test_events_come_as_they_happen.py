"""Server-Sent Events: their format, the silence between them, and how they end."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindery.errors import InvalidValue
from bindery.faces.http.background import Pool
from bindery.faces.http.errors import Busy
from bindery.faces.http.routes.events import Event, EventBatch, Listeners, last_event_id, written

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(stream: bytes) -> list[dict[str, str]]:
    """The events of a stream, read as the specification says."""
    found = []
    fields: dict[str, str] = {}
    # Only these three end a line; str.splitlines knows more.
    for line in stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if not line:
            if fields.get("data"):
                found.append(fields)
            fields = {}
        elif not line.startswith(b":"):
            name, _, value = line.partition(b":")
            text = value.decode().removeprefix(" ")
            both = (
                [fields[name.decode()], text] if name == b"data" and b"data" in fields else [text]
            )
            fields[name.decode()] = "\n".join(both)
    return found


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool("test", threads=1, waiting=1000)
    yield pool
    pool.close()


def hear(
    listeners: Listeners, looks: list[EventBatch | Exception], after: int = 0
) -> tuple[bytes, list]:
    """What is sent if looking finds these batches, in order; and the numbers looked for."""
    asked = []

    def look(number: int) -> EventBatch:
        asked.append(number)
        found = looks[len(asked) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    async def collect() -> bytes:
        return b"".join([piece async for piece in listeners.follow(look, after)])

    return asyncio.run(collect()), asked


@given(number=st.integers(0, 2**62), kind=st.sampled_from(["state", "file"]), data=JSON)
def test_an_event_is_read_as_it_was_written(number, kind, data):
    [found] = read(written([Event(number, kind, data)]))
    assert found == {"id": str(number), "event": kind, "data": found["data"]}
    assert json.loads(found["data"]) == data


def test_of_what_happened_together_the_last_has_the_id():
    events = [Event(n, "file", {"n": n}) for n in (1, 3, 3, 3, 4)]
    found = read(written(events))
    assert [one.get("id") for one in found] == ["1", None, None, "3", "4"]
    assert [json.loads(one["data"])["n"] for one in found] == [1, 3, 3, 3, 4]
    assert written([]) == b""


def test_events_come_once_each_in_order_and_the_last_ends_it(pool):
    events = [Event(number, "progress", {"n": number}) for number in range(1, 5)]
    looks = [EventBatch(events[:2], False), EventBatch((), False), EventBatch(events[2:], True)]
    sent, asked = hear(Listeners(pool, lambda: False, look_s=0), looks, after=0)
    assert [one["id"] for one in read(sent)] == ["1", "2", "3", "4"]
    assert asked == [0, 2, 2]
    assert sent.startswith(b"retry: 2000\n\n")


def test_who_comes_back_is_told_what_came_after(pool):
    sent, asked = hear(Listeners(pool, lambda: False), [EventBatch((), True)], after=7)
    assert (read(sent), asked) == ([], [7])


def test_silence_is_broken_by_comments_that_no_reader_takes_for_events(pool):
    looks = [EventBatch((), False)] * 3 + [EventBatch((Event(1, "state", {}),), True)]
    listeners = Listeners(pool, lambda: False, look_s=0.002, heartbeat_s=0.001)
    sent, _ = hear(listeners, looks)
    assert sent.count(b"\n\n: still here\n\n") >= 1
    assert [one["id"] for one in read(sent)] == ["1"]
    patient = Listeners(pool, lambda: False, look_s=0.002, heartbeat_s=1000)
    assert b"still here" not in hear(patient, looks)[0]


def test_a_server_that_ends_lets_its_listeners_go_and_takes_no_new_ones(pool):
    is_ending = False

    def look(_: int) -> EventBatch:
        nonlocal is_ending
        is_ending = True
        return EventBatch((Event(1, "progress", {}),), False)

    listeners = Listeners(pool, lambda: is_ending, look_s=0)
    listeners.check_room()

    async def collect() -> list[bytes]:
        return [piece async for piece in listeners.follow(look, 0)]

    assert len(read(b"".join(asyncio.run(collect())))) == 1
    with pytest.raises(Busy, match="stopping"):
        listeners.check_room()


def test_listeners_are_bounded_and_leaving_makes_room(pool):
    async def many() -> None:
        listeners = Listeners(pool, lambda: False, look_s=1000)
        streams = [listeners.follow(lambda _: EventBatch((), False), 0) for _ in range(100)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(Busy):
            listeners.check_room()
        await streams[0].aclose()
        listeners.check_room()
        for stream in streams:
            await stream.aclose()

    asyncio.run(many())


@pytest.mark.parametrize(("given", "number"), [(None, 0), ("", 0), ("7", 7), ("0", 0)])
def test_the_last_id_is_a_number(given, number):
    assert last_event_id(given) == number


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "٣", "9" * 19, "1 2", " 7"])
def test_another_last_id_is_told(given):
    with pytest.raises(InvalidValue) as caught:
        last_event_id(given)
    assert caught.value.param == "Last-Event-ID"
