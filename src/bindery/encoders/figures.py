"""The metrics of a model's queue: declared once, filled by the queue, shown by ``/metrics``.

The name, the kind and the help text of a field are those of its metric (see :func:`described`).
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any


class MetricKind(StrEnum):
    """The kind of a metric: it only grows, goes up and down, or counts values in buckets."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Histogram:
    """A histogram: how many values fell into each bucket.

    ``counts[i]`` values were at most ``bounds[i]`` and above the bound before; the last count, one
    more than there are bounds, is of values above all of them. ``total`` is the sum of the values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> "Histogram":
        """A snapshot."""
        found = Histogram(self.bounds)
        found.counts, found.total = self.counts.copy(), self.total
        return found


# From a text that runs at once to one that waits for minutes.
_BOUNDS_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)


def counter(help: str) -> Any:  # noqa: ANN401 - the type of a field is that of its annotation
    """A field that only grows, from 0."""
    return field(default=0, metadata={"kind": MetricKind.COUNTER, "help": help})


def gauge(help: str) -> Any:  # noqa: ANN401
    """A field that goes up and down, from 0."""
    return field(default=0, metadata={"kind": MetricKind.GAUGE, "help": help})


def _histogram(help: str) -> Any:  # noqa: ANN401
    return field(
        default_factory=lambda: Histogram(_BOUNDS_S),
        metadata={"kind": MetricKind.HISTOGRAM, "help": help},
    )


def described(figures: type) -> Iterator[tuple[str, MetricKind, str]]:
    """The name, kind and help text of each field of a dataclass that is a metric, in order."""
    for one in fields(figures):
        if "kind" in one.metadata:
            yield one.name, one.metadata["kind"], one.metadata["help"]


@dataclass(slots=True)
class EncoderFigures:
    """The work of one model. The queue fills it under its lock; callers get a snapshot.

    ``batch_tokens / padded_tokens`` and ``padded_tokens / budget_tokens`` say how full batches are.
    """

    queue_texts: int = gauge("Texts that wait for the model.")
    queue_tokens: int = gauge("Tokens that wait for the model.")
    running_texts: int = gauge("Texts in the batches that run.")
    workers_alive: int = gauge("Workers that take batches.")
    workers_hung: int = gauge("Workers whose batch runs far too long.")
    texts: int = counter("Texts embedded.")
    tokens: int = counter("Tokens embedded, padding left out.")
    batches: int = counter("Batches run.")
    batch_tokens: int = counter("Tokens of texts in batches.")
    padded_tokens: int = counter("Tokens in batches, padding included.")
    budget_tokens: int = counter("Tokens that the batches could have held.")
    failed_texts: int = counter("Texts that the engine failed on.")
    failed_batches: int = counter("Batches that failed as a whole.")
    abandoned_texts: int = counter("Texts dropped: the client left.")
    expired_texts: int = counter("Texts dropped: their time was up.")
    refused_requests: int = counter("Requests the queue had no room for.")
    workers_replaced: int = counter("Workers that died or hung.")
    queue_seconds: Histogram = _histogram("How long texts waited before they ran.")  # noqa: RUF009
    batch_seconds: Histogram = _histogram("How long a batch ran.")  # noqa: RUF009

    def snapshot(self) -> "EncoderFigures":
        """A copy that does not change."""
        return replace(
            self,
            queue_seconds=self.queue_seconds.copy(),
            batch_seconds=self.batch_seconds.copy(),
        )
