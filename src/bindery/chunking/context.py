"""The context of a chunk: titles, or the head of a table, put before it when it is embedded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bindery.chunking.structure import Structure
from bindery.chunking.tokens import OffsetTokeniser
from bindery.options import AUTO

# Written like a path of headings, on a separate line, with a blank line before the text. Because
# it ends in blanks, the text keeps the tokens that it has alone.
_BETWEEN, _AFTER = " > ", "\n\n"


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """The context of each position in a document, of at most ``limit`` tokens.

    A context over the limit loses its outermost titles; the text is never shortened. ``titles_at``
    returns the titles for a position. ``tokens`` holds the token count of each title; ``between``
    and ``after`` are the counts of the separators.
    """

    titles_at: Callable[[int], tuple[str, ...]] = lambda _: ()
    limit: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    between: int = 0
    after: int = 0

    def at(self, position: int) -> str:
        """The context of a chunk that starts at ``position``; may be empty."""
        titles, _ = self._fitting(position)
        return _BETWEEN.join(titles) + _AFTER if titles else ""

    def cost(self, position: int) -> int:
        """How many tokens that context has; exact if the tokeniser splits at blanks."""
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


def contexts_of(
    kind: str, structure: Structure, tokeniser: OffsetTokeniser, *, size: int
) -> Contexts:
    """The contexts for chunks of ``size`` tokens, of which a context takes at most half.

    ``kind`` is one of :data:`bindery.options.CONTEXTS`. A heading with which a chunk begins is not
    repeated in its context.
    """
    if kind in {AUTO, "none"}:
        return NO_CONTEXTS

    def titles_at(position: int) -> tuple[str, ...]:
        if position == structure.title_start:
            return ()
        path = structure.headings_before(position) if kind != "title" else ()
        titles = path if path[:1] == (structure.title,) else (structure.title, *path)
        of_table = structure.table(position) if kind == "table" else ()
        return tuple(title for title in (*titles, *of_table) if title)

    titles = {structure.title, *(title for path in structure.paths for title in path[-1:])}
    titles.update(title for titles_of in structure.table_titles for title in titles_of)
    parts = [*sorted(titles), _BETWEEN, _AFTER]
    *counts, between, after = tokeniser.count_tokens(parts)
    tokens = dict(zip(parts, counts, strict=False))
    return Contexts(titles_at, size // 2, tokens, between, after)
