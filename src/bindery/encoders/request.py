"""What an encoder is asked for, as one value."""

from collections.abc import Sequence
from dataclasses import dataclass

from bindery.errors import InvalidValue
from bindery.types import Role, Truncate


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """Texts, and what their vectors shall be.

    ``role`` is ``"query"``, ``"document"`` or a task of the model. ``dimensions`` cuts to one of
    the lengths the model was trained for and brings the vectors back to length 1;
    ``any_dimensions`` permits other lengths; None keeps the vectors as the model gives them.
    ``titles`` are those of the documents, one for each text, None for one without. ``truncate``
    says what becomes of a text longer than the model's window. Whether a model takes all this is
    checked by its encoder. Raises InvalidValue for another way to truncate.
    """

    texts: Sequence[str]
    role: Role
    dimensions: int | None = None
    any_dimensions: bool = False
    titles: Sequence[str | None] | None = None
    truncate: Truncate = Truncate.END

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
