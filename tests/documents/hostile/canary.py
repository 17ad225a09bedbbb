"""A listener that nobody should call, and a watch on attempts that never reach it."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Canary:
    """Counts connections to a port of 127.0.0.1, and calls of this process towards any network."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.hits = 0
        self.attempts: list[str] = []
        self._open = True
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        sys.addaudithook(self._audit)  # for good: it cannot be taken off

    def close(self) -> None:
        port = self._listener.getsockname()[1]
        self._open = False
        socket.create_connection(("127.0.0.1", port)).close()
        self._thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.close()
            if not self._open:
                return
            self.hits += 1

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        calls = event in {"socket.connect", "socket.getaddrinfo", "urllib.Request"}
        if self._open and calls and threading.current_thread() is threading.main_thread():
            self.attempts.append(f"{event} {arguments!r}")


@contextmanager
def canary() -> Iterator[Canary]:
    """Listen while the block runs."""
    listening = Canary()
    try:
        yield listening
    finally:
        listening.close()
