"""What is put before a chunk when it is embedded, so that it can be told from others alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from bindery.chunking.places import Places
from bindery.chunking.tokens import Tokeniser
from bindery.errors import InvalidValue

Context: TypeAlias = Literal["none", "title", "headings"]
"""What stands before each chunk: nothing, the document's title, or title and heading path."""

CONTEXTS: tuple[Context, ...] = get_args(Context)

# As a path is written that people read, in one line of its own and parted from the text as a
# paragraph is. It ends in blanks, so that the tokens of the text stay what they are alone.
_BETWEEN, _AFTER = " > ", "\n\n"


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """The contexts of the places of a document, each of at most ``limit`` tokens.

    One over the limit loses its outermost titles; the text never gives way. ``titles_at`` tells
    whose titles stand before a place; their ``tokens``, and those ``between`` and ``after`` them,
    are counted once, apart from one another.
    """

    titles_at: Callable[[int], tuple[str, ...]] = lambda _: ()
    limit: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    between: int = 0
    after: int = 0

    def at(self, position: int) -> str:
        """The context of a chunk that starts at ``position``; "" is none."""
        titles, _ = self._fitting(position)
        return _BETWEEN.join(titles) + _AFTER if titles else ""

    def cost(self, position: int) -> int:
        """How many tokens that has, exactly where blanks split."""
        return self._fitting(position)[1]

    def _fitting(self, position: int) -> tuple[Sequence[str], int]:
        titles, cost = self.titles_at(position), 0
        for kept, title in enumerate(reversed(titles)):
            longer = cost + self.tokens[title] + (self.between if kept else self.after)
            if longer > self.limit:
                return titles[len(titles) - kept :], cost
            cost = longer
        return titles, cost


NO_CONTEXTS = Contexts()


def contexts_of(kind: str, places: Places, tokeniser: Tokeniser, *, size: int) -> Contexts:
    """The contexts of a kind for chunks of ``size`` tokens, of which they take half at most.

    A heading that begins a chunk is not said again before it. Raises InvalidValue for a kind that
    does not exist.
    """
    if kind not in CONTEXTS:
        raise InvalidValue(
            f"There is no context {kind!r}.",
            remedy=f"Choose one of: {', '.join(CONTEXTS)}.",
            param="context",
        )
    if kind == "none":
        return NO_CONTEXTS

    def titles_at(position: int) -> tuple[str, ...]:
        if position == places.title_start:
            return ()
        path = places.headings_before(position) if kind == "headings" else ()
        titles = path if path[:1] == (places.title,) else (places.title, *path)
        return tuple(title for title in titles if title)

    titles = {places.title, *(title for path in places.paths for title in path[-1:])}
    parts = [*sorted(titles), _BETWEEN, _AFTER]
    *counts, between, after = tokeniser.count_tokens(parts)
    tokens = dict(zip(parts, counts, strict=False))
    return Contexts(titles_at, size // 2, tokens, between, after)
