"""Counts of what a queue has done."""

from bisect import bisect_left
from dataclasses import dataclass, field

from bindery.encoders.figures import EncoderFigures, Histogram

# Seconds, from a text that runs at once to one that waits for minutes.
_BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)


class Durations:
    """How often something took how long."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._total = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        """Count it so many times."""
        self._counts[bisect_left(_BOUNDS, seconds)] += times
        self._total += seconds * times

    @property
    def total(self) -> float:
        """Their sum, in seconds."""
        return self._total

    def histogram(self) -> Histogram:
        """A snapshot."""
        return Histogram(_BOUNDS, tuple(self._counts), self._total)


@dataclass(slots=True)
class Tally:
    """The numbers of :class:`bindery.encoders.figures.EncoderFigures` that only grow."""

    queue_s: Durations = field(default_factory=Durations)
    model_s: Durations = field(default_factory=Durations)

    texts: int = 0
    tokens: int = 0
    batches: int = 0
    batch_tokens: int = 0
    padded_tokens: int = 0
    budget_tokens: int = 0
    failed_texts: int = 0
    failed_batches: int = 0
    abandoned_texts: int = 0
    expired_texts: int = 0
    refused_requests: int = 0
    workers_replaced: int = 0

    def figures(
        self,
        *,
        waiting_texts: int,
        waiting_tokens: int,
        running_texts: int,
        workers_alive: int,
        workers_hung: int,
    ) -> EncoderFigures:
        """A snapshot, with what is so at the moment."""
        return EncoderFigures(
            waiting_texts=waiting_texts,
            waiting_tokens=waiting_tokens,
            running_texts=running_texts,
            workers_alive=workers_alive,
            workers_hung=workers_hung,
            texts=self.texts,
            tokens=self.tokens,
            batches=self.batches,
            batch_tokens=self.batch_tokens,
            padded_tokens=self.padded_tokens,
            budget_tokens=self.budget_tokens,
            failed_texts=self.failed_texts,
            failed_batches=self.failed_batches,
            abandoned_texts=self.abandoned_texts,
            expired_texts=self.expired_texts,
            refused_requests=self.refused_requests,
            workers_replaced=self.workers_replaced,
            queue_s=self.queue_s.histogram(),
            model_s=self.model_s.histogram(),
        )
