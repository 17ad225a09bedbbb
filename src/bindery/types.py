"""The small values that travel between the parts: where a text is, what it is, whom it serves."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from bindery.errors import InvalidValue

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
    all else; ``page`` counts from 1 and is None where the format has no pages.
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


BLOCK_KINDS = ("heading", "paragraph", "list_item", "table", "code", "page")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its canonical text, and where its parts lie in it.

    ``text`` holds no surrogates, so it can always be written as UTF-8. ``kind`` is a key of the
    readers' table (``"pdf"``). ``name`` is what the user called it: shown, never used as a path.
    ``blocks`` rise by start and may nest (a page holds paragraphs). ``warnings`` are sentences on
    what the reader had to guess or leave out.
    """

    text: str
    kind: str
    name: str
    blocks: tuple[Block, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            self.text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidValue(
                f"The text of {self.name!r} holds a lone surrogate at {error.start}."
            ) from error
        starts = [block.span.start for block in self.blocks]
        if starts != sorted(starts):
            raise InvalidValue(f"The blocks of {self.name!r} are out of order.")
        if any(block.span.end > len(self.text) for block in self.blocks):
            raise InvalidValue(f"A block of {self.name!r} ends beyond its text.")

    def quote(self, span: Span) -> str:
        """The text of ``span``: ``text[start:end]``, always."""
        return self.text[span.start : span.end]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a document, as a model will see it.

    ``tokens`` counts the tokens of ``text`` alone, without the model's special tokens and prompt.
    """

    span: Span
    text: str
    tokens: int
