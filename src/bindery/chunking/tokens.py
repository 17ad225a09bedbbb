"""The positions of the tokens in a text: tokenise once, then count by arithmetic."""

import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from bindery.chunking.characters import Characters, Positions, distinct, runs

# A text is tokenised in pieces of about this many characters, in batches: enough to keep all cores
# busy, while the tokeniser's memory for a long text stays small.
_PIECE_CHARACTERS = 4096
_BATCH_CHARACTERS = 64 * _PIECE_CHARACTERS

# WordPiece turns a word of more than 100 characters into a single unknown token. A run without
# blanks is therefore tokenised in pieces of this length, or up to half as long again if a seam has
# to be moved out of a grapheme cluster.
_LONGEST_RUN = 64

Ids: TypeAlias = npt.NDArray[np.int32]


class OffsetTokeniser(Protocol):
    """What chunking needs from a model's tokeniser: the offsets of the tokens in a text."""

    @property
    def splits_at_blanks(self) -> bool:
        """Whether the parts of a text cut at a blank have the same tokens as the whole.

        A blank is a space, tab, line feed, carriage return or any character of Unicode category Z.
        True for BERT's WordPiece; False if the tokens of a word depend on what precedes it.
        """
        ...

    def token_offsets(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """For each text, the (n, 2) offsets of its tokens in code points, half-open, rising.

        Special tokens and the prompt are left out; a text may have no tokens at all.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has: the lengths of ``token_offsets``, but cheaper."""
        ...


@runtime_checkable
class IdTokeniser(Protocol):
    """A tokeniser that also returns token ids, so that the encoder need not tokenise again."""

    @property
    def digest(self) -> str:
        """See TokenIds."""
        ...

    def ids_and_offsets(self, texts: Sequence[str]) -> list[tuple[Ids, npt.NDArray[np.int64]]]:
        """For each text, the ids (n,) and the offsets as in ``token_offsets``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TokenPositions:
    """Where the tokens of a text start.

    ``starts`` never falls; tokens that share a character share a start, and a token that starts on
    whitespace is counted with the word after it. ``seams`` are the positions inside a run of
    characters where the text was cut before tokenising: across them counts are estimates.
    ``before_each[i]`` counts the tokens that start before i, up to the length of the text. ``ids``
    are the token ids, or -1 if the tokeniser does not return them.
    """

    starts: Positions
    seams: Positions
    before_each: npt.NDArray[np.int64]
    ids: Ids

    def before(self, position: int) -> int:
        """The number of tokens that start before ``position``."""
        return self.before_each.item(position)

    def within(self, start: int, end: int) -> int:
        """The number of tokens that start in ``start:end``."""
        return self.before(end) - self.before(start)

    def reach(self, start: int, count: int) -> int:
        """The last end with at most ``count`` tokens from ``start``; huge if there are fewer."""
        index = self.before(start) + count
        return self.starts.item(index) if index < len(self.starts) else sys.maxsize

    def retreat(self, end: int, count: int) -> int:
        """The first start with at most ``count`` tokens up to ``end``."""
        index = self.before(end) - count
        return self.starts.item(index - 1) + 1 if index > 0 else 0

    def have_seam(self, starts: Positions, ends: Positions) -> npt.NDArray[np.bool_]:
        """Whether a seam lies inside each ``start:end``."""
        return self.seams.searchsorted(starts, "right") < self.seams.searchsorted(ends, "left")


def locate_tokens(characters: Characters, tokeniser: OffsetTokeniser) -> TokenPositions:
    """Tokenise the whole text, each character once; if blanks split, each different word once."""
    edges, seams = _pieces(characters)
    if tokeniser.splits_at_blanks:
        starts, ids = _tokens_by_words(characters, seams, tokeniser)
    else:
        starts, ids = _tokens(characters.text, edges, tokeniser)
    starts = characters.onwards(starts)
    before_each = np.zeros(len(characters.text) + 1, dtype=np.int64)
    before_each[1:] = np.cumsum(np.bincount(starts, minlength=len(characters.text)))
    return TokenPositions(starts, seams, before_each, ids[: len(starts)])


def _tokens(text: str, edges: Positions, tokeniser: OffsetTokeniser) -> tuple[Positions, Ids]:
    """The starts and ids of the tokens of a text that is cut at ``edges``."""
    found = [np.zeros(0, dtype=np.int64)]
    found_ids = [np.zeros(0, dtype=np.int32)]
    for first, last in _batches(edges):
        batch = edges[first : last + 1].tolist()
        pieces = [text[start:end] for start, end in itertools.pairwise(batch)]
        if isinstance(tokeniser, IdTokeniser):
            ids, offsets = zip(*tokeniser.ids_and_offsets(pieces), strict=True)
        else:
            offsets = tokeniser.token_offsets(pieces)
            ids = [np.full(len(rows), -1, dtype=np.int32) for rows in offsets]
        found_ids += ids
        shifts = np.repeat(edges[first:last], [len(rows) for rows in offsets])
        found.append(np.concatenate([rows[:, 0] for rows in offsets]) + shifts)
    return np.concatenate(found), np.concatenate(found_ids)


def _tokens_by_words(
    characters: Characters, seams: Positions, tokeniser: OffsetTokeniser
) -> tuple[Positions, Ids]:
    """As :func:`_tokens`, for tokenisers that give a word the same tokens everywhere.

    Texts repeat their words: one of 1.5 MB has 213,000 words, 33,000 of them different.
    """
    starts, ends = runs(~characters.blank)
    starts, ends = distinct(starts, seams), distinct(ends, seams)
    numbers = defaultdict[str, int](itertools.count().__next__)
    words = map(numbers.__getitem__, _cut_out(characters, starts, ends))
    number = np.fromiter(words, dtype=np.int64, count=len(starts))
    counts, starts_in_word, ids = _tokens_of_words([*numbers], tokeniser)

    # The index, among the tokens of all different words, of the first token of each word; and how
    # many tokens the word has.
    first, count = (np.cumsum(counts) - counts)[number], counts[number]
    before = np.cumsum(count) - count
    token = np.arange(int(count.sum()), dtype=np.int64) + np.repeat(first - before, count)
    return np.repeat(starts, count) + starts_in_word[token], ids[token]


def _cut_out(characters: Characters, starts: Positions, ends: Positions) -> Iterable[str]:
    text = characters.text
    if np.array_equal(starts, characters.word_starts) and np.array_equal(
        ends, characters.word_ends
    ):
        return text.split()  # the same, three times as fast
    return map(text.__getitem__, map(slice, starts.tolist(), ends.tolist()))


def _tokens_of_words(
    words: Sequence[str], tokeniser: OffsetTokeniser
) -> tuple[Positions, Positions, Ids]:
    """How many tokens each word has; where in its word each token starts; the token ids."""
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    ends = np.cumsum(lengths + 1) - 1
    text = " ".join(words)
    edges = distinct(np.array([0, len(text)], dtype=np.int64), _every_piece(ends))
    starts, ids = _tokens(text, edges, tokeniser)
    # A token that starts on the blank before a word belongs to the word.
    word = np.searchsorted(ends, starts, "right")
    starts_in_word = np.maximum(starts - (ends - lengths)[word], 0)
    return np.bincount(word, minlength=len(words)), starts_in_word, ids


def _every_piece(ends: Positions) -> Positions:
    """Of rising ends of words, the first after each multiple of the piece length."""
    length = int(ends[-1]) if len(ends) else 0
    return ends[np.searchsorted(ends, np.arange(_PIECE_CHARACTERS, length, _PIECE_CHARACTERS))]


def _pieces(characters: Characters) -> tuple[Positions, Positions]:
    """The edges of the pieces to tokenise, from 0 to the length of the text; and the seams."""
    length = len(characters.text)
    starts, ends = runs(~characters.blank)
    # Before the blanks, not after them: many tokenisers join a blank to the word after it.
    regular = _every_piece(ends)

    long = ends - starts > _LONGEST_RUN
    starts, ends = starts[long], ends[long]
    per_run = (ends - starts - 1) // _LONGEST_RUN
    # Counted from 1 in each run: the index in the whole list minus those of the runs before.
    index = np.arange(1, int(per_run.sum()) + 1, dtype=np.int64)
    index -= np.repeat(np.cumsum(per_run) - per_run, per_run)
    seams = _out_of_clusters(np.repeat(starts, per_run) + index * _LONGEST_RUN, characters)

    ends_of_text = np.array([0, length], dtype=np.int64)
    return distinct(ends_of_text, regular, starts, ends, seams), seams


def _out_of_clusters(seams: Positions, characters: Characters) -> Positions:
    """Each seam moved back out of its grapheme cluster; only very long clusters are cut."""
    moved = seams.copy()
    for _ in range(_LONGEST_RUN // 2):
        inside = ~characters.whole[moved]
        if not inside.any():
            break
        moved[inside] -= 1
    return np.where(characters.whole[moved], moved, seams)


def _batches(edges: Positions) -> Iterator[tuple[int, int]]:
    """Index ranges of edges: neighbouring pieces that together fill a batch."""
    first = 0
    while first < len(edges) - 1:
        last = int(edges.searchsorted(int(edges[first]) + _BATCH_CHARACTERS))
        last = min(max(last, first + 1), len(edges) - 1)
        yield first, last
        first = last
