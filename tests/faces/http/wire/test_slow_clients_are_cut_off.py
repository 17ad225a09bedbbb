"""Clients that send or read too slowly, or leave; and clients that are only a bit slow."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from tests.faces.http.wire.conftest import LIMIT_S, Answer

HOST = b"Host: 127.0.0.1\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"


def post(path: str, *lines: bytes) -> bytes:
    return b"\r\n".join([f"POST {path} HTTP/1.1".encode(), HOST.strip(), *lines, b"", b""])


# What is sent at once, what is sent again and again, and the status of the first answer.
SLOW_HEADS = [
    (b"GET /health HT", b"", 408),
    (b"GET /health HTTP/1.1\r\n" + HOST, b"x: y\r\n", 408),
    (b"G", b"E", 400),
    (b"GET /", b"a", 408),
    (b"GET /health HTTP/1.1\r\nx: ", b"y", 408),
    (b"", b"", None),
    (b"", b"\r\n", None),
    (HEALTH, b"\r\n", 200),
    (HEALTH, b"G", 200),
]


def dripped(server, *slow: tuple[bytes, bytes]) -> list[list[Answer]]:
    """The answers to clients that begin with some bytes and drip others, all at the same time."""

    def drip(begin: bytes, piece: bytes) -> list[Answer]:
        with server.connect() as line:
            line.send(begin)
            return line.drip(piece) if piece else line.answers()

    with ThreadPoolExecutor(len(slow)) as pool:
        found = list(pool.map(drip, *zip(*slow, strict=True)))
    server.wait_until_free()
    return found


def test_slow_heads_are_cut_off(server):
    found = dripped(server, *((begin, piece) for begin, piece, _ in SLOW_HEADS))
    for (begin, piece, status), answers in zip(SLOW_HEADS, found, strict=True):
        expected = [] if status is None else [status]
        assert [one.status for one in answers][:1] == expected, (begin, piece)
        for one in answers:
            if one.status == 408:
                assert one.headers["connection"] == "close"
                assert one.code == "request_timeout"


def test_fifty_slow_connections_are_cut_off_and_others_are_served_meanwhile(server):
    with ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(50)]
        for line in slow:
            line.send(b"GET /health HTTP/1.1\r\n" + HOST)
        with server.connect() as line:
            for _ in range(20):
                line.send(HEALTH)
                assert line.answer().status == 200
        for line in slow:
            assert line.answers()[0].status == 408
    server.wait_until_free()


def test_a_connection_that_is_kept_may_rest_between_requests(server):
    with server.connect() as line:
        for rest_s in (1.2 * LIMIT_S, 0.0):
            line.send(HEALTH)
            assert line.answer().status == 200
            time.sleep(rest_s)


SLOW_BODIES = [
    (b"Content-Length: 1000", b"{", b""),
    (b"Content-Length: 1000000", b"{", b" "),
    (b"Transfer-Encoding: chunked", b"1\r\n{\r\n", b""),
    (b"Transfer-Encoding: chunked", b"1\r\n{\r\n", b"1\r\n \r\n"),
    (b"Transfer-Encoding: chunked", b"1;", b"extension"),
]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/wait"])
def test_slow_bodies_are_cut_off(server, path):
    slow = [(post(path, announced) + begin, piece) for announced, begin, piece in SLOW_BODIES]
    for body, answers in zip(SLOW_BODIES, dripped(server, *slow), strict=True):
        assert (answers[0].status, answers[0].code) == (408, "request_timeout"), body
        assert answers[0].headers["connection"] == "close"


def test_an_upload_that_stops_leaves_nothing(server):
    kind = b"Content-Type: multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    head = post("/files/upload", b"Content-Length: 900000", kind)
    (answer,) = server.ask(head + part + b"y" * 9999)
    assert answer.status == 408
    assert not [path for path in (server.home / "files").rglob("*") if path.is_file()]


def test_what_is_left_of_a_refused_body_is_not_waited_for_either(server):
    with server.connect() as line:
        line.send(post("/v1/embeddings", b"Content-Length: 900000", b"Origin: null"))
        assert [one.status for one in line.drip(b"x")] == [403]
    server.wait_until_free()


def test_a_client_that_leaves_cancels_its_request(server):
    for body in (b"", b"{}"):
        server.app.state.left.clear()
        with server.connect() as line:
            line.send(post("/wait", b"Content-Length: %d" % len(body)) + body)
            time.sleep(0.1)
            assert not server.app.state.left.is_set()
        assert server.app.state.left.wait(30)
    server.wait_until_free()


def test_an_answer_that_is_not_read_is_given_up(server):
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
        assert connection.recv(1).startswith(b"H")
        server.wait_until_free()


def test_an_answer_that_is_read_slowly_comes_whole(server):
    with server.connect() as line:
        line.send(b"GET /large HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
        found = 0
        while piece := line.socket.recv(1 << 19):
            found += len(piece)
            if found < 4 << 20:
                time.sleep(0.1)
    assert found > 64 << 20
