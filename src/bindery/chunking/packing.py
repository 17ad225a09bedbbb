"""Tiles of a text, cut one after the other as an outline and a budget allow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bindery.chunking.characters import Positions, distinct
from bindery.chunking.outline import Budget, ChunkingInput, Outline
from bindery.chunking.tokens import TokenPositions

# A stretch without a better boundary is shared evenly among at most this many chunks: with more, an
# even share is nearly a full chunk anyway.
_MOST_SHARES = 3

# If the tokens of a word depend on the blank before it, a chunk that starts with the word may have
# a token or two more than arithmetic says. Leaving room for them is cheaper than halving chunks.
_SPARE_TOKENS = 2


def pack(source: ChunkingInput, outline: Outline, budget: Budget) -> Iterator[int]:
    """Starts of the tiles of a text, rising: each tile runs to the next start.

    A tile is filled as far as the overlap before it leaves room. It goes beyond that, up to the
    size, only to avoid a cut at a worse position. Counts are arithmetic, and a single character may
    be over the budget.
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
    source: ChunkingInput, outline: Outline, start: int, room: int, *, previous: int | None
) -> int:
    """``start``, moved back by at most ``room`` tokens to the best step after ``previous``.

    ``previous`` is the start of the chunk before, or None for the first chunk.
    """
    if previous is None or room < 1:
        return start
    wall = last_between(outline.walls, -1, start) or 0
    low = max(previous, source.tokens.retreat(start, room) - 1, wall - 1)
    steps = (first_between(positions, low, start - 1) for positions in outline.steps)
    return next((step for step in steps if step is not None), start)


def spare_tokens(source: ChunkingInput) -> int:
    """How many tokens of a chunk to leave free because arithmetic may be wrong by that many."""
    return 0 if source.tokeniser.splits_at_blanks else _SPARE_TOKENS


@dataclass(frozen=True, slots=True)
class _Window:
    """A tile that begins at ``start``, should have ``room`` tokens and may have ``size``."""

    start: int
    room: int
    size: int
    end: int


def _next_start(
    tokens: TokenPositions, ranks: Sequence[Positions], outline: Outline, window: _Window
) -> int:
    """The last position of the best rank that has one within reach."""
    full = tokens.reach(window.start, window.room)
    limit = tokens.reach(window.start, window.size)
    least = tokens.reach(window.start, int(window.room * outline.least_fill))
    last_choice = len(outline.ranks) - 1
    for index, rank in enumerate(ranks):
        low = least if index < last_choice else window.start
        position = last_between(rank, low, full) or first_between(rank, full, limit)
        if position is not None and outline.balanced:
            return _evened(tokens, rank, ranks[:index], position, window)
        if position is not None:
            return position
    # A single character seems to be over the budget; fitting counts it exactly.
    return first_between(ranks[-1], window.start, window.end) or window.end


def _evened(
    tokens: TokenPositions,
    rank: Positions,
    better: Sequence[Positions],
    position: int,
    window: _Window,
) -> int:
    """The position nearest to an even share of the text up to the next better position.

    A paragraph of 300 tokens becomes two chunks of 150 rather than one of 254 and one of 46.
    """
    full = tokens.reach(window.start, window.room)
    ahead = (first_between(positions, full, window.end) for positions in better)
    next_better = min((found for found in ahead if found is not None), default=window.end)
    stretch = tokens.within(window.start, next_better)
    shares = -(-stretch // window.room)
    if shares > _MOST_SHARES:
        return position
    share = stretch / shares
    middle = tokens.reach(window.start, int(share))
    around = (
        last_between(rank, window.start, middle),
        first_between(rank, middle, full),
        position,
    )
    return min(
        (found for found in around if found is not None),
        key=lambda found: abs(tokens.within(window.start, found) - share),
    )


def last_between(positions: Positions, low: int, high: int) -> int | None:
    """The last position above ``low`` and not above ``high``."""
    index = int(positions.searchsorted(high, "right")) - 1
    return int(positions[index]) if index >= 0 and positions[index] > low else None


def first_between(positions: Positions, low: int, high: int) -> int | None:
    """The first position above ``low`` and not above ``high``."""
    index = int(positions.searchsorted(low, "right"))
    return int(positions[index]) if index < len(positions) and positions[index] <= high else None
