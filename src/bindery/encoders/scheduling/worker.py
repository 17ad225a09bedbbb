"""A thread that runs batches."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

from bindery.encoders.scheduling.calls import Batch, Call


class Worker:
    """A thread, what it is at, and the calls that it is about to answer.

    ``is_quick``: it runs short texts that come alone, which are put into its ``inbox``, None at the
    end; others take from the queue.
    ``is_lost``: it hangs, and what it is at is run by others.
    """

    def __init__(self, work: Callable[["Worker"], None], name: str, *, is_quick: bool) -> None:
        self.is_quick = is_quick
        self.inbox: SimpleQueue[Batch | None] = SimpleQueue()
        self.is_lost = False
        self.batch: Batch | None = None
        self.began = 0.0
        self.over: list[Call] = []
        self.thread = threading.Thread(target=work, args=(self,), name=name, daemon=True)

    def begin(self, batch: Batch, now: float) -> None:
        """Be at a batch."""
        self.batch, self.began = batch, now
