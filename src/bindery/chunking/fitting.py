"""Makes chunks that are never over the budget: recounts those that arithmetic cannot guarantee."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bindery.chunking.characters import Characters
from bindery.chunking.context import NO_CONTEXTS
from bindery.chunking.outline import Budget, ChunkingInput, Outline
from bindery.chunking.packing import first_between, last_between, pack, reach_back, spare_tokens
from bindery.chunking.tokens import IdTokeniser, OffsetTokeniser
from bindery.errors import InvalidValue
from bindery.types import Chunk, Span, TokenIds

# Texts counted at once; keeps the tokeniser's own memory small.
_BATCH_CHUNKS = 1024


def fit(source: ChunkingInput, outline: Outline, budget: Budget) -> list[Chunk]:
    """Cut the text into chunks, each of at most ``budget.size`` tokens when tokenised alone.

    Raises InvalidValue if a single character has more.
    """
    edges = [*pack(source, outline, budget), source.characters.last]
    spans = [_trimmed(source.characters, *tile) for tile in itertools.pairwise(edges)]
    tiles = _halved_to_fit(spans, source, outline, budget)
    return _overlapped(tiles, source, outline, budget) if budget.overlap else tiles


def truncated(chunk: Chunk, tokeniser: OffsetTokeniser, *, room: int) -> Span | None:
    """The end of a chunk that a model with room for ``room`` tokens would cut off, if any.

    The context comes first and takes its share of the room.
    """
    if chunk.tokens <= room:
        return None
    offsets = tokeniser.token_offsets([chunk.context + chunk.text])[0]
    start, end = chunk.span.start, chunk.span.end
    seen = int(offsets[room, 0]) - len(chunk.context)
    # A tokeniser may count the blank before a word as part of its token.
    cut = min(max(start + seen, start), end - 1)
    return Span(cut, end)


def facts_of(chunk: Chunk, cut: Span | None, *, room: int) -> dict[str, Any]:
    """A chunk for JSON; ``cut`` is what :func:`truncated` gives for the model's ``room``."""
    parent = chunk.parent
    return {
        "start": chunk.span.start,
        "end": chunk.span.end,
        "page": chunk.page,
        "last_page": chunk.last_page,
        "headings": chunk.headings,
        "context": chunk.context,
        "text": chunk.text,
        "tokens": chunk.tokens,
        "tokens_cut": max(0, chunk.tokens - room),
        "cut_at": cut and cut.start,
        "parent": parent and {"start": parent.start, "end": parent.end},
    }


def _halved_to_fit(
    spans: Sequence[Span], source: ChunkingInput, outline: Outline, budget: Budget
) -> list[Chunk]:
    fitting: list[Chunk] = []
    while spans:
        counted = _counted(spans, source)
        fitting += [chunk for chunk in counted if chunk.tokens <= budget.size]
        over = [chunk for chunk in counted if chunk.tokens > budget.size]
        fitting += [_bare(chunk, source, budget) for chunk in over if len(chunk.span) == 1]
        divisible = [chunk for chunk in over if len(chunk.span) > 1]
        spans = [half for chunk in divisible for half in _halves(chunk, source, outline)]
    return sorted(fitting, key=lambda chunk: chunk.span.start)


def _overlapped(
    tiles: Sequence[Chunk], source: ChunkingInput, outline: Outline, budget: Budget
) -> list[Chunk]:
    """Each tile extended backwards, by at most the overlap and within its budget."""
    spare = spare_tokens(source)
    spans: list[Span] = []
    previous: int | None = None
    for tile in tiles:
        room = min(budget.overlap, budget.size - tile.tokens - spare)
        previous = reach_back(source, outline, tile.span.start, room, previous=previous)
        spans.append(Span(previous, tile.span.end))

    chunks: list[Chunk] = []
    for tile, longer in zip(tiles, _counted(spans, source), strict=True):
        # The tile itself is known to fit, and it starts after all earlier chunks.
        rises = not chunks or chunks[-1].span.start < longer.span.start
        chunks.append(longer if rises and longer.tokens <= budget.size else tile)
    return chunks


def _counted(spans: Sequence[Span], source: ChunkingInput) -> list[Chunk]:
    """The spans as chunks, counted by arithmetic if that is exact and by the tokeniser if not."""
    text, tokeniser = source.characters.text, source.tokeniser
    texts = [text[span.start : span.end] for span in spans]
    starts, ends = (
        np.array([(span.start, span.end) for span in spans], dtype=np.int64).reshape(-1, 2).T
    )
    counts = (source.tokens.before_each[ends] - source.tokens.before_each[starts]).tolist()
    contexts = [""] * len(spans)
    if source.contexts is not NO_CONTEXTS:
        contexts = [source.contexts.at(span.start) for span in spans]
        counts = [
            count + source.contexts.cost(span.start)
            for count, span in zip(counts, spans, strict=True)
        ]
    doubtful = range(len(spans))
    ids: list[TokenIds | None] = [None] * len(spans)
    if tokeniser.splits_at_blanks:
        is_exact = source.characters.are_between_blanks(starts, ends)
        is_exact &= ~source.tokens.have_seam(starts, ends)
        doubtful = np.flatnonzero(~is_exact).tolist()
        if isinstance(tokeniser, IdTokeniser):
            edges = source.tokens.before_each[np.stack([starts, ends], axis=1)]
            for index in np.flatnonzero(is_exact).tolist():
                first, last = edges[index].tolist()
                ids[index] = TokenIds(source.tokens.ids[first:last], tokeniser.digest)
    for first in range(0, len(doubtful), _BATCH_CHUNKS):
        batch = doubtful[first : first + _BATCH_CHUNKS]
        recounted = tokeniser.count_tokens([contexts[index] + texts[index] for index in batch])
        for index, count in zip(batch, recounted, strict=True):
            counts[index] = count
    return [
        Chunk(span, text, count, context=context, ids=of_text)
        for span, text, count, context, of_text in zip(
            spans, texts, counts, contexts, ids, strict=True
        )
    ]


def _bare(chunk: Chunk, source: ChunkingInput, budget: Budget) -> Chunk:
    """A single character without its context, for which there is no room."""
    [bare] = _counted([chunk.span], replace(source, contexts=NO_CONTEXTS))
    if bare.tokens > budget.size:
        raise InvalidValue(
            f"The character {bare.text!r} at position {bare.span.start} alone has {bare.tokens} "
            f"tokens, but the size of a chunk is {budget.size}.",
            remedy=f"Choose a size of {bare.tokens} or more.",
            param="size",
        )
    return bare


def _halves(chunk: Chunk, source: ChunkingInput, outline: Outline) -> tuple[Span, Span]:
    """Two spans for one that is over the budget, cut at the best position near its middle."""
    start, end = chunk.span.start, chunk.span.end
    middle = _middle(start, end, source.characters, outline)
    return _trimmed(source.characters, start, middle), Span(middle, end)


def _middle(start: int, end: int, characters: Characters, outline: Outline) -> int:
    half, quarter = (start + end) // 2, (end - start) // 4
    for rank in outline.ranks:
        low, high = start + quarter, end - quarter - 1
        around = (last_between(rank, low, half), first_between(rank, half, high))
        positions = [position for position in around if position is not None]
        if positions:
            return min(positions, key=lambda position: abs(position - half))

    # No span ends on a space, so there is always one: at worst before the last character.
    possible = ~characters.space[start + 1 : end]
    harmless = possible & characters.whole[start + 1 : end]
    positions = np.flatnonzero(harmless if harmless.any() else possible) + start + 1
    return int(positions[np.abs(positions - half).argmin()])


def _trimmed(characters: Characters, start: int, end: int) -> Span:
    return Span(start, characters.trimmed_end(end))
