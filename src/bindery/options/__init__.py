"""The options that callers choose, as values that travel unchanged through every layer.

Each class is frozen and checks itself once, in its constructor. A field carries its one-line help,
its bounds and its choices as metadata (:class:`Option`). The options of the command line, the
fields of HTTP bodies and query strings, and the tables of the manual are made from them, so a field
that is added here appears everywhere under the same name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bindery.errors import InvalidValue
from bindery.options.fields import Option as Option
from bindery.options.fields import check_options, option
from bindery.options.fields import names_of as names_of
from bindery.options.fields import options_of as options_of
from bindery.options.search import MOST_HITS as MOST_HITS
from bindery.options.search import SCORE_RANGES as SCORE_RANGES
from bindery.options.search import Passage as Passage
from bindery.options.search import SearchMode as SearchMode
from bindery.options.search import SearchOptions as SearchOptions
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

    strategy: str = option(
        "recursive",
        "Where to cut documents into chunks.",
        choices=tuple(STRATEGIES),
    )
    size: int | None = option(
        None,
        f"The most tokens in a chunk; by default {USUAL_SIZE}, or the model's window if smaller.",
        least=1,
        most=MOST_TOKENS,
    )
    overlap: int = option(
        0, "How many tokens of the chunk before it a chunk repeats.", least=0, most=MOST_TOKENS
    )
    context: str = option(
        AUTO,
        "What to put before each chunk when it is embedded; it counts towards size. auto is the "
        "title in a collection that begins with many files, else none.",
        choices=CONTEXTS,
    )
    parent_size: int | None = option(
        None,
        "The most tokens in a parent, only for parent-child; by default 4 times size.",
        least=1,
        most=MOST_TOKENS,
    )

    def __post_init__(self) -> None:
        check_options(self)
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

    role: Role = option(DOCUMENT, "What the texts are: document, query, or a task of the model.")
    dimensions: int | None = option(
        None, "Cut vectors to this length, which the model must have been trained for."
    )
    any_dimensions: bool = option(default=False, help="Allow any length up to the full one.")
    rotation: str | None = option(None, "The rotation to apply to vectors before they are cut.")
    title: str | None = option(None, "The title of every text, for models that take titles.")
    truncate: Truncate = option(
        Truncate.END,
        "The side to cut of a text longer than the model's window; error refuses it.",
        choices=tuple(Truncate),
    )
    form: str = option(
        "float32", "The type of the numbers in vectors; int8 comes with scales.", choices=FORMS
    )

    def __post_init__(self) -> None:
        check_options(self)
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

    precision: str = option("auto", "What to compute in: auto, f32, bf16 or int8.")
    engine: str = option("auto", "What runs the model: auto, openvino or torch (an extra).")
    device: str = option("auto", "Where it runs: auto, cpu, cuda, cuda:1 and so on, or mps.")
    threads: int | None = option(None, "CPU cores to use; all by default.", least=1)

    def __post_init__(self) -> None:
        check_options(self)
