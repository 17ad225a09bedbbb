"""Where the tokens of a text are: tokenise once, then count by arithmetic."""

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bindery.chunking.characters import Characters, Positions, distinct, runs

# A text goes to the tokeniser in pieces of about this many characters, so many at a time: enough
# to keep all cores busy, while what the tokeniser holds of a long text stays small.
_PIECE_CHARACTERS = 4096
_BATCH_CHARACTERS = 64 * _PIECE_CHARACTERS

# WordPiece makes a single unknown token of a word of more than 100 characters, however long. A run
# without blanks is therefore handed over in pieces below that, so that its tokens have widths: of
# this length, and half as long again where a seam is moved out of a grapheme cluster.
_LONGEST_RUN = 64


class Tokeniser(Protocol):
    """What chunking needs to know of a model: where the tokens of a text are."""

    @property
    def splits_at_blanks(self) -> bool:
        """Whether a text cut at a blank has the tokens of its parts.

        A blank is a space, tab, line feed, carriage return or any of Unicode category Z.
        True for BERT's WordPiece; False where a word's tokens depend on what is before it.
        """
        ...

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Per text (n, 2) offsets of its tokens in code points, half-open, rising.

        Special tokens and prompt are left out; a text may have no token at all.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has: the lengths of ``token_offsets``, had more cheaply."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Where the tokens of a text start, and what can be counted from it.

    ``starts`` never falls; tokens that share a character share a start, and a token that starts on
    whitespace is counted with the word after it. ``seams`` are the places inside a run of
    characters where the text was cut before it was tokenised: across them counts are estimates.
    """

    starts: Positions
    seams: Positions

    def before(self, position: int) -> int:
        """The number of tokens that start before ``position``."""
        return int(self.starts.searchsorted(position))

    def within(self, start: int, end: int) -> int:
        """The number of tokens that start in ``start:end``."""
        return self.before(end) - self.before(start)

    def reach(self, start: int, count: int) -> int:
        """The last end with at most ``count`` tokens from ``start``, were there a last token."""
        index = self.before(start) + count
        return int(self.starts[index]) if index < len(self.starts) else sys.maxsize

    def retreat(self, end: int, count: int) -> int:
        """The first start with at most ``count`` tokens up to ``end``."""
        index = self.before(end) - count
        return int(self.starts[index - 1]) + 1 if index > 0 else 0

    def has_seam(self, start: int, end: int) -> bool:
        """Whether a seam lies inside ``start:end``."""
        after = self.seams.searchsorted(start, "right")
        return bool(after < self.seams.searchsorted(end, "left"))


def locate_tokens(characters: Characters, tokeniser: Tokeniser) -> Tokens:
    """Tokenise the whole text, each character once."""
    edges, seams = _pieces(characters)
    text = characters.text
    found = [np.zeros(0, dtype=np.int64)]
    for first, last in _batches(edges):
        batch = edges[first : last + 1].tolist()
        pieces = [text[start:end] for start, end in itertools.pairwise(batch)]
        offsets = tokeniser.token_offsets(pieces)
        shifts = np.repeat(edges[first:last], [len(rows) for rows in offsets])
        found.append(np.concatenate([rows[:, 0] for rows in offsets]) + shifts)
    return Tokens(characters.onwards(np.concatenate(found)), seams)


def _pieces(characters: Characters) -> tuple[Positions, Positions]:
    """Edges of the pieces to tokenise, from 0 to the length of the text; and the seams."""
    length = len(characters.text)
    starts, ends = runs(~characters.blank)
    # Before the blanks rather than after them: many tokenisers give a blank to the word behind it.
    wanted = np.searchsorted(ends, np.arange(_PIECE_CHARACTERS, length, _PIECE_CHARACTERS))
    regular = ends[wanted[wanted < len(ends)]]

    long = ends - starts > _LONGEST_RUN
    starts, ends = starts[long], ends[long]
    per_run = (ends - starts - 1) // _LONGEST_RUN
    # Counted from 1 in each run: the place in the whole list less the places of the runs before.
    places = np.arange(1, int(per_run.sum()) + 1, dtype=np.int64)
    places -= np.repeat(np.cumsum(per_run) - per_run, per_run)
    seams = _out_of_clusters(np.repeat(starts, per_run) + places * _LONGEST_RUN, characters)

    ends_of_text = np.array([0, length], dtype=np.int64)
    return distinct(ends_of_text, regular, starts, ends, seams), seams


def _out_of_clusters(seams: Positions, characters: Characters) -> Positions:
    """Each seam moved back out of its grapheme cluster; longer clusters are cut all the same."""
    moved = seams.copy()
    for _ in range(_LONGEST_RUN // 2):
        inside = ~characters.whole[moved]
        if not inside.any():
            break
        moved[inside] -= 1
    return np.where(characters.whole[moved], moved, seams)


def _batches(edges: Positions) -> Iterator[tuple[int, int]]:
    """Index ranges of edges: neighbouring pieces of about the batch's characters together."""
    first = 0
    while first < len(edges) - 1:
        last = int(edges.searchsorted(int(edges[first]) + _BATCH_CHARACTERS))
        last = min(max(last, first + 1), len(edges) - 1)
        yield first, last
        first = last
