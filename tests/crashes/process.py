"""A writer under way, heard and ended."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Writer:
    """The process, and every line that it has said."""

    def __init__(
        self, module: str, arguments: Sequence[object], *, prefix: Sequence[str] = ()
    ) -> None:
        command = [*prefix, sys.executable, "-m", module, *map(str, arguments)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        self.lines: list[bytes] = []
        self._is_ready = threading.Event()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait for its first line, or its end."""
        self._is_ready.wait()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, timeout_s: float = 120.0) -> int:
        """Wait for its end, and for all that it said; its status."""
        status = self._process.wait(timeout_s)
        self._listener.join()
        return status

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                self.lines.append(line)
                self._is_ready.set()
        self._is_ready.set()
