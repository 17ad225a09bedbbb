"""Late chunking: the whole text runs, and the vector of each span is pooled from its tokens.

Günther et al., 2024, Late Chunking, algorithms 1 and 2 (arXiv:2409.04701). As in their code, the
first span includes the special tokens and the prompt before the text, and the last one those after
it, so a text with a single span has its usual vector.

A text longer than the model's window runs in overlapping windows, each with its special tokens and
prompt. A token's state is taken from the window in which it is further from the edge, so that it
has context on both sides; the paper takes it from the earlier window.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bindery.encoders.request import SpannedText
from bindery.encoders.scheduling import Ids, Vectors
from bindery.encoders.tokeniser import Tokeniser, Tokens, WholeText
from bindery.errors import InvalidValue

_Rows = npt.NDArray[np.float32]
_Places = npt.NDArray[np.int64]

# Neighbouring windows share a quarter of their tokens, but at most _MOST_OVERLAP: every token has
# an eighth of a window of context on both sides, for a third more computation.
_OVERLAP_SHARE = 4
_MOST_OVERLAP = 256


@dataclass(frozen=True, slots=True)
class Part:
    """The tokens of a window that belong to a span, as a half-open range of ids."""

    span: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Window(Tokens):
    """A window of a longer text, and the parts of it that belong to spans."""

    parts: tuple[Part, ...] = ()


def windows_of(
    tokeniser: Tokeniser, texts: Sequence[SpannedText], prompt: str, *, pools_prompt: bool
) -> list[Window]:
    """The windows of texts, each from its first span to its last.

    A token belongs to every span in which it starts, ignoring leading blanks; a span in which no
    token starts takes the nearest one. Spans are numbered across all texts. Raises InvalidValue for
    a prompt that leaves no room in the window.
    """
    windows: list[Window] = []
    spans = 0
    for text in texts:
        windows += _windows(tokeniser, text, prompt, spans, pools_prompt=pools_prompt)
        spans += len(text.spans)
    return windows


def sums(hidden: _Rows, mask: Ids, windows: Sequence[Tokens]) -> list[Vectors]:
    """The sums (p, h) of the parts of each window, from hidden states (b, s, h)."""
    del mask
    found: list[Vectors] = []
    for states, window in zip(hidden, windows, strict=True):
        assert isinstance(window, Window)
        rows = np.zeros((len(window.parts), states.shape[1]), dtype=np.float32)
        for row, part in zip(rows, window.parts, strict=True):
            row[:] = states[part.first : part.last].sum(axis=0)
        found.append((rows,))
    return found


def means(
    windows: Sequence[Window], found: Sequence[Vectors], spans: int, width: int
) -> tuple[_Rows, npt.NDArray[np.int64]]:
    """The mean state (spans, width) and the number of tokens of each span."""
    totals = np.zeros((spans, width), dtype=np.float32)
    counts = np.zeros(spans, dtype=np.int64)
    for window, (rows,) in zip(windows, found, strict=True):
        for part, row in zip(window.parts, rows, strict=True):
            totals[part.span] += row
            counts[part.span] += part.last - part.first
    # A span has no tokens if all belong to a prompt that is not pooled; its row stays zero.
    totals /= np.maximum(counts, 1)[:, None]
    return totals, counts


def _windows(
    tokeniser: Tokeniser, spanned: SpannedText, prompt: str, spans: int, *, pools_prompt: bool
) -> Iterator[Window]:
    start, end = spanned.spans[0].start, spanned.spans[-1].end
    whole = tokeniser.whole(spanned.text[start:end], prompt)
    before, count, after = len(whole.before), len(whole.ids), len(whole.after)
    room = tokeniser.max_tokens - before - after
    if room < 1:
        raise InvalidValue(
            f"The prompt leaves no room for text in a window of {tokeniser.max_tokens} tokens.",
            param="role",
        )
    # Indices among all tokens: those before the text, its own, and those after it.
    firsts, lasts = _tokens_of(spanned, whole, floor=0 if pools_prompt else whole.prompt)
    reaches = list(_reaches(count, room))
    middles = (
        before + (first + last) // 2 for (_, last), (first, _) in itertools.pairwise(reaches)
    )
    edges = itertools.pairwise([0, *middles, before + count + after])
    for (first, last), (low, high) in zip(reaches, edges, strict=True):
        touched = range(int(lasts.searchsorted(low, "right")), int(firsts.searchsorted(high)))
        ranges = ((i, max(int(firsts[i]), low), min(int(lasts[i]), high)) for i in touched)
        yield Window(
            np.concatenate([whole.before, whole.ids[first:last], whole.after]),
            cut=0,
            prompt=whole.prompt,
            text=(before, before + last - first),
            parts=tuple(Part(spans + i, a - first, b - first) for i, a, b in ranges if a < b),
        )


def _tokens_of(spanned: SpannedText, whole: WholeText, *, floor: int) -> tuple[_Places, _Places]:
    """The half-open range of tokens of each span, not before ``floor``; both ends increase."""
    before, count, after = len(whole.before), len(whole.ids), len(whole.after)
    shift = spanned.spans[0].start
    starts = whole.offsets[:, 0] + shift
    for token, (start, end) in enumerate((whole.offsets + shift).tolist()):
        if spanned.text[start].isspace():
            token_text = spanned.text[start:end]
            blanks = len(token_text) - len(token_text.lstrip())
            starts[token] += blanks if blanks < len(token_text) else 0
    firsts = starts.searchsorted([span.start for span in spanned.spans])
    lasts = starts.searchsorted([span.end for span in spanned.spans])
    firsts = np.where(firsts == lasts, np.clip(firsts, 0, max(count - 1, 0)), firsts) + before
    lasts = np.maximum(lasts + before, firsts + 1)
    firsts[: None if not count else 1] = 0
    lasts[None if not count else -1 :] = before + count + after
    return np.maximum(firsts, floor), np.maximum(lasts, floor)


def _reaches(count: int, room: int) -> Iterator[tuple[int, int]]:
    """The ranges of tokens that run together; the last one is as long as the others."""
    overlap = min(room // _OVERLAP_SHARE, _MOST_OVERLAP)
    for first in range(0, max(count - overlap, 1), room - overlap):
        last = min(first + room, count)
        yield max(min(first, last - room), 0), last
