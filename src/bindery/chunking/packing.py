"""Tiles of a text: cut one after the other, as an outline and a budget would have it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bindery.chunking.characters import Positions, distinct
from bindery.chunking.outline import Budget, Outline, Source
from bindery.chunking.tokens import Tokens

# A stretch without a better boundary is shared out evenly over so many chunks at most: over more,
# an even share is nearly a full chunk anyway.
_MOST_SHARES = 3


# Where the tokens of a word depend on the blank before it, a chunk that starts with the word may
# have a token or two more than arithmetic says. Leaving that room is cheaper than halving chunks.
_SPARE_TOKENS = 2


def pack(source: Source, outline: Outline, budget: Budget) -> Iterator[int]:
    """Starts of the tiles of a text, rising: each tile runs to the next start.

    A tile is filled as far as the overlap before it leaves room; only one that would otherwise have
    to be cut at a worse place goes beyond that, up to the size. Counts are arithmetic, and one
    character may be over the budget.
    """
    tokens, characters = source.tokens, source.characters
    ranks = (*outline.ranks, characters.cuts(tokens.starts), distinct(tokens.starts))
    spare = spare_tokens(source)
    start, last, back = characters.first, characters.last, None
    while start < last:
        yield start
        end = first_between(outline.walls, start, last) or last
        back = reach_back(source, outline, start, budget.overlap, previous=back)
        size = budget.size - source.contexts.cost(back)
        room = size - tokens.within(back, start)
        if tokens.within(start, end) <= room:
            start = end
            continue
        window = _Window(start, max(1, room - spare), size, end)
        start = min(_next_start(tokens, ranks, outline, window), end)


def reach_back(
    source: Source, outline: Outline, start: int, room: int, *, previous: int | None
) -> int:
    """``start``, moved back to the best step after ``previous`` over at most ``room`` tokens.

    ``previous`` is where the chunk before begins; None: there is none.
    """
    if previous is None or room < 1:
        return start
    wall = last_between(outline.walls, -1, start) or 0
    low = max(previous, source.tokens.retreat(start, room) - 1, wall - 1)
    steps = (first_between(places, low, start - 1) for places in outline.steps)
    return next((step for step in steps if step is not None), start)


def spare_tokens(source: Source) -> int:
    """How many tokens of a chunk to leave free, for what arithmetic cannot know."""
    return 0 if source.tokeniser.splits_at_blanks else _SPARE_TOKENS


@dataclass(frozen=True, slots=True)
class _Window:
    """A tile begins at ``start``: it is to have ``room`` tokens and may have ``size``."""

    start: int
    room: int
    size: int
    end: int


def _next_start(
    tokens: Tokens, ranks: Sequence[Positions], outline: Outline, window: _Window
) -> int:
    """The last place of the best rank that has one in reach."""
    full = tokens.reach(window.start, window.room)
    limit = tokens.reach(window.start, window.size)
    least = tokens.reach(window.start, int(window.room * outline.least_fill))
    last_choice = len(outline.ranks) - 1
    for index, rank in enumerate(ranks):
        low = least if index < last_choice else window.start
        place = last_between(rank, low, full) or first_between(rank, full, limit)
        if place is not None and outline.balanced:
            return _evened(tokens, rank, ranks[:index], place, window)
        if place is not None:
            return place
    # A character over the budget alone: whether it truly is, counting it by itself will tell.
    return first_between(ranks[-1], window.start, window.end) or window.end


def _evened(
    tokens: Tokens, rank: Positions, better: Sequence[Positions], place: int, window: _Window
) -> int:
    """The place nearest to an even share of the text up to the next better place.

    A paragraph of 300 tokens becomes two chunks of 150 rather than one of 254 and one of 46.
    """
    full = tokens.reach(window.start, window.room)
    ahead = (first_between(places, full, window.end) for places in better)
    next_better = min((found for found in ahead if found is not None), default=window.end)
    stretch = tokens.within(window.start, next_better)
    shares = -(-stretch // window.room)
    if shares > _MOST_SHARES:
        return place
    share = stretch / shares
    middle = tokens.reach(window.start, int(share))
    around = (last_between(rank, window.start, middle), first_between(rank, middle, full), place)
    return min(
        (found for found in around if found is not None),
        key=lambda found: abs(tokens.within(window.start, found) - share),
    )


def last_between(places: Positions, low: int, high: int) -> int | None:
    """The last place above ``low`` and not above ``high``."""
    index = int(places.searchsorted(high, "right")) - 1
    return int(places[index]) if index >= 0 and places[index] > low else None


def first_between(places: Positions, low: int, high: int) -> int | None:
    """The first place above ``low`` and not above ``high``."""
    index = int(places.searchsorted(low, "right"))
    return int(places[index]) if index < len(places) and places[index] <= high else None
