"""The requests to an encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

from bindery.errors import InvalidValue
from bindery.models.card import ModelCard
from bindery.options import VectorOptions
from bindery.types import DOCUMENT, Chunk, Document, Span, TokenIds


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """Texts and the options of their vectors.

    ``titles`` has one title or None for each text; without it, every text has the title of the
    options. ``ids`` has the token ids of each text that was tokenised before, or None
    (:class:`bindery.types.TokenIds`). The encoder checks whether its model supports all this.
    """

    texts: Sequence[str]
    options: VectorOptions = VectorOptions()
    titles: Sequence[str | None] | None = None
    ids: Sequence[TokenIds | None] | None = None

    def __post_init__(self) -> None:
        if self.titles is None and self.options.title is not None:
            object.__setattr__(self, "titles", [self.options.title] * len(self.texts))


@dataclass(frozen=True, slots=True)
class SpannedText:
    """A text, and its spans to embed, in order; they may overlap.

    Raises InvalidValue for spans out of order or beyond the text, and if there are no spans.
    """

    text: str
    spans: tuple[Span, ...]

    def __post_init__(self) -> None:
        starts = [span.start for span in self.spans]
        ends = [span.end for span in self.spans]
        if starts != sorted(starts) or ends != sorted(ends):
            raise InvalidValue("Spans must be in the order of the text.", param="spans")
        if not ends or ends[-1] > len(self.text):
            raise InvalidValue(
                f"Spans must be within the {len(self.text)} characters of the text, "
                f"but they end at {ends[-1:]}.",
                param="spans",
            )

    @classmethod
    def joined(cls, parts: Sequence[str]) -> "SpannedText":
        """Join the parts of a text, with a blank between parts that have none there.

        Raises InvalidValue for an empty part.
        """
        pieces: list[str] = []
        spans: list[Span] = []
        length = 0
        for index, part in enumerate(parts):
            if not part:
                raise InvalidValue(f"Part {index} of a text is empty.", param="texts")
            if pieces and not (pieces[-1][-1].isspace() or part[0].isspace()):
                pieces.append(" ")
                length += 1
            pieces.append(part)
            spans.append(Span(length, length + len(part)))
            length += len(part)
        return cls("".join(pieces), tuple(spans))


@dataclass(frozen=True, slots=True)
class SpansRequest:
    """Texts of any length, and the options of the vectors of their spans.

    Raises InvalidValue if the options have a title, which is for texts with a single vector.
    """

    texts: Sequence[SpannedText]
    options: VectorOptions = VectorOptions()

    def __post_init__(self) -> None:
        if self.options.title is not None:
            raise InvalidValue(
                "Late chunking does not support a title.", remedy="Leave it out.", param="title"
            )


def has_title_slot(card: ModelCard, options: VectorOptions) -> bool:
    """Whether the context of a chunk goes where the model's prompt of documents has a title."""
    return bool(card.title_prompt) and options.role == DOCUMENT and options.title is None


def chunks_request(
    chunks: Sequence[Chunk],
    options: VectorOptions,
    *,
    late_in: Document | None = None,
    title_slot: bool = False,
) -> EncodeRequest | SpansRequest:
    """The request for the vectors of chunks, in order.

    Each chunk is one text, with its context before it, or in the place of its title if
    ``title_slot`` says that the model has one (:func:`has_title_slot`). With ``late_in``, the
    document that they are from, they are embedded by late chunking.
    """
    if late_in is None and title_slot:
        titles = [chunk.context.strip() or None for chunk in chunks]
        ids = [chunk.ids for chunk in chunks]
        return EncodeRequest([chunk.text for chunk in chunks], options, titles, ids)
    if late_in is None:
        texts = [chunk.context + chunk.text for chunk in chunks]
        # A context changes how the text is cut into tokens.
        ids = [None if chunk.context else chunk.ids for chunk in chunks]
        return EncodeRequest(texts, options, ids=ids)
    if any(chunk.context for chunk in chunks):
        raise InvalidValue(
            "Late chunking does not support context, but some chunks have one.", param="context"
        )
    spans = tuple(chunk.span for chunk in chunks)
    return SpansRequest([SpannedText(late_in.text, spans)] if spans else [], options)
