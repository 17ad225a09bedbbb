"""What encoders with a model on this machine share: a tokeniser, and a queue for the engine."""

import weakref
from collections.abc import Callable, Sequence

import numpy as np

from bindery.encoders.base import Counts, Encoder
from bindery.encoders.checks import check_fits
from bindery.encoders.figures import EncoderFigures
from bindery.encoders.model_tokeniser import ModelTokeniser
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest
from bindery.encoders.scheduling import BatchRunner, Readout, Scheduler, Vectors, padded_length
from bindery.encoders.tokeniser import Tokens
from bindery.engines import Engine
from bindery.models.card import ModelCard
from bindery.models.layouts import Dense, Layout
from bindery.types import Truncate


class LocalEncoder(Encoder):
    """An encoder over an engine on this machine.

    ``width`` is that of the engine's hidden states. ``attends_to_expansion`` and ``quick_length``
    are those of :class:`BatchRunner` and :class:`Scheduler`.
    """

    def __init__(
        self,
        card: ModelCard,
        engine: Engine,
        tokeniser: ModelTokeniser,
        *,
        width: int,
        queue_tokens: int | None,
        attends_to_expansion: bool = False,
        quick_length: Callable[[int], int] = padded_length,
    ) -> None:
        self.card = card
        self.precision = engine.precision.value
        self._tokeniser = tokeniser
        runner = BatchRunner(engine, width, attends_to_expansion=attends_to_expansion)
        self._scheduler = Scheduler(runner, queue_tokens=queue_tokens, quick_length=quick_length)
        # No running thread refers to the encoder, so dropping the last reference closes it.
        self._finaliser = weakref.finalize(self, self._scheduler.close)

    @property
    def tokeniser(self) -> ModelTokeniser:
        """See Encoder."""
        return self._tokeniser

    @property
    def until_room_s(self) -> int:
        """See Encoder."""
        return self._scheduler.until_room_s

    @property
    def fault(self) -> str | None:
        """See Encoder."""
        return self._scheduler.fault

    def figures(self) -> EncoderFigures:
        """See Encoder."""
        return self._scheduler.figures()

    def close(self) -> None:
        """See Encoder."""
        self._finaliser()

    def _tokens(self, request: EncodeRequest, cancellation: Cancellation | None) -> list[Tokens]:
        """The request's tokens, unless the queue would refuse it anyway."""
        self._scheduler.check(cancellation)
        found = self._tokeniser.tokenise(
            request.texts,
            request.options.role,
            titles=request.titles,
            truncate=request.options.truncate,
            known=request.ids,
            cancellation=cancellation,
        )
        if request.options.truncate is Truncate.ERROR:
            check_fits(self.card, found)
        return found

    def _run(
        self, tokens: Sequence[Tokens], readout: Readout, cancellation: Cancellation | None
    ) -> Pending[list[Vectors]]:
        return Pending(self._scheduler.submit(tokens, readout, cancellation), lambda found: found)


def counts(tokens: Sequence[Tokens]) -> tuple[Counts, Counts]:
    """The tokens used and cut of each text."""
    used = np.array([text.used for text in tokens], dtype=np.int64)
    return used, np.array([text.cut for text in tokens], dtype=np.int64)


def hidden_width(layout: Layout) -> int:
    """The width of the body's hidden states."""
    pooled = next(
        (step.inputs for step in layout.steps if isinstance(step, Dense)), layout.card.dimensions
    )
    return pooled // len(layout.card.pooling)
