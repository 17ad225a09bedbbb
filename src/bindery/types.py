"""The small values that travel between the parts: where a text is, what it is, whom it serves."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from bindery.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Role: TypeAlias = str
"""What a text is to the search: ``"query"``, ``"document"`` or the name of a task of the model.

Models trained with prompts put another one before each role, so it is never guessed.
"""

QUERY: Role = "query"
DOCUMENT: Role = "document"


class Truncate(StrEnum):
    """What becomes of a text longer than the window: its end or its start is cut, or an error."""

    END = "end"
    START = "start"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of code points of a document's text: never empty, never backwards."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InvalidValue(f"A span runs forwards from 0 up; {self.start}:{self.end} does not.")

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a document that its author set apart: a heading, a paragraph, a table, a page.

    ``kind`` is one of :data:`BLOCK_KINDS`; ``level`` is the depth of a heading (1 to 6) and 0 for
    all else; ``page`` counts from 1 and is None where the format has no pages. A ``header`` or a
    ``footer`` is what repeats on page after page: part of the text, but of no chapter.
    """

    kind: str
    span: Span
    level: int = 0
    page: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in BLOCK_KINDS:
            raise InvalidValue(
                f"{self.kind!r} is no kind of block; known: {', '.join(BLOCK_KINDS)}."
            )
        levels = range(1, 7) if self.kind == "heading" else range(1)
        if self.level not in levels:
            raise InvalidValue(f"A {self.kind} cannot have level {self.level}.")
        if self.page is not None and self.page < 1:
            raise InvalidValue(f"Pages count from 1; {self.page} is none.")


BLOCK_KINDS = (
    *("heading", "paragraph", "list_item", "table", "code", "page"),
    *("header", "footer"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its canonical text, and where its parts lie in it.

    ``text`` holds no surrogates, so it can always be written as UTF-8. ``kind`` is a key of the
    readers' table (``"pdf"``). ``name`` is what the user called it: shown, never used as a path.
    ``blocks`` rise by start and may nest (a page holds paragraphs). ``warnings`` are sentences on
    what the reader had to guess or leave out. ``title`` is what the document calls itself, on one
    line; empty where it does not.
    """

    text: str
    kind: str
    name: str
    blocks: tuple[Block, ...] = ()
    warnings: tuple[str, ...] = ()
    title: str = ""

    def __post_init__(self) -> None:
        for what, text in (("text", self.text), ("title", self.title)):
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                raise InvalidValue(
                    f"The {what} of {self.name!r} holds a lone surrogate at {error.start}."
                ) from error
        if "\n" in self.title:
            raise InvalidValue(f"The title of {self.name!r} is longer than a line.")
        starts = [block.span.start for block in self.blocks]
        if starts != sorted(starts):
            raise InvalidValue(f"The blocks of {self.name!r} are out of order.")
        if any(block.span.end > len(self.text) for block in self.blocks):
            raise InvalidValue(f"A block of {self.name!r} ends beyond its text.")

    def quote(self, span: Span) -> str:
        """The text of ``span``: ``text[start:end]``, always."""
        return self.text[span.start : span.end]


@dataclass(frozen=True, slots=True, eq=False)
class TokenIds:
    """The token ids (n,) of a text alone, and whose they are.

    ``digest`` names the tokeniser that made them: another one's mean something else.
    """

    values: "npt.NDArray[np.int32]"
    digest: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a document, and where it stands.

    ``context`` is put before ``text`` to embed the chunk: ``context + text`` is what a model
    sees, and ``tokens`` counts its tokens without special ones and the model's prompt.
    ``page`` and ``headings`` are those of the place where the chunk begins: ``headings`` are the
    titles it stands under, outermost first. ``parent`` is the larger span to show in its place.
    ``ids`` are those of the tokens of ``text``, where they came with cutting the document.
    """

    span: Span
    text: str
    tokens: int
    page: int | None = None
    headings: tuple[str, ...] = ()
    context: str = ""
    parent: Span | None = None
    ids: TokenIds | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        parent = self.parent
        if parent and not parent.start <= self.span.start < self.span.end <= parent.end:
            raise InvalidValue(
                f"A chunk at {self.span.start}:{self.span.end} reaches over its parent at "
                f"{parent.start}:{parent.end}."
            )
