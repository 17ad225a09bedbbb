"""The threads of an engine, its speed, and whether it works."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from bindery.encoders.scheduling.calls import Batch, Call, Readout, Text
from bindery.encoders.tokeniser import Tokens

# Every table has an id 0.
_SHORTEST = Tokens(np.zeros(1, dtype=np.int32), cut=0, prompt=0, text=(0, 1))

# A stall must be noticed within a second; a batch of a small model takes a tenth of one.
_PATIENCE_S = 0.75
_TIMES_AS_LONG = 5

# The weight of the latest batch in the running mean.
_LATEST = 0.2

# After this many failed batches in a row the fault may be the engine's, not the texts'.
_SUSPICIOUS = 4


class BatchWorker:
    """A thread that runs batches, the batch that it is running, and the calls it will answer.

    A worker that ``is_quick`` runs short texts that come alone; they are put into its ``inbox``,
    and None ends it. The others take batches from the queue. A worker that ``is_lost`` hangs, and
    others run its batch again.
    """

    def __init__(self, work: Callable[["BatchWorker"], None], name: str, *, is_quick: bool) -> None:
        self.is_quick = is_quick
        self.inbox: SimpleQueue[Batch | None] = SimpleQueue()
        self.is_lost = False
        self.batch: Batch | None = None
        self.began = 0.0
        self.over: list[Call] = []
        self.thread = threading.Thread(target=work, args=(self,), name=name, daemon=True)

    def begin(self, batch: Batch, now: float) -> None:
        """Note which batch it runs, and since when."""
        self.batch, self.began = batch, now


class Health:
    """Judges an engine by how its batches end. The user holds a lock.

    ``hang_s`` is how long a batch of ``batch_tokens`` may run; a larger one may run longer in
    proportion. ``stalled`` says why there is no progress, ``failing`` why everything is refused;
    both are None if all is well.
    """

    def __init__(self, hang_s: float, batch_tokens: int) -> None:
        self.stalled: str | None = None
        self.failing: str | None = None
        self._hang_s = hang_s
        self._batch_tokens = batch_tokens
        self._token_s: float | None = None
        self._failures = 0
        self._example: tuple[Tokens, Readout] | None = None

    @property
    def fault(self) -> str | None:
        """Why there are no answers at the moment; None if there are."""
        return self.failing or self.stalled

    def limit_s(self, batch: Batch) -> float:
        """How long a batch may run before it counts as hanging forever."""
        return self._hang_s * max(1.0, batch.padded_tokens / self._batch_tokens)

    def patience_s(self, batch: Batch) -> float:
        """How long a batch may run before it seems to hang: several times its usual time."""
        limit_s = self.limit_s(batch)
        if self._token_s is None:
            return limit_s
        usual_s = self._token_s * batch.padded_tokens
        return min(limit_s, max(_PATIENCE_S, _TIMES_AS_LONG * usual_s))

    def went_well(self, batch: Batch, good: Text, seconds: float) -> None:
        """A batch gave at least one result."""
        token_s = seconds / batch.padded_tokens
        known = token_s if self._token_s is None else self._token_s
        self._token_s = known + _LATEST * (token_s - known)
        self._failures = 0
        self.stalled = self.failing = None
        self._example = good.tokens, batch.readout

    def went_wrong(self, batch: Batch) -> None:
        """A batch ended without a result."""
        self._failures += 1
        self.stalled = None
        self.went_missing(batch)

    def went_missing(self, batch: Batch) -> None:
        """A batch did not end."""
        self._example = self._example or (_SHORTEST, batch.readout)

    @property
    def is_suspicious(self) -> bool:
        """Whether the engine should be tested on a text that worked before."""
        return self._failures >= _SUSPICIOUS

    def probe(self, now: float) -> Call:
        """A call that tests the engine: the last text that worked, or the shortest possible."""
        assert self._example is not None
        self._failures = 0
        tokens, readout = self._example
        return Call([tokens], readout, entered=now)
