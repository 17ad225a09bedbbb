"""The record of a request: the time of each stage, and its model and tokens."""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

import numpy as np
from starlette.requests import Request
from starlette.types import Scope

from bindery.encoders.base import UNKNOWN, Counts
from bindery.errors import BinderyError


class RequestStage(StrEnum):
    """The stages of a request, in order; only ``READ`` and ``SEND`` exist for every route."""

    READ = "read"
    """Receiving the body."""
    PARSE = "parse"
    """Waiting for a thread, and checking the body."""
    WAIT = "wait"
    """Tokenising, waiting in the queue, and running the model."""
    WRITE = "write"
    """Writing the answer."""
    SEND = "send"
    """Sending the answer."""


@dataclass(slots=True)
class RequestTimings:
    """One request: the time of each stage, what it asked for, and its answer or error.

    The route and the observer write to it, from one thread at a time; it is read after the answer.
    ``laps`` are the finished stages with their start and end. ``begun_ns`` is wall-clock time, all
    others are times of ``perf_counter``. ``status`` is 0 until the answer starts.
    """

    begun: float = field(default_factory=time.perf_counter)
    begun_ns: int = field(default_factory=time.time_ns)
    ended: float = 0.0
    laps: list[tuple[RequestStage, float, float]] = field(default_factory=list[Any])
    status: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    dialect: str = ""
    error: str = ""
    model: str = ""
    texts: int = 0
    tokens: int = 0
    cut_texts: int = 0
    cut_tokens: int = 0
    _stage: RequestStage | None = field(default=None, init=False)
    _since: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._since = self.begun

    def mark(self, stage: RequestStage | None) -> None:
        """End the current stage, and begin ``stage`` unless it is None."""
        now = time.perf_counter()
        if self._stage is not None:
            self.laps.append((self._stage, self._since, now))
        self._stage, self._since = stage, now

    def mark_read(self) -> None:
        """The body has arrived. No stage runs until the route marks one."""
        if self._stage is None and not self.laps:
            self._stage = RequestStage.READ
            self.mark(None)

    def end(self) -> None:
        """The answer has been sent."""
        self.mark(None)
        self.ended = self._since

    def count(self, model_id: str, cut: Counts, *, tokens: int) -> None:
        """Record the model, the tokens that it read, and the tokens cut from each text.

        Both counts may be ``UNKNOWN``.
        """
        self.model = model_id
        self.texts += len(cut)
        self.tokens += tokens if tokens != UNKNOWN else 0
        if np.count_nonzero(cut):
            lost = cut[cut > 0]
            self.cut_texts += len(lost)
            self.cut_tokens += int(lost.sum())


def timings_of(request: Request) -> RequestTimings:
    """The timings of the request."""
    return cast(RequestTimings, request.scope["state"]["timings"])


def note_error(scope: Scope, error: BinderyError) -> None:
    """Record that the request is answered with an error."""
    cast(RequestTimings, scope["state"]["timings"]).error = error.code
