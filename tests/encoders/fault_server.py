"""A vendor on this machine that speaks all three dialects, and misbehaves on demand.

It is as strict as the vendors' manuals: a field that they do not know is refused. The vector of a
text is made from the text alone, so that an error of order shows.
"""

import hashlib
import json
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

WIDTH = 8

Fault = Callable[["_Handler", Any], None]
"""Takes a request and the right answer to it, and answers as it likes."""


def vector_of(text: str, width: int = WIDTH) -> np.ndarray:
    """The vector of a text: (width,) float32, of length 1."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    values = np.random.default_rng(seed).standard_normal(width).astype(np.float32)
    return values / np.linalg.norm(values)


def vectors_of(texts: list[str], width: int = WIDTH) -> np.ndarray:
    rows = [vector_of(text, width) for text in texts]
    return np.stack([*rows, np.zeros(width, np.float32)])[:-1]


@dataclass
class Seen:
    """A request, as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class FaultServer:
    """A vendor on 127.0.0.1. ``script`` is how it answers the next requests; then it does well."""

    script: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    by_text: dict[str, Fault] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)
    origin: str = ""
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._at_once = 0

    def __enter__(self) -> "FaultServer":
        handler = type("Handler", (_Handler,), {"vendor": self, "protocol_version": "HTTP/1.1"})
        self._server = _Quiet(("127.0.0.1", 0), handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def clear(self) -> None:
        """Forget all scripts and requests."""
        self.script.clear()
        self.seen.clear()
        self.by_text.clear()
        self.most_at_once = 0

    def next_fault(self, texts: list[str]) -> Fault | None:
        with self._lock:
            for text in texts:
                if text in self.by_text:
                    return self.by_text[text]
            return self.script.pop(0) if self.script else None

    def enter(self) -> None:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)

    def leave(self) -> None:
        with self._lock:
            self._at_once -= 1


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers that hang up are what we are here for."""


class _Handler(BaseHTTPRequestHandler):
    vendor: FaultServer
    # Head and body in one packet: else each answer waits for a delayed acknowledgement.
    wbufsize = -1

    def do_POST(self) -> None:
        self.vendor.enter()
        self.is_counted = True
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.vendor.seen.append(Seen(self.path, headers, body))
            speak = _SPEAK.get(self.path)
            if speak is None:
                self.answer({"message": "no such path"}, 404)
                return
            texts, good = speak(body)
            fault = self.vendor.next_fault(texts)
            if fault is None:
                self.answer(good)
            else:
                fault(self, good)
        except _WrongRequest as error:
            self.answer({"error": {"message": str(error)}}, 400)
        except OSError:
            self.close_connection = True
        finally:
            self.leave()

    def leave(self) -> None:
        if self.is_counted:
            self.is_counted = False
            self.vendor.leave()

    def answer(self, value: object, status: int = 200, **headers: str) -> None:
        self.send(json.dumps(value).encode(), status, "application/json", **headers)

    def send(
        self, content: bytes, status: int, kind: str, *, announced: int = 0, **headers: str
    ) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(announced or len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        # The client may send its next request as soon as it has the answer.
        self.leave()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


# The dialects: a request's texts, and the right answer to it.


class _WrongRequest(Exception):
    pass


def _fields(body: dict[str, Any], needed: set[str], known: set[str]) -> None:
    if missing := needed - set(body):
        raise _WrongRequest(f"missing: {sorted(missing)}")
    if strange := set(body) - needed - known:
        raise _WrongRequest(f"unknown: {sorted(strange)}")


def _encoded(text: str, width: int, encoding_format: str) -> object:
    vector = vector_of(text, width)
    if encoding_format == "base64":
        return b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(value) for value in vector]


def _openai(body: dict[str, Any]) -> tuple[list[str], object]:
    known = {"dimensions", "encoding_format", "input_type", "user", "prefix"}
    _fields(body, {"model", "input"}, known)
    texts = body["input"]
    if len(texts) > 2048:
        raise _WrongRequest("'$.input' is invalid: at most 2048 inputs")
    # A server that knows roles embeds a query otherwise than a document.
    asked = [text + body.get("input_type", "") for text in texts]
    rows = [
        _encoded(text, body.get("dimensions", WIDTH), body.get("encoding_format", "float"))
        for text in asked
    ]
    data = [
        {"object": "embedding", "index": place, "embedding": row} for place, row in enumerate(rows)
    ]
    tokens = sum(map(len, texts))
    return texts, {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _cohere(body: dict[str, Any]) -> tuple[list[str], object]:
    needed = {"model", "texts", "input_type", "embedding_types", "truncate"}
    _fields(body, needed, {"output_dimension"})
    texts = body["texts"]
    if len(texts) > 96:
        raise _WrongRequest("at most 96 texts")
    if body["truncate"] != "NONE" or body["embedding_types"] != ["float"]:
        raise _WrongRequest("not as it should be asked")
    if body["input_type"] not in {
        "search_query",
        "search_document",
        "classification",
        "clustering",
    }:
        raise _WrongRequest(f"invalid input_type {body['input_type']!r}")
    rows = [_encoded(text, body.get("output_dimension", WIDTH), "float") for text in texts]
    return texts, {
        "id": "1",
        "texts": texts,
        "embeddings": {"float": rows},
        "meta": {"billed_units": {"input_tokens": sum(map(len, texts))}},
    }


def _voyage(body: dict[str, Any]) -> tuple[list[str], object]:
    needed = {"model", "input", "input_type", "truncation"}
    _fields(body, needed, {"output_dimension", "output_dtype"})
    texts = body["input"]
    if len(texts) > 1000 or not all(texts):
        raise _WrongRequest("1 to 1000 texts, none empty")
    if body["truncation"] is not False or body["input_type"] not in {"query", "document", None}:
        raise _WrongRequest("not as it should be asked")
    rows = [_encoded(text, body.get("output_dimension", WIDTH), "float") for text in texts]
    data = [{"object": "embedding", "embedding": row, "index": i} for i, row in enumerate(rows)]
    usage = {"total_tokens": sum(map(len, texts))}
    return texts, {"object": "list", "data": data, "model": body["model"], "usage": usage}


_SPEAK = {
    "/openai/v1/embeddings": _openai,
    "/cohere/v2/embed": _cohere,
    "/voyage/v1/embeddings": _voyage,
}

# Faults


def refuse(status: int, body: object = None, **headers: str) -> Fault:
    """Answer with a status, and what the vendor says."""
    return lambda handler, _: handler.answer(body or {"message": "no"}, status, **headers)


def echo_key(status: int) -> Fault:
    """A rude server that throws the caller's secret back at it, whole and in part."""

    def fault(handler: _Handler, _: object) -> None:
        key = handler.headers["Authorization"].partition(" ")[2]
        said = f"bad key {key}, '{key}' ({key[:-4]}...) {key[:3]}**{key[-4:]}"
        handler.answer({"error": {"message": said}}, status)

    return fault


def changed(change: Callable[[Any], object]) -> Fault:
    """Answer with what ``change`` makes of the right answer."""
    return lambda handler, good: handler.answer(change(good))


def raw(content: bytes, kind: str = "application/json") -> Fault:
    """Answer with these bytes."""
    return lambda handler, _: handler.send(content, 200, kind)


def silent(handler: _Handler, _: object) -> None:
    """Never answer."""
    handler.vendor.released.wait(30)
    handler.close_connection = True


def dripping(handler: _Handler, good: object) -> None:
    """Send byte by byte, a little sooner each time than a pause would be noticed."""
    content = json.dumps(good).encode()
    handler.send(content[:1], 200, "application/json", announced=len(content))
    for at in range(1, len(content)):
        if handler.vendor.released.wait(0.05):
            break
        handler.wfile.write(content[at : at + 1])
        handler.wfile.flush()


def dripping_head(handler: _Handler, _: object) -> None:
    """The same before the body has even begun."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    while not handler.vendor.released.wait(0.05):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def cut(handler: _Handler, good: object) -> None:
    """Break off in the middle of the body."""
    content = json.dumps(good).encode()
    handler.send(content[: len(content) // 2], 200, "application/json", announced=len(content))
    handler.close_connection = True


def hung_up(handler: _Handler, _: object) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def endless(handler: _Handler, _: object) -> None:
    """Send blanks as long as anybody reads."""
    handler.send(b"", 200, "application/json", announced=1 << 40)
    while True:
        handler.wfile.write(b" " * (1 << 16))
