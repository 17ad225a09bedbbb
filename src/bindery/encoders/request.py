"""What an encoder is asked for, as one value."""

from collections.abc import Sequence
from dataclasses import dataclass

from bindery.errors import InvalidValue
from bindery.types import Role, Span, TokenIds, Truncate


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """Texts, and what their vectors shall be.

    ``role`` is ``"query"``, ``"document"`` or a task of the model. ``dimensions`` cuts to one of
    the lengths the model was trained for and brings the vectors back to length 1;
    ``any_dimensions`` permits other lengths; None keeps the vectors as the model gives them.
    ``titles`` are those of the documents, one for each text, None for one without. ``truncate``
    says what becomes of a text longer than the model's window. ``ids`` are those of texts that were
    tokenised before, one for each, None for one that was not: :class:`bindery.types.TokenIds`.
    Whether a model takes all this is checked by its encoder. Raises InvalidValue for another way to
    truncate.
    """

    texts: Sequence[str]
    role: Role
    dimensions: int | None = None
    any_dimensions: bool = False
    titles: Sequence[str | None] | None = None
    truncate: Truncate = Truncate.END
    ids: Sequence[TokenIds | None] | None = None

    def __post_init__(self) -> None:
        try:
            # A plain "start" is equal to the member but is not it, and would be cut at the end.
            object.__setattr__(self, "truncate", Truncate(self.truncate))
        except ValueError:
            raise InvalidValue(
                f"{str(self.truncate)[:80]!r} is no way to truncate.",
                remedy=f"Choose one of: {', '.join(Truncate)}.",
                param="truncate",
            ) from None


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
    """Texts that run whole, of any length, and what the vectors of their spans shall be.

    ``role``, ``dimensions`` and ``any_dimensions`` are as in :class:`EncodeRequest`.
    """

    texts: Sequence[SpannedText]
    role: Role
    dimensions: int | None = None
    any_dimensions: bool = False
