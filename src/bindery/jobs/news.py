"""Tells those who wait within a process that something has changed."""

import threading


class News:
    """Waits end when somebody tells, or after their time. Safe to use from several threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def tell(self) -> None:
        """End all waits."""
        with self._condition:
            self._condition.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait until somebody tells, so long at most."""
        with self._condition:
            self._condition.wait(timeout_s)
