"""`serve`: where it listens, when it says so, and that it ends without losing a request."""

import asyncio
import ctypes
import os
import signal
import socket
import struct
import sys
import time
import urllib.request

import pytest
from tests.faces.http.ending import EMBED, Clients, connected, head, read_answer, running

from bindery.errors import InvalidValue
from bindery.faces.http.wire.draining import _SO_ATTACH_FILTER, accept_queued
from bindery.faces.http.wire.server import serve
from bindery.settings import Settings

# The model loads while connections wait: on a busy machine longer than the limits by default, at
# which the server would close them.
UNHURRIED = {"header_timeout_s": 600.0, "body_timeout_s": 600.0, "drain_timeout_s": 600.0}

posix = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_only_this_machine_is_served(tmp_path, host):
    with pytest.raises(InvalidValue) as caught:
        serve(Settings(home=tmp_path, host=host))
    assert caught.value.param == "host"
    assert "proxy" in caught.value.remedy


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InvalidValue, match=f"Port {port} of 127.0.0.1 is in use"):
            serve(Settings(home=tmp_path, port=port))


def test_a_port_that_is_none_is_told(tmp_path):
    with pytest.raises(InvalidValue, match="port 70000"):
        serve(Settings(home=tmp_path, port=70000))


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_answers_and_ends_on_a_signal(tmp_path, number):
    with running(tmp_path, drain_delay_s=0.1) as server:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{server.port}/health", timeout=300
        ) as answer:
            assert answer.status == 200
        server.send_signal(number)
        assert server.end() == (0, "ended\n", "")


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("loop", "_round"), [("uvloop", 1), ("asyncio", 1), ("uvloop", 2)])
def test_under_load_every_request_is_answered_or_not_let_in(home, loop, _round):
    async def load(server):
        clients = Clients(server.port)
        tasks = [asyncio.create_task(clients.embed()) for _ in range(12)]
        tasks.append(asyncio.create_task(clients.probe()))
        while clients.outcomes["embed 200"] < 100 or clients.outcomes["ready 200"] < 1:
            await asyncio.sleep(0.01)
            assert not any(task.done() for task in tasks)
        server.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*tasks), timeout=600)
        return clients

    with running(home, loop=loop, drain_delay_s=2.0, drain_timeout_s=600.0) as server:
        assert server.loop == loop
        clients = asyncio.run(load(server))
        assert server.end() == (0, "ended\n", "")
    assert set(clients.outcomes) <= {"embed 200", "ready 200", "ready 503", "refused"}
    assert clients.outcomes["refused"] == 13
    # It was no longer ready, but still answered.
    after = "\n".join(clients.events).rpartition("ready 200")[2].partition("ready 503")[2]
    assert "embed 200" in after


@posix
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_who_asks_nothing_is_told_408_and_who_has_begun_to_ask_is_answered(home, loop):
    async def visit(server):
        async with (
            connected(server.port) as idle,
            connected(server.port) as new,
            connected(server.port) as slow,
        ):
            request = head("POST", "/v1/embeddings", len(EMBED)) + EMBED
            idle[1].write(request)
            assert (await read_answer(idle[0]))[0] == 200
            slow[1].write(request[:40])
            await asyncio.sleep(0.1)
            server.send_signal(signal.SIGTERM)
            told = [await read_answer(reader) for reader, _ in (idle, new)]
            # It waits for the rest of a request that has begun, although no others are left.
            slow[1].write(request[40:])
            answered = await read_answer(slow[0])
            return told, answered, [await reader.read() for reader, _ in (idle, new, slow)]

    with running(home, loop=loop, drain_delay_s=0.2, **UNHURRIED) as server:
        told, answered, ends = asyncio.run(visit(server))
        assert server.end() == (0, "ended\n", "")
    assert [(status, headers["connection"]) for status, headers, _ in told] == [(408, "close")] * 2
    assert (answered[0], answered[1]["connection"]) == (200, "close")
    assert ends == [b""] * 3


@posix
def test_when_time_is_up_who_still_waits_is_told_503(home):
    async def visit(server):
        async with connected(server.port) as (reader, writer):
            writer.write(head("POST", "/v1/embeddings", 100))  # and no body
            await asyncio.to_thread(server.wait_for_a_request)
            server.send_signal(signal.SIGTERM)
            return await read_answer(reader)

    # With enough time to close everything; otherwise it would end by force.
    with running(home, drain_delay_s=0.1, drain_timeout_s=0.5, clear_s=120.0) as server:
        server.wait_until("ready")  # it would also wait for a model that is being loaded
        status, headers, body = asyncio.run(visit(server))
        code, output, errors = server.end()
    assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
    assert b"The server is stopping." in body
    assert (code, output) == (0, "ended\n")
    assert "Traceback" not in errors


@posix
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_as_before_though_not_ready_and_a_second_signal_is_the_end(tmp_path, second):
    with running(tmp_path, drain_delay_s=600.0, drain_timeout_s=600.0) as server:
        server.send_signal(signal.SIGTERM)
        server.wait_until("draining")
        time.sleep(0.5)  # by now it would be closed
        with urllib.request.urlopen(
            f"http://127.0.0.1:{server.port}/models", timeout=300
        ) as answer:
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        server.send_signal(second)
        assert server.end()[0] == 130


@posix
def test_an_interrupt_skips_the_delay(tmp_path):
    with running(tmp_path, drain_delay_s=600.0, drain_timeout_s=600.0) as server:
        server.send_signal(signal.SIGINT)
        assert server.end() == (0, "ended\n", "")


def may_filter() -> bool:
    """Whether this process may attach a filter of connections (tried with one without effect)."""
    take = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0xFFFF))
    with socket.socket() as one:
        try:
            one.setsockopt(
                socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(take))
            )
        except OSError:
            return False
    return True


@pytest.mark.skipif(
    sys.platform != "linux" or not may_filter(), reason="the kernel cannot be told, or not by us"
)
@pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, pytest.importorskip("uvloop").new_event_loop]
)
def test_who_comes_while_it_closes_is_refused_and_not_let_in_to_be_cut_off(loop):
    came = []

    def welcome(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer)
        writer.close()

    def try_to_connect(address: tuple[str, int]) -> str:
        try:
            socket.create_connection(address, timeout=0.2).close()
        except OSError as error:
            return type(error).__name__
        return "let in"

    async def close_slowly(listener: socket.socket) -> list[object]:
        address = listener.getsockname()
        before = [socket.create_connection(address) for _ in range(20)]
        server = await asyncio.start_server(welcome, sock=listener)
        await accept_queued(listener, time.monotonic() + 10)
        seen = [len(came), try_to_connect(address)]
        server.close()
        listener.close()
        for one in before:
            one.close()
        await asyncio.gather(*(writer.wait_closed() for writer in came))
        return [*seen, try_to_connect(address)]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        with asyncio.Runner(loop_factory=loop) as runner:
            seen = runner.run(close_slowly(listener))
    assert seen == [20, "TimeoutError", "ConnectionRefusedError"]
