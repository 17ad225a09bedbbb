"""What is known of an engine: how fast it is, whether it goes on, whether it fails on all texts."""

import numpy as np

from bindery.encoders.scheduling.calls import Batch, Call, Readout, Text
from bindery.encoders.tokeniser import Tokens

# Every table has an id 0.
_SHORTEST = Tokens(np.zeros(1, dtype=np.int32), cut=0, prompt=0, text=(0, 1))

# Within a second it shall be known that nothing goes on; a batch of a small model takes a tenth.
_PATIENCE_S = 0.75
_TIMES_AS_LONG = 5

# What the latest batch counts in the running mean.
_LATEST = 0.2

# After so many batches in a row of which nothing came, it may be the engine and not the texts.
_SUSPICIOUS = 4


class Health:
    """The verdict on an engine, from how its batches end. Whoever uses it holds a lock.

    ``hang_s`` is how long a batch of ``batch_tokens`` may run; a longer one may in proportion.
    ``stalled`` says why nothing goes on, ``failing`` why all is refused; None where it is well.
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
        """Why nothing is answered just now."""
        return self.failing or self.stalled

    def limit_s(self, batch: Batch) -> float:
        """How long a batch may run before it is taken to hang for ever."""
        return self._hang_s * max(1.0, batch.padded_tokens / self._batch_tokens)

    def patience_s(self, batch: Batch) -> float:
        """How long a batch may run before it seems to hang: some times as long as is usual."""
        limit_s = self.limit_s(batch)
        if self._token_s is None:
            return limit_s
        usual_s = self._token_s * batch.padded_tokens
        return min(limit_s, max(_PATIENCE_S, _TIMES_AS_LONG * usual_s))

    def went_well(self, batch: Batch, good: Text, seconds: float) -> None:
        """A batch gave something: all is well."""
        token_s = seconds / batch.padded_tokens
        known = token_s if self._token_s is None else self._token_s
        self._token_s = known + _LATEST * (token_s - known)
        self._failures = 0
        self.stalled = self.failing = None
        self._example = good.tokens, batch.readout

    def went_wrong(self, batch: Batch) -> None:
        """A batch gave nothing, though it came to an end."""
        self._failures += 1
        self.stalled = None
        self.went_missing(batch)

    def went_missing(self, batch: Batch) -> None:
        """A batch came to no end."""
        self._example = self._example or (_SHORTEST, batch.readout)

    @property
    def is_suspicious(self) -> bool:
        """Whether the engine should be proven on a text: it may be it that fails, not the texts."""
        return self._failures >= _SUSPICIOUS

    def probe(self, now: float) -> Call:
        """A call to prove it by: the last text that went well, or the shortest there can be."""
        assert self._example is not None
        self._failures = 0
        tokens, readout = self._example
        return Call([tokens], readout, entered=now)
