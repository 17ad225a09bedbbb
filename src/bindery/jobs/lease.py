"""Who runs a job: one process at a time, until it ends, says so or is not heard of any more."""

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

# Cancelling is to be felt within a second; reading a row takes less than a millisecond.
_LOOK_S = 0.3
_RENEW_S = rows.LEASE_S / 3


def new_holder() -> str:
    """A name for this process that tells whether it lives."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"


def is_dead(holder: str, me: str) -> bool:
    """Whether the process of that name has surely ended; of another machine nobody here knows."""
    host, pid, _ = holder.rsplit(":", 2)
    my_host, my_pid, _ = me.rsplit(":", 2)
    # Another one of this number may be within this process, or before it in a container.
    if host != my_host or pid == my_pid:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it lives, and is another user's
        return False
    return False


class Watch:
    """Renews the lease of a job that runs, and notices when it is cancelled or taken away.

    ``when`` is called once either is so.
    """

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
            # A disk that fails is told by whoever writes what was done; the lease may run out.
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
