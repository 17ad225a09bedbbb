"""What is noted of a request while it is answered: how far it is, and what it asked for."""

import time
from enum import StrEnum
from typing import cast

import numpy as np
from starlette.requests import Request
from starlette.types import Scope

from bindery.encoders.base import UNKNOWN, Counts
from bindery.errors import BinderyError


class RequestStage(StrEnum):
    """The parts of a request's way, in order; ``READ`` and ``SEND`` are marked for every route."""

    READ = "read"
    """Its head is there, and its body comes."""
    PARSE = "parse"
    """The body is checked, once a thread is free for it."""
    WAIT = "wait"
    """The texts are cut into tokens, wait for their turn, and the model runs."""
    WRITE = "write"
    """The answer is written down."""
    SEND = "send"
    """The answer goes out."""


class RequestTimings:
    """One request: how long each stage took, what it asked for, and how it was refused.

    A route notes what only it knows, from one thread at a time; all is read once the answer is out.
    ``laps`` are the stages that ended, each with its beginning and its end. ``begun_ns`` is a time
    of day, every other time one of ``perf_counter``.
    """

    __slots__ = (
        "_since",
        "_stage",
        "begun",
        "begun_ns",
        "cut_texts",
        "cut_tokens",
        "dialect",
        "ended",
        "error",
        "laps",
        "model",
        "texts",
        "tokens",
    )

    def __init__(self) -> None:
        self.begun = self.ended = self._since = time.perf_counter()
        self.begun_ns = time.time_ns()
        self.laps: list[tuple[RequestStage, float, float]] = []
        self._stage: RequestStage | None = None
        self.dialect = ""
        self.error = ""
        self.model = ""
        self.texts = self.tokens = self.cut_texts = self.cut_tokens = 0

    def mark(self, stage: RequestStage | None) -> None:
        """Say that ``stage`` begins, or something that is none, and that the one before ends."""
        now = time.perf_counter()
        if self._stage is not None:
            self.laps.append((self._stage, self._since, now))
        self._stage, self._since = stage, now

    def mark_read(self) -> None:
        """Say that the body is there; what follows is no stage until the route names it."""
        if self._stage is None and not self.laps:
            self._stage = RequestStage.READ
            self.mark(None)

    def end(self) -> None:
        """Say that the answer is out."""
        self.mark(None)
        self.ended = self._since

    def count(self, model_id: str, cut: Counts, *, tokens: int) -> None:
        """Say which model of the catalog saw how many tokens, and how many of each text it did not.

        Both may be ``UNKNOWN``.
        """
        self.model = model_id
        self.texts += len(cut)
        self.tokens += tokens if tokens != UNKNOWN else 0
        if np.count_nonzero(cut):
            lost = cut[cut > 0]
            self.cut_texts += len(lost)
            self.cut_tokens += int(lost.sum())


def timings_of(request: Request) -> RequestTimings:
    """What is noted of the request."""
    return cast(RequestTimings, request.scope["state"]["timings"])


def note_error(scope: Scope, error: BinderyError) -> None:
    """Note that the request is answered with an error."""
    cast(RequestTimings, scope["state"]["timings"]).error = error.code
