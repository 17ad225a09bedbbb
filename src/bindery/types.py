"""The small values that all packages share: spans, blocks, documents, chunks and roles."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, TypeAlias

from bindery.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Role: TypeAlias = str
"""What a text is for: ``"query"``, ``"document"`` or the name of one of the model's tasks.

Models trained with prompts put a different prompt before each role, so it is never guessed.
"""

QUERY: Role = "query"
DOCUMENT: Role = "document"


class Truncate(StrEnum):
    """What to do with a text longer than the model's window: cut its end, its start, or fail."""

    END = "end"
    START = "start"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open, non-empty range of code points in a document's text."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InvalidValue(f"A span needs 0 <= start < end, got {self.start}:{self.end}.")

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Block:
    """A structural part of a document: a heading, a paragraph, a table, a page.

    ``kind`` is one of :data:`BLOCK_KINDS`. ``level`` is 1 to 6 for a heading and 0 otherwise.
    ``page`` counts from 1 and is None if the format has no pages. A ``header`` or ``footer``
    repeats on several pages: it belongs to the text, but not to a section.
    """

    kind: str
    span: Span
    level: int = 0
    page: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in BLOCK_KINDS:
            raise InvalidValue(
                f"Unknown block kind {self.kind!r}. Known: {', '.join(BLOCK_KINDS)}."
            )
        levels = range(1, 7) if self.kind == "heading" else range(1)
        if self.level not in levels:
            raise InvalidValue(f"A {self.kind} block cannot have level {self.level}.")
        if self.page is not None and self.page < 1:
            raise InvalidValue(f"page must be at least 1, got {self.page}.")


BLOCK_KINDS = (
    *("heading", "paragraph", "list_item", "table", "code", "page"),
    *("header", "footer"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its text and the blocks in it.

    ``text`` contains no surrogates, so it can always be written as UTF-8. ``kind`` is a key of the
    readers' table (``"pdf"``). ``name`` is the user's name for it: displayed, never used as a path.
    ``blocks`` are sorted by start and may nest (a page contains paragraphs). ``warnings`` are
    sentences that say what the reader guessed or left out. ``title`` is one line, and empty if
    the document has none.
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
                    f"The {what} of {self.name!r} contains a lone surrogate at {error.start}."
                ) from error
        if "\n" in self.title:
            raise InvalidValue(f"The title of {self.name!r} must be a single line.")
        starts = [block.span.start for block in self.blocks]
        if starts != sorted(starts):
            raise InvalidValue(f"The blocks of {self.name!r} are not sorted by start.")
        if any(block.span.end > len(self.text) for block in self.blocks):
            raise InvalidValue(f"A block of {self.name!r} ends beyond its text.")

    def quote(self, span: Span) -> str:
        """The text of ``span``: ``text[start:end]``."""
        return self.text[span.start : span.end]


@dataclass(frozen=True, slots=True, eq=False)
class TokenIds:
    """The token ids of a text, shape (n,), without special tokens.

    ``digest`` identifies the tokeniser: ids of different tokenisers cannot be mixed.
    """

    values: "npt.NDArray[np.int32]"
    digest: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a document.

    The model embeds ``context + text``; ``tokens`` counts its tokens, without special tokens and
    the model's prompt. ``page`` and ``headings`` apply to the start of the chunk, ``last_page`` to
    its end (``page`` if it is not given); ``headings`` go from the outermost to the innermost.
    ``parent`` is a larger span to show in place of the chunk.
    ``ids`` are the tokens of ``text``, if the chunker already computed them.
    """

    span: Span
    text: str
    tokens: int
    page: int | None = None
    last_page: int | None = None
    headings: tuple[str, ...] = ()
    context: str = ""
    parent: Span | None = None
    ids: TokenIds | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.last_page is None:
            object.__setattr__(self, "last_page", self.page)
        elif self.page is None or self.last_page < self.page:
            raise InvalidValue(
                f"A chunk cannot begin on page {self.page} and end on page {self.last_page}."
            )
        parent = self.parent
        if parent and not parent.start <= self.span.start < self.span.end <= parent.end:
            raise InvalidValue(
                f"The chunk at {self.span.start}:{self.span.end} is not inside its parent at "
                f"{parent.start}:{parent.end}."
            )


class Chunks(list[Chunk]):
    """Chunks in order, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        heads = ("", "span", "page", "tokens", "headings", "text")
        rows = (
            [
                str(number),
                f"{one.span.start}:{one.span.end}",
                page_range(one.page, one.last_page),
                str(one.tokens),
                escape(" › ".join(one.headings)),
                marked_html(one.text, ()),
            ]
            for number, one in enumerate(self)
        )
        return table_html(heads, rows)


def table_html(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table. Heads are plain text, cells are HTML: the caller escapes them."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def marked_html(text: str, spans: Iterable[Span]) -> str:
    """The text, escaped, with a mark for each span. Spans are in order and do not overlap."""
    parts: list[str] = []
    last = 0
    for one in spans:
        parts += [
            escape(text[last : one.start]),
            f"<mark>{escape(text[one.start : one.end])}</mark>",
        ]
        last = one.end
    return "".join([*parts, escape(text[last:])])


def utc_text(seconds: float) -> str:
    """A time in seconds since 1970, in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def page_range(first: int | None, last: int | None) -> str:
    """The pages of a passage as people write them: ``"3"``, ``"3-4"``, or empty without pages."""
    if first is None:
        return ""
    return str(first) if last in {None, first} else f"{first}-{last}"
