"""What an encoder is asked for, as one value."""

from collections.abc import Sequence
from dataclasses import dataclass

from bindery.errors import InvalidValue
from bindery.options import VectorOptions
from bindery.types import Chunk, Document, Span, TokenIds


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """Texts, and what their vectors are to be.

    ``titles`` are the titles of the documents, one for each text, None for a text without; if they
    are not given, every text has the title of the options. ``ids`` are the token ids of texts that
    were tokenised before, one for each text, None for a text that was not
    (:class:`bindery.types.TokenIds`). The encoder checks whether its model takes all this.
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
    """A text, and the spans of it that shall have a vector each, in order; they may overlap.

    Raises InvalidValue for spans out of order or beyond the text, and for none.
    """

    text: str
    spans: tuple[Span, ...]

    def __post_init__(self) -> None:
        starts = [span.start for span in self.spans]
        ends = [span.end for span in self.spans]
        if starts != sorted(starts) or ends != sorted(ends):
            raise InvalidValue("The spans of a text are out of order.", param="spans")
        if not ends or ends[-1] > len(self.text):
            raise InvalidValue(
                f"The spans of a text of {len(self.text)} characters end at {ends[-1:]}.",
                param="spans",
            )

    @classmethod
    def joined(cls, parts: Sequence[str]) -> "SpannedText":
        """Parts of one text, in order, put together again: a blank between those without one.

        Raises InvalidValue for a part without a character.
        """
        pieces: list[str] = []
        spans: list[Span] = []
        length = 0
        for place, part in enumerate(parts):
            if not part:
                raise InvalidValue(f"Part {place} of a text is empty.", param="texts")
            if pieces and not (pieces[-1][-1].isspace() or part[0].isspace()):
                pieces.append(" ")
                length += 1
            pieces.append(part)
            spans.append(Span(length, length + len(part)))
            length += len(part)
        return cls("".join(pieces), tuple(spans))


@dataclass(frozen=True, slots=True)
class SpansRequest:
    """Texts of any length that are read whole, and what the vectors of their spans are to be.

    Raises InvalidValue if the options have a title, which belongs to a text with a single vector.
    """

    texts: Sequence[SpannedText]
    options: VectorOptions = VectorOptions()

    def __post_init__(self) -> None:
        if self.options.title is not None:
            raise InvalidValue(
                "Late chunking takes no title.", remedy="Leave the title out.", param="title"
            )


def chunks_request(
    chunks: Sequence[Chunk], options: VectorOptions, *, late_in: Document | None = None
) -> EncodeRequest | SpansRequest:
    """What to ask for to get the vectors of chunks, in their order.

    Each chunk is a text of its own, with its context before it. With ``late_in``, the document that
    they were cut from, they are embedded by late chunking.
    """
    if late_in is None:
        texts = [chunk.context + chunk.text for chunk in chunks]
        # A context changes how the text is cut into tokens.
        ids = [None if chunk.context else chunk.ids for chunk in chunks]
        return EncodeRequest(texts, options, ids=ids)
    if any(chunk.context for chunk in chunks):
        raise InvalidValue(
            "Late chunking takes no context, but some of the chunks have one.", param="context"
        )
    spans = tuple(chunk.span for chunk in chunks)
    return SpansRequest([SpannedText(late_in.text, spans)] if spans else [], options)
