"""What an encoder tells of its work, as numbers that only ever grow unless their name says so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a value lay where.

    ``counts[i]`` values were at most ``bounds[i]`` and above the bound before; the last count, one
    more than there are bounds, is of those beyond all of them. ``total`` is their sum.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


@dataclass(frozen=True, slots=True)
class EncoderFigures:
    """A snapshot. ``waiting_*``, ``running_texts`` and ``workers_*`` are of the moment.

    ``batch_tokens`` are tokens of texts, ``padded_tokens`` those with padding, and
    ``budget_tokens`` what as many batches could have held: their ratios are the batches' fill.
    ``queue_s`` is how long texts waited before they ran, ``model_s`` how long a batch ran, both in
    seconds.
    """

    waiting_texts: int
    waiting_tokens: int
    running_texts: int
    workers_alive: int
    workers_hung: int
    texts: int
    tokens: int
    batches: int
    batch_tokens: int
    padded_tokens: int
    budget_tokens: int
    failed_texts: int
    failed_batches: int
    abandoned_texts: int
    expired_texts: int
    refused_requests: int
    workers_replaced: int
    queue_s: Histogram
    model_s: Histogram
