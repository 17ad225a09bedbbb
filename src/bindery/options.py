"""The options that callers choose, as values that travel unchanged through every layer.

Each class is frozen and checks itself once, in its constructor. A field carries its one-line help,
its bounds and its choices as metadata (:class:`Option`). The options of the command line, the
fields of HTTP bodies and query strings, and the tables of the manual are made from them, so a field
that is added here appears everywhere under the same name.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any, cast

from bindery.errors import InvalidValue, UnknownStrategy
from bindery.filters import Filter, filter_from_json
from bindery.filters.text import filter_from_text
from bindery.types import DOCUMENT, Role, Truncate

LATE = "late"
PARENT_CHILD = "parent-child"
SEMANTIC = "semantic"

STRATEGIES: Mapping[str, str] = {
    "recursive": "at the best place near the size: section, paragraph, line, sentence or word",
    "sentence": "between sentences",
    "fixed": "between words",
    "markdown": "as recursive, and at every heading",
    "page": "as recursive, and at every page, slide or sheet",
    "code": "at definitions, members and statements of a program",
    PARENT_CHILD: "small chunks, each with a larger span to show in its place",
    SEMANTIC: "between the neighbouring sentences that the model finds least similar",
    LATE: "as recursive; each vector is pooled from a pass over the whole document",
}
"""The chunking strategies and where each of them cuts; :data:`bindery.chunking.CHUNKERS` does."""

AUTO = "auto"
CONTEXTS = (AUTO, "none", "title", "headings", "table")
FORMS = ("float32", "float16", "int8", "binary", "ubinary")
"""The names of :class:`bindery.vectors.Form`, which is too heavy to import for a page of help."""

USUAL_SIZE = 128
"""The default size of chunks, in tokens: half of the window of all-MiniLM-L6-v2.

The best 1,000 tokens of chunks hold .915 of the text that answers 276 questions if a chunk has 128
tokens, and .878 if it has 254 (docs/chunking.md).
"""

MOST_TOKENS = 1 << 20
"""The largest size or overlap: more than any document has."""


@dataclass(frozen=True, slots=True)
class Option:
    """One field of an options class, as a face needs it.

    ``choices`` are all values that are allowed, empty if any is. ``least`` and ``most`` bound a
    number. ``given_as`` is the type that a face has a value in, if it is not the field's own.
    """

    name: str
    annotation: Any
    default: Any
    help: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    given_as: Any = None

    @property
    def is_number(self) -> bool:
        """Whether the value is a number."""
        return self.is_whole or self.annotation in (float, float | None)

    @property
    def is_whole(self) -> bool:
        """Whether the value is a whole number."""
        return self.annotation in (int, int | None)

    def check(self, value: object) -> None:
        """Raise InvalidValue if the field cannot have this value."""
        if value is None and self.default is None:
            return
        if self.is_number:
            self._check_number(value)
        elif self.choices and value not in self.choices:
            kind = UnknownStrategy if self.name == "strategy" else InvalidValue
            raise kind(
                f"Unknown {self.name} {str(value)[:80]!r}.",
                remedy=f"Choose one of: {', '.join(self.choices)}.",
                param=self.name,
            )

    def _check_number(self, value: object) -> None:
        kinds = int if self.is_whole else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool):
            what = "a whole number" if self.is_whole else "a number"
            raise InvalidValue(
                f"{self.name} must be {what}, got {str(value)[:80]!r}.", param=self.name
            )
        # Written so that NaN fails.
        if self.least is not None and not value >= self.least:
            raise InvalidValue(
                f"{self.name} must be at least {self.least}, got {value}.",
                remedy=f"Choose {self.least} or more.",
                param=self.name,
            )
        if self.most is not None and not value <= self.most:
            raise InvalidValue(
                f"{self.name} must be at most {self.most}, got {value}.",
                remedy=f"Choose {self.most} or less.",
                param=self.name,
            )


def _option(
    default: object,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    given_as: Any = None,  # noqa: ANN401 - a type
) -> Any:  # noqa: ANN401 - as dataclasses.field, which pyright reads as the field's own type
    bounds = {"least": least, "most": most, "choices": choices, "given_as": given_as}
    return dataclasses.field(default=default, metadata={"help": help, **bounds})


@cache
def options_of(kind: type) -> tuple[Option, ...]:
    """The fields of an options class, in order."""
    return tuple(
        Option(field.name, field.type, field.default, **field.metadata)
        for field in dataclasses.fields(kind)
    )


def names_of(kind: type) -> tuple[str, ...]:
    """The names of the fields of an options class, in order."""
    return tuple(option.name for option in options_of(kind))


def _check(options: object) -> None:
    for option in options_of(type(options)):
        option.check(getattr(options, option.name))


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """How a document is cut into chunks.

    ``strategy`` is a key of :data:`STRATEGIES`. ``size`` is the most tokens that a chunk may have,
    its context included, special tokens and the model's prompt left out; None means
    :data:`USUAL_SIZE`, or the model's window if that is smaller. ``overlap`` is how many tokens a
    chunk may repeat of the one before it. ``context``, one of :data:`CONTEXTS`, is put before the
    text of each chunk when it is embedded: nothing, the document's title, its title and headings,
    or these and the caption and head of a table that the chunk continues. ``auto`` is nothing, but
    the title in a collection that begins with many files. A context takes at most half of
    ``size``. ``parent_size`` is the most tokens of a parent, for the strategy ``parent-child``
    alone; None means 4 times ``size``.

    Raises UnknownStrategy, and InvalidValue for values that are out of range or exclude each other.
    """

    strategy: str = _option(
        "recursive",
        "Where to cut documents into chunks.",
        choices=tuple(STRATEGIES),
    )
    size: int | None = _option(
        None,
        f"The most tokens in a chunk; by default {USUAL_SIZE}, or the model's window if smaller.",
        least=1,
        most=MOST_TOKENS,
    )
    overlap: int = _option(
        0, "How many tokens of the chunk before it a chunk repeats.", least=0, most=MOST_TOKENS
    )
    context: str = _option(
        AUTO,
        "What to put before each chunk when it is embedded; it counts towards size. auto is the "
        "title in a collection that begins with many files, else none.",
        choices=CONTEXTS,
    )
    parent_size: int | None = _option(
        None,
        "The most tokens in a parent, only for parent-child; by default 4 times size.",
        least=1,
        most=MOST_TOKENS,
    )

    def __post_init__(self) -> None:
        _check(self)
        if self.size is not None:
            self._check_size(self.size)
        if self.strategy == LATE and self.context not in {AUTO, "none"}:
            raise InvalidValue(
                "The strategy 'late' embeds a chunk together with the text around it and takes no "
                "other context.",
                remedy="Choose the context none, or another strategy.",
                param="context",
            )
        if self.parent_size is not None and self.strategy != PARENT_CHILD:
            raise InvalidValue(
                f"The strategy {self.strategy!r} makes no parents, got parent_size "
                f"{self.parent_size}.",
                remedy=f"Leave parent_size out, or choose the strategy {PARENT_CHILD}.",
                param="parent_size",
            )

    def _check_size(self, size: int) -> None:
        if self.overlap >= size:
            raise InvalidValue(
                f"overlap must be smaller than size, got {self.overlap} and {size}.",
                remedy=f"Choose 0 to {size - 1}.",
                param="overlap",
            )
        if self.parent_size is not None and self.parent_size < size:
            raise InvalidValue(
                f"parent_size must be at least size, got {self.parent_size} and {size}.",
                remedy=f"Choose {size} or more.",
                param="parent_size",
            )

    @property
    def is_late(self) -> bool:
        """Whether the vector of a chunk depends on the whole document."""
        return self.strategy == LATE

    def sized(self, room: int) -> "ChunkOptions":
        """The same with a size and a context, for a window with room for ``room`` tokens of text.

        Raises InvalidValue if the overlap or the parents do not fit the size that this gives.
        """
        size = self.size or min(room, USUAL_SIZE)
        return replace(self, size=size, context="none" if self.context == AUTO else self.context)


@dataclass(frozen=True, slots=True)
class VectorOptions:
    """What the vectors of texts are to be.

    ``role`` is ``"query"``, ``"document"`` or the name of a task of the model. ``dimensions`` cuts
    vectors to one of the lengths that the model was trained for and scales them back to length 1;
    ``any_dimensions`` allows every other length up to the full one. ``rotation`` is the name of a
    rotation that is applied to the full vectors before they are cut, which allows any length too.
    ``title`` is the title of every text, for models that take titles. ``truncate`` says what
    happens to a text that is longer than the model's window. ``form``, one of :data:`FORMS`, is how
    the numbers are written; the encoder itself always gives float32.

    Whether a model takes all this is checked by its encoder. Raises InvalidValue for values that no
    model takes.
    """

    role: Role = _option(DOCUMENT, "What the texts are: document, query, or a task of the model.")
    dimensions: int | None = _option(
        None, "Cut vectors to this length, which the model must have been trained for."
    )
    any_dimensions: bool = _option(default=False, help="Allow any length up to the full one.")
    rotation: str | None = _option(None, "The rotation to apply to vectors before they are cut.")
    title: str | None = _option(None, "The title of every text, for models that take titles.")
    truncate: Truncate = _option(
        Truncate.END,
        "The side to cut of a text longer than the model's window; error refuses it.",
        choices=tuple(Truncate),
    )
    form: str = _option(
        "float32", "The type of the numbers in vectors; int8 comes with scales.", choices=FORMS
    )

    def __post_init__(self) -> None:
        _check(self)
        # A plain "start" is equal to the member but is not it.
        object.__setattr__(self, "truncate", Truncate(self.truncate))


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How models are run; the same for all models of a library.

    ``precision`` is ``"auto"``, ``"f32"``, ``"bf16"`` or ``"int8"``. ``engine`` is ``"auto"``,
    ``"openvino"`` or ``"torch"``. ``device`` is ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` and
    so on, or ``"mps"``. Everything but OpenVINO on the CPU needs the extra ``torch``.
    ``threads`` is how many CPU cores to use; None means all.

    Which names are allowed depends on the model and the machine, so they are checked when a model
    is loaded. Raises InvalidValue if ``threads`` is below 1.
    """

    precision: str = _option("auto", "What to compute in: auto, f32, bf16 or int8.")
    engine: str = _option("auto", "What runs the model: auto, openvino or torch (an extra).")
    device: str = _option("auto", "Where it runs: auto, cpu, cuda, cuda:1 and so on, or mps.")
    threads: int | None = _option(None, "CPU cores to use; all by default.", least=1)

    def __post_init__(self) -> None:
        _check(self)


class SearchMode(StrEnum):
    """What a search ranks by: words and meaning, meaning, words, or both by their ranks."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"
    RRF = "rrf"

    @property
    def is_dense(self) -> bool:
        """Whether the query's vector is needed."""
        return self is not SearchMode.LEXICAL

    @property
    def is_lexical(self) -> bool:
        """Whether the query's words are needed."""
        return self is not SearchMode.DENSE


SCORE_RANGES: Mapping[SearchMode, tuple[float, float]] = {
    SearchMode.HYBRID: (0, 1),
    SearchMode.DENSE: (-1, 1),
    SearchMode.LEXICAL: (0, float("inf")),
    SearchMode.RRF: (0, 2 / 61),
}
"""The least and the largest score of a hit, by mode."""


class Passage(StrEnum):
    """What a hit is: a chunk, neighbouring chunks as one, or the parent of chunks."""

    CHUNK = "chunk"
    JOINED = "joined"
    PARENT = "parent"


MOST_HITS = 1000


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a collection is searched.

    ``mode`` says what hits are ranked by, and with it what their ``score`` is (see
    :data:`SCORE_RANGES`). ``filter`` is a :data:`bindery.filters.Filter`, its short text, or its
    JSON. ``weight`` None means that of the collection, or else of the languages of the query and of
    each passage. ``passage`` None means the parent if the collection's chunks have parents, and
    else the chunk.

    Raises InvalidValue for a value that is out of range, and for a filter that cannot be read.
    """

    mode: SearchMode = _option(
        SearchMode.HYBRID, "What to rank by.", choices=tuple(SearchMode), given_as=str
    )
    top: int = _option(10, "The most hits to return.", least=1, most=MOST_HITS)
    filter: Filter | str | None = _option(
        None, "Search only chunks that match, such as: year >= 2020.", given_as=str | None
    )
    weight: float | None = _option(
        None, "The weight of meaning in hybrid, 0 to 1; default: by language.", least=0, most=1
    )
    score_threshold: float | None = _option(None, "Keep hits with at least this score.")
    limit_per_file: int | None = _option(
        None, "The most hits from one file.", least=1, most=MOST_HITS
    )
    diversity: float = _option(0.0, "Prefer hits that differ, 0 to 1.", least=0, most=1)
    passage: Passage | None = _option(
        None,
        "What a hit is: a chunk, neighbours joined, or their parent (by default if there is one).",
        choices=tuple(Passage),
        given_as=str | None,
    )
    prefix: bool = _option(default=False, help="Complete the last word, for search as you type.")
    allow_partial: bool = _option(
        default=False, help="Answer by words alone, and say so, if the query cannot be embedded."
    )
    explain: bool = _option(default=False, help="Also say what each word adds to a hit's score.")
    cursor: str | None = _option(None, "The next_cursor of an answer, to get the next page.")

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "mode", SearchMode(self.mode))
        object.__setattr__(self, "passage", None if self.passage is None else Passage(self.passage))
        if isinstance(self.filter, str):
            object.__setattr__(self, "filter", filter_from_text(self.filter))
        elif not isinstance(cast("object", self.filter), Filter | None):
            object.__setattr__(self, "filter", filter_from_json(self.filter))
        low, high = SCORE_RANGES[self.mode]
        if self.score_threshold is not None and not low <= self.score_threshold <= high:
            raise InvalidValue(
                f"score_threshold must be {low:g} to {high:.3g} in the mode {self.mode}, "
                f"got {self.score_threshold}.",
                param="score_threshold",
            )

    @property
    def where(self) -> Filter | None:
        """The filter, read."""
        return None if isinstance(self.filter, str) else self.filter
