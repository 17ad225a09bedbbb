"""Endless, huge and malformed requests on real connections.

The parser's callbacks are no public interface of uvicorn: an update that changes how they come, or
what the parser takes, fails here.
"""

import pytest

HOST = b"Host: 127.0.0.1\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"


def post(path: str, *lines: bytes) -> bytes:
    return b"\r\n".join([f"POST {path} HTTP/1.1".encode(), HOST.strip(), *lines, b"", b""])


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET / HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 40_000 + b"\r\n\r\n"],
        [b"GET / HTTP/1.1\r\n" + HOST + b"x: ", *[b"y" * 8000] * 100],
        [b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"],
        [b"GET /", *[b"y" * 8000] * 100],
        [b"GET / HTTP/1.1\r\n" + HOST + b"x: y\r\n" * 101 + b"\r\n"],
        [b"GET / HTTP/1.1\r\n" + HOST, *[b"x: y\r\n" * 10] * 20],
        [b"GET / HTTP/1.1\r\n" + HOST + b"y" * 40_000 + b": x\r\n\r\n"],
        [HEALTH + b"GET / HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 200_000],
    ],
)
def test_a_head_without_end_is_refused(server, pieces):
    answer = server.ask(*pieces)[-1]
    assert (answer.status, answer.code) == (431, "headers_too_large")
    assert answer.headers["connection"] == "close"
    server.wait_until_free()


def test_a_head_of_sane_size_is_taken(server):
    head = HEALTH[:-2] + b"".join(b"x%d: %s\r\n" % (n, b"y" * 300) for n in range(90))
    for pieces in ([head + b"\r\n"], [head[:9000], head[9000:], b"\r\n"]):
        with server.connect() as line:
            line.send(*pieces)
            assert line.answer().status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\n" + HOST + b"\n",
        b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b" folded: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"x\x00y: z\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"x: a\x00b\r\n\r\n",
        post("/v1/embeddings", b"Content-Length: -1"),
        post("/v1/embeddings", b"Content-Length: +2") + b"{}",
        post("/v1/embeddings", b"Content-Length: 0x2") + b"{}",
        post("/v1/embeddings", b"Content-Length: 2, 2") + b"{}",
        post("/v1/embeddings", b"Content-Length: 99999999999999999999999"),
        post("/v1/embeddings", b"Content-Length: 2", b"Content-Length: 2") + b"{}",
        post("/v1/embeddings", b"Content-Length: 2", b"Content-Length: 3") + b"{}",
        post("/v1/embeddings", b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        post("/v1/embeddings", b"Transfer-Encoding: chunked", b"Content-Length: 2") + b"0\r\n\r\n",
        post("/v1/embeddings", b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
        post("/v1/embeddings", b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
        post("/v1/embeddings", b"Transfer-Encoding: chunked") + b"zz\r\n",
        post("/v1/embeddings", b"Transfer-Encoding: chunked") + b"-1\r\n",
        post("/v1/embeddings", b"Transfer-Encoding: chunked") + b"ffffffffffffffffff\r\n",
        post("/v1/embeddings", b"Transfer-Encoding: chunked") + b"2\r\n{}garbage\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_our_shape(server, raw):
    answer = server.ask(raw)[-1]
    assert (answer.status, answer.code) == (400, "invalid_value")
    assert answer.headers["connection"] == "close"
    server.wait_until_free()


@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        (HEALTH * 2 + b"GET /health HTTP/1.0\r\n" + HOST + b"\r\n", [200, 200, 200]),
        (HEALTH + b"garbage\r\n\r\n", [200, 400]),
        (HEALTH * 3 + b"\x00", [200, 200, 200, 400]),
        (HEALTH + post("/wait", b"Transfer-Encoding: chunked") + b"zz\r\n", [200, 400]),
        (post("/v1/embeddings", b"Content-Length: 2") + b"{}{}", [400, 400]),
        (b"GET /health HTTP/1.0\r\n\r\n", [421]),
        (b"GET /health HTTP/1.0\r\n" + HOST + b"\r\n", [200]),
        (b"GET /health\r\n\r\n", [421]),
        (b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", [421]),
        (b"GET /health HTTP/1.1\r\nConnection: close\r\n" + HOST * 2 + b"\r\n", [421]),
        (b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n", [404]),
        (
            b"GET http://evil.example/health HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n",
            [200],
        ),
        (b"GET http://127.0.0.1/health HTTP/1.1\r\nConnection: close\r\nHost: evil\r\n\r\n", [421]),
        (b"GET /%ff%fe%zz%00 HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n", [404]),
        (b"GET /files/%00 HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n", [404]),
        (b"GET /files?%00=%ff HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n", [400]),
        (b"GET /health HTTP/1.1\r\nConnection: close\r\n" + HOST + b"x: \xff\xfe\r\n\r\n", [200]),
    ],
)
def test_odd_requests_get_a_plain_answer(server, raw, statuses):
    assert [answer.status for answer in server.ask(raw)] == statuses


@pytest.mark.parametrize("path", ["/v1/embeddings", "/files/upload", "/nothing", "/health"])
def test_a_gigabyte_that_is_announced_is_not_waited_for(server, path):
    with server.connect() as line:
        line.send(post(path, b"Content-Length: 1000000000", b"Expect: 100-continue"))
        answer = line.answer()
        assert (answer.status, answer.code[-9:]) == (413, "too_large")
        # A client that sends it all the same is soon disconnected.
        assert not line.send(bytes(1_000_000_000))
    server.wait_until_free()


def test_what_is_left_of_a_refused_body_is_thrown_away_to_a_limit(serve, tmp_path):
    with serve(tmp_path, header_timeout_s=30) as server, server.connect() as line:
        line.send(post("/v1/embeddings", b"Content-Length: 1000000000"))
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            line.socket.sendall(bytes(500_000_000))


def test_a_body_without_end_is_refused_at_the_limit(server):
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = post("/v1/embeddings", b"Transfer-Encoding: chunked")
    answer = server.ask(head, *[piece] * 1000)[0]
    assert (answer.status, answer.code) == (413, "request_too_large")
    server.wait_until_free()


def test_what_is_left_of_a_refused_body_is_thrown_away_so_that_its_answer_is_read(server):
    """Otherwise clients are cut off while they send, and many never read the answer."""
    foreign = post("/v1/embeddings", b"Content-Length: 900000").replace(b"127.0.0.1", b"evil")
    with server.connect() as line:
        line.send(foreign)
        line.send(*[b"x" * 100_000] * 9)
        assert line.answer().status == 421
        line.send(HEALTH)
        assert line.answer().status == 200


def test_trailers_are_no_headers(server):
    """They may arrive before or after the guard looks, so nothing may depend on them."""
    raw = post("/v1/embeddings", b"Transfer-Encoding: chunked", b"Connection: close")
    (answer,) = server.ask(raw + b"2\r\n{}\r\n0\r\nOrigin: https://evil.example\r\n\r\n")
    assert answer.status == 400  # not 403, as with that header
    raw = post("/v1/embeddings", b"Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n"
    assert server.ask(raw, *[b"x: " + b"y" * 8000 + b"\r\n"] * 200)[0].status == 408
    server.wait_until_free()


OFFERS = [
    [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAAA"],
    [b"Connection: upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"],
    [b"Upgrade: h2c, TLS/1.3", b"Connection: keep-alive, uPGRADE"],
    [b"Connection: Upgrade", b"Upgrade: "],
]
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
BODIES = [
    (b"Content-Length: %d" % len(SMUGGLED), SMUGGLED),
    (b"Transfer-Encoding: chunked", CHUNKED),
]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"])
@pytest.mark.parametrize(("framing", "body"), BODIES)
def test_an_offered_upgrade_changes_nothing(server, caplog, offer, method, framing, body):
    """The body stays a body: a request that it contains is not answered."""
    head = b"\r\n".join([method + b" /v1/embeddings HTTP/1.1", HOST.strip(), framing])
    plain = server.ask(head + b"\r\nConnection: close\r\n\r\n" + body)
    with server.connect() as line:
        line.send(b"\r\n".join([head, *offer, b"", b""]) + body)
        answer = line.answer()
        assert [(answer.status, answer.body)] == [(one.status, one.body) for one in plain]
        line.send(HEALTH)
        assert line.answer().status == 200
    assert not caplog.records


@pytest.mark.parametrize("size", [1, 7, 50])
@pytest.mark.parametrize(("framing", "body"), BODIES)
def test_an_offered_upgrade_may_arrive_in_pieces(server, size, framing, body):
    raw = post("/v1/embeddings", *OFFERS[0], framing) + body + post("/files", *OFFERS[1]) + HEALTH
    raw += b"GET /health HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    answers = server.ask(*[raw[at : at + size] for at in range(0, len(raw), size)])
    assert [answer.status for answer in answers] == [400, 405, 200, 200]


def test_an_offered_upgrade_does_not_raise_the_limit_of_headers(server):
    long = [b"x%d: %s" % (n, b"y" * 300) for n in range(110)]
    assert server.ask(post("/v1/embeddings", *OFFERS[0], *long))[0].status == 431
