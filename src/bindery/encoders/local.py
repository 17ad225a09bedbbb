"""What encoders whose model runs here have in common: tokenisers, and a queue for the engine."""

import weakref
from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from bindery.encoders.base import Blocking, Counts
from bindery.encoders.checks import check_fits, check_texts, prompt_of
from bindery.encoders.figures import EncoderFigures
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest
from bindery.encoders.scheduling import BatchRunner, Readout, Scheduler, Vectors, padded_length
from bindery.encoders.tokeniser import Tokeniser, Tokens
from bindery.engines import Engine
from bindery.models.card import ModelCard
from bindery.types import DOCUMENT, Role, Truncate


class LocalEncoder(Blocking):
    """An encoder over an engine on this machine.

    ``width`` is that of the engine's hidden states; ``attends_to_expansion`` and ``quick_length``
    are as :class:`BatchRunner` and :class:`Scheduler` have them.
    """

    def __init__(
        self,
        card: ModelCard,
        engine: Engine,
        *,
        width: int,
        queue_tokens: int | None,
        attends_to_expansion: bool = False,
        quick_length: Callable[[int], int] = padded_length,
    ) -> None:
        self._card = card
        self._precision = engine.precision.value
        body = BatchRunner(engine, width, attends_to_expansion=attends_to_expansion)
        self._scheduler = Scheduler(body, queue_tokens=queue_tokens, quick_length=quick_length)
        # Nothing that runs holds a reference to the encoder, so dropping the last one ends it all.
        self._finaliser = weakref.finalize(self, self._scheduler.close)

    @property
    def card(self) -> ModelCard:
        """See Encoder."""
        return self._card

    @property
    def precision(self) -> str:
        """See Encoder."""
        return self._precision

    @property
    def splits_at_blanks(self) -> bool:
        """See Encoder."""
        return self._tokeniser(DOCUMENT).splits_at_blanks

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

    def tokenise(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        titles: Sequence[str | None] | None = None,
        truncate: Truncate = Truncate.END,
    ) -> list[Tokens]:
        """The texts as the model sees them: prompts, special tokens and filling included."""
        return self._seen(EncodeRequest(texts, role, titles=titles, truncate=truncate))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See Encoder."""
        check_texts(texts)
        return self._tokeniser(DOCUMENT).count_tokens(texts)

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """See Encoder."""
        check_texts(texts)
        return self._tokeniser(DOCUMENT).token_offsets(texts)

    def room(self, role: Role) -> int:
        """See Encoder; a marker takes a token too."""
        return self._tokeniser(role).room(prompt_of(self._card, role))

    def close(self) -> None:
        """See Encoder."""
        self._finaliser()

    def _tokens(self, request: EncodeRequest, cancellation: Cancellation | None) -> list[Tokens]:
        """The request's texts, unless it would be refused anyway."""
        self._scheduler.check(cancellation)
        found = self._seen(request)
        if request.truncate is Truncate.ERROR:
            check_fits(self._card, found)
        return found

    def _seen(self, request: EncodeRequest) -> list[Tokens]:
        check_texts(request.texts)
        return self._tokenise(request)

    def _run(
        self, tokens: Sequence[Tokens], finish: Readout, cancellation: Cancellation | None
    ) -> Pending[list[Vectors]]:
        return Pending(self._scheduler.submit(tokens, finish, cancellation), lambda found: found)

    @abstractmethod
    def _tokeniser(self, role: Role) -> Tokeniser: ...

    @abstractmethod
    def _tokenise(self, request: EncodeRequest) -> list[Tokens]: ...


def counts(tokens: Sequence[Tokens]) -> tuple[Counts, Counts]:
    """The tokens used and cut of each text."""
    used = np.array([text.used for text in tokens], dtype=np.int64)
    return used, np.array([text.cut for text in tokens], dtype=np.int64)
