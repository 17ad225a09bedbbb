"""The lease of a job, which one process at a time has, and which expires if it is not renewed."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from bindery.errors import StorageError
from bindery.store import jobs as rows
from bindery.store.database import Database

# Cancelling should take less than a second; reading a row takes less than a millisecond.
_LOOK_S = 0.3
_RENEW_S = rows.LEASE_S / 3


def new_holder() -> str:
    """A unique name for this process, by which others can see whether it is alive."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"


def is_dead(holder: str, me: str) -> bool:
    """Whether the process has certainly ended, which is only known for this machine."""
    host, pid, _ = holder.rsplit(":", 2)
    my_host, my_pid, _ = me.rsplit(":", 2)
    # The same pid may be this process, or an earlier one in a container.
    if host != my_host or pid == my_pid:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is alive and belongs to another user
        return False
    return False


class Watch:
    """Renews the lease of a running job; calls ``when`` if it is cancelled or the lease is lost."""

    def __init__(
        self, database: Database, job_id: str, holder: str, when: Callable[[], None]
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._holder = holder
        self._when = when
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="bindery-lease", daemon=True)
        self.is_cancelled = False
        self.is_lost = False

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        renewed = time.monotonic()
        while not self._ended.wait(_LOOK_S):
            # On a failing disk, storing the results raises the error; the lease may expire.
            with suppress(StorageError):
                self._look()
                if time.monotonic() - renewed > _RENEW_S and not self.is_lost:
                    with self._database.writing() as connection:
                        self.is_lost = not rows.renew_lease(connection, self._job_id, self._holder)
                    renewed = time.monotonic()
            if self.is_lost or self.is_cancelled:
                self._when()
                return

    def _look(self) -> None:
        with self._database.reading() as connection:
            row = rows.find_job(connection, self._job_id)
        self.is_lost = row is None or row.lease_holder != self._holder
        self.is_cancelled = row is not None and row.is_cancelled
