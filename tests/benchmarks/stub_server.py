"""A server of a few lines that does as it is told, so that harnesses meet every kind of fault."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[socket.socket, int], bool]
"""Answers the request of that number, over all connections; False hangs up afterwards."""


def answer(status: int = 200, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def well(connection: socket.socket, _number: int) -> bool:
    connection.sendall(answer())
    return True


def busy(connection: socket.socket, _number: int) -> bool:
    connection.sendall(answer(503, b"{}", "Retry-After: 1"))
    return True


def stalls_once(connection: socket.socket, number: int) -> bool:
    time.sleep(0.3 if number == 0 else 0.0)
    return well(connection, number)


def hangs_up(_connection: socket.socket, _number: int) -> bool:
    return False


def breaks_off(connection: socket.socket, _number: int) -> bool:
    connection.sendall(answer(200, b"x" * 1000)[:-1])
    return False


class Stub:
    """Serves in threads; after so many requests it refuses to connect."""

    def __init__(self, behaviour: Behaviour, most_requests: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=600)
        self.port = self._listener.getsockname()[1]
        self._behaviour = behaviour
        self._left = most_requests
        self._count = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self.refuse()
        for thread in self._threads:
            thread.join()

    def refuse(self) -> None:
        self._left = 0
        with suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while self._left:
                thread = threading.Thread(target=self._serve, args=self._listener.accept()[:1])
                thread.start()
                self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(2)
        with connection, suppress(OSError):  # the client has left
            while connection.recv(1 << 16):
                number, self._count = self._count, self._count + 1
                self._left -= 1
                if self._left <= 0:
                    self.refuse()
                if not self._behaviour(connection, number):
                    return


@contextmanager
def stub(behaviour: Behaviour, *, most_requests: int = 1_000_000) -> Iterator[int]:
    """The port of a stub that is closed afterwards."""
    server = Stub(behaviour, most_requests)
    try:
        yield server.port
    finally:
        server.close()
