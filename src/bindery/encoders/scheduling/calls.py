"""What waits and what runs: calls, their texts, and batches of texts of several calls."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.encoders.scheduling.padding import Ids, padded_length
from bindery.encoders.tokeniser import Tokens
from bindery.errors import BinderyError, TextFailed

Vectors: TypeAlias = tuple[npt.NDArray[np.float32], ...]
"""What an encoder makes of one text: a vector, vectors of its tokens, or both."""

Readout: TypeAlias = Callable[[npt.NDArray[np.float32], Ids, list[Tokens]], Sequence[Vectors]]
"""Hidden states (b, s, h), mask (b, s) and texts of a batch in; what is made of each text, out."""


class Call:
    """One caller's texts: what is still to run, by padded length, and the results by place.

    ``turn`` is what :class:`FairQueue` sorts by. A call is over once it has an error or all its
    results; ``queued`` counts its texts that wait, ``missing`` those and the ones that run.
    """

    def __init__(
        self,
        texts: Sequence[Tokens],
        readout: Readout,
        *,
        entered: float = 0.0,
        deadline: float | None = None,
    ) -> None:
        self.readout = readout
        self.entered = entered
        self.deadline = deadline
        self.turn = 0.0
        self.queued = self.missing = len(texts)
        self.waiting: dict[int, deque[Text]] = {}
        self.results: list[Vectors | None] = [None] * len(texts)
        self.bad: dict[int, BaseException] = {}
        self.error: BinderyError | None = None
        self.is_over = False
        self.future: Future[list[Vectors]] = Future()
        self.padded_tokens = 0
        for place, tokens in enumerate(texts):
            length = padded_length(len(tokens))
            self.padded_tokens += length
            self.waiting.setdefault(length, deque()).append(Text(self, place, tokens))

    def failure(self) -> TextFailed:
        """The texts that failed, as one error: each of them failed by itself."""
        place = min(self.bad)
        first = self.bad[place]
        more = f" and on {len(self.bad) - 1} more" if len(self.bad) > 1 else ""
        error = TextFailed(
            f"The engine fails on text {place} by itself{more}: {described(first)}",
            remedy=first.remedy if isinstance(first, BinderyError) else "",
            param="texts",
            places=tuple(sorted(self.bad)),
        )
        error.__cause__ = first
        return error


@dataclass(slots=True, eq=False)
class Text:
    """One text of a call, and how often it has failed alone."""

    call: Call
    place: int
    tokens: Tokens
    failures: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Texts that run together, padded to one length; all of them are finished alike."""

    texts: tuple[Text, ...]
    length: int
    readout: Readout = field(repr=False)

    @property
    def tokens(self) -> int:
        """The tokens of the texts."""
        return sum(len(text.tokens) for text in self.texts)

    @property
    def padded_tokens(self) -> int:
        """The same, padding included."""
        return self.length * len(self.texts)


def described(error: BaseException) -> str:
    """What an error says, whatever it is."""
    try:
        return error.message if isinstance(error, BinderyError) else f"{error!r}."
    except BaseException:  # noqa: BLE001 - not ours: even its name may be out of order
        return f"{type(error).__name__}."
