"""Why a passage is not among the hits of a question: its rank in every stage, and what hides it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from bindery.errors import InvalidValue, StorageError
from bindery.jobs.recipe import Recipe
from bindery.library import Library
from bindery.models.card import supports
from bindery.options import MOST_HITS, USUAL_SIZE, SearchOptions
from bindery.search.answering import ChunkReader, EmbeddedQuery, embed_queries, question_of
from bindery.search.answers import SearchAnswer, text_of
from bindery.search.confidence import ChanceScores
from bindery.search.index import ChangedMeanwhile, CollectionIndex
from bindery.search.language import Weight, chosen_weight
from bindery.search.placing import PlacedRow, RowStages, failing, too_low
from bindery.search.queries import plain_words
from bindery.search.searching import DEPTH
from bindery.search.view import IndexedFile, names_of
from bindery.store.collections import StoredCollection
from bindery.types import Chunk, Span

_ATTEMPTS = 5
_LEAST_SHARED = 12


class Reason(StrEnum):
    """What keeps a passage from being a hit; ``HIT`` if nothing does."""

    HIT = "hit"
    NOT_INDEXED = "not_indexed"
    CHUNK_BOUNDARY = "chunk_boundary"
    FILTER = "filter"
    PHRASE = "phrase"
    TRUNCATION = "truncation"
    LANGUAGE = "language"
    CANDIDATES = "candidates"
    THRESHOLD = "threshold"
    DEDUPLICATED = "deduplicated"
    RANK = "rank"


@dataclass(frozen=True, slots=True)
class PassageName:
    """What names a passage: the id of its chunk, or its file, words of it, or both.

    A file is named as in the collection, by the end of its path, or by its name without the ending.
    """

    id: str = ""
    file: str = ""
    quote: str = ""
    page: int | None = None

    def __post_init__(self) -> None:
        if not (self.id or self.file or plain_words(self.quote)):
            raise InvalidValue(
                "A passage needs an id, a file or a quote.",
                remedy="Quote a few words of the passage.",
                param="passage",
            )


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Where a passage is in every stage of a search, why it is not a hit, and what would change it.

    ``rank`` is that among the hits, from 1, or None. ``ranks`` are those in each
    stage: of the legs among all passages that the filter allows, of the others among their
    candidates; None if the stage does not have it. ``id``, ``span`` and ``text`` are those of its
    chunk; empty if it is not indexed.
    """

    reason: Reason
    message: str
    remedy: str
    file: str = ""
    id: str = ""
    text: str = ""
    span: Span | None = None
    rank: int | None = None
    ranks: Mapping[str, int | None] = field(default_factory=dict[str, "int | None"])
    scores: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {**asdict(self), "reason": str(self.reason)}


def why_not(
    library: Library,
    recipe: Callable[[], Recipe],
    index: CollectionIndex,
    stored: StoredCollection,
    query: str,
    wanted: PassageName,
    options: SearchOptions,
    *,
    search: Callable[[str, SearchOptions], SearchAnswer],
    chance: ChanceScores | None,
) -> WhyNot:
    """Why a passage is not among the hits of a question.

    ``search`` answers the question as its user asks it. If several passages have the name, it is
    about the one that is ranked highest. ``chance`` is needed for a least confidence. Raises what
    the search does.
    """
    asked = replace(options, cursor=None, explain=False)
    answer = search(query, asked)
    [embedded] = embed_queries(library, recipe, [query], asked)
    weight = chosen_weight(asked.weight, stored.settings.weight)
    for _ in range(_ATTEMPTS):
        try:
            tried = _Attempt(index, stored, wanted, asked, answer, embedded, weight, chance)
            return tried.found(library)
        except ChangedMeanwhile:
            continue
    raise StorageError("The collection kept changing while it was read.", remedy="Try again.")


class _Attempt:
    """One look for a passage, in one view."""

    def __init__(
        self,
        index: CollectionIndex,
        stored: StoredCollection,
        wanted: PassageName,
        options: SearchOptions,
        answer: SearchAnswer,
        query: EmbeddedQuery,
        weight: Weight | None,
        chance: ChanceScores | None,
    ) -> None:
        self._index, self._stored, self._wanted = index, stored, wanted
        self._options, self._answer = options, answer
        self._view = index.view()
        self._question = question_of(index, self._view, query, options, weight, None, chance)

    def found(self, library: Library) -> WhyNot:
        files = [one for one in self._view.files.values() if _is_named(self._wanted.file, one.name)]
        if not files:
            return WhyNot(
                Reason.NOT_INDEXED,
                f"The collection has no file {self._wanted.file[:200]!r}.",
                f"Add it: bindery add FILE --collection {self._stored.name}",
            )
        places = self._rows_of(files)
        if not places:
            return self._not_indexed(files)
        chunks = self._index.chunks(self._view, places)
        whole, parts = self._matching(places, chunks)
        if not whole and not parts:
            return self._not_indexed(files)
        words, name = self._question.words, self._stored.name
        reader = ChunkReader(self._index, self._view, words, name, None)
        stages = RowStages(self._view, self._question, reader)
        place, chunk = max(whole or parts, key=lambda one: stages.order_of(one[0]))
        placed = stages.placed(place)
        file, ids = self._file(place), self._view.segments[place[0]].table.ids
        known = WhyNot(
            Reason.HIT,
            "",
            "",
            file=file.name,
            id=ids[place[1]].tobytes().hex(),
            text=chunk.text,
            span=chunk.span,
            rank=self._rank_of(file, chunk),
            ranks=placed.ranks,
            scores=placed.scores,
        )
        reason, message, remedy = self._why(
            known, chunk, place, placed, library, is_whole=bool(whole)
        )
        return replace(known, reason=reason, message=message, remedy=remedy)

    def _rows_of(self, files: Sequence[IndexedFile]) -> list[tuple[int, int]]:
        numbers = np.array(sorted(one.number for one in files), dtype=np.int64)
        found: list[tuple[int, int]] = []
        for place, segment in enumerate(self._view.segments):
            mask = segment.alive & np.isin(segment.table.files, numbers)
            if self._wanted.id:
                mask &= [one.tobytes().hex() == self._wanted.id for one in segment.table.ids]
            found += [(place, row) for row in np.flatnonzero(mask).tolist()]
        return found

    def _matching(
        self, places: Sequence[tuple[int, int]], chunks: Sequence[Chunk]
    ) -> tuple[list[tuple[tuple[int, int], Chunk]], list[tuple[tuple[int, int], Chunk]]]:
        """The chunks that have the quotation as a whole, and those that have an end of it."""
        page, quote = self._wanted.page, plain_words(self._wanted.quote)
        pairs = [
            (place, chunk)
            for place, chunk in zip(places, chunks, strict=True)
            if page is None or _has_page(chunk, page)
        ]
        if not quote:
            return pairs, []
        texts = [plain_words(chunk.text) for _, chunk in pairs]
        whole = [pair for pair, text in zip(pairs, texts, strict=True) if quote in text]
        parts = [pair for pair, text in zip(pairs, texts, strict=True) if _shared(quote, text)]
        return whole, [] if whole else self._in_a_row(parts, quote)

    def _in_a_row(
        self, parts: list[tuple[tuple[int, int], Chunk]], quote: str
    ) -> list[tuple[tuple[int, int], Chunk]]:
        """Of chunks with an end of a quotation those whose neighbours have the rest."""
        by_file: dict[str, list[tuple[tuple[int, int], Chunk]]] = {}
        for pair in parts:
            by_file.setdefault(self._file(pair[0]).name, []).append(pair)
        found: list[tuple[tuple[int, int], Chunk]] = []
        for some in by_file.values():
            some.sort(key=lambda pair: pair[1].span.start)
            text = plain_words(text_of([chunk for _, chunk in some]))
            found += some if quote in text else []
        return found

    def _file(self, place: tuple[int, int]) -> IndexedFile:
        return self._view.files[int(self._view.segments[place[0]].table.files[place[1]])]

    def _rank_of(self, file: IndexedFile, chunk: Chunk) -> int | None:
        """The rank of the hit that has the chunk."""
        for rank, hit in enumerate(self._answer.hits, 1):
            spans = (*hit.spans, hit.span)
            if hit.file == file.name and any(_is_within(chunk.span, span) for span in spans):
                return rank
        return None

    def _not_indexed(self, files: Sequence[IndexedFile]) -> WhyNot:
        missing = [one.name for one in files if one.number not in self._view.chunk_sets]
        if self._wanted.file and missing:
            return WhyNot(
                Reason.NOT_INDEXED,
                f"{missing[0]!r} is in the collection, but has no passages in its index yet.",
                "Wait for its job, or add the file again.",
                file=missing[0],
            )
        what = repr(self._wanted.id[:80]) if self._wanted.id else "these words"
        where = repr(files[0].name) if len(files) == 1 else "the collection"
        return WhyNot(
            Reason.NOT_INDEXED,
            f"No passage of {where} has {what}.",
            "Read the file as it was indexed: its reader may have left them out, and its warnings "
            "say so.",
            file=files[0].name if len(files) == 1 else "",
        )

    def _why(
        self,
        known: WhyNot,
        chunk: Chunk,
        place: tuple[int, int],
        placed: PlacedRow,
        library: Library,
        *,
        is_whole: bool,
    ) -> tuple[Reason, str, str]:
        options = self._options
        if known.rank:
            return Reason.HIT, f"It is hit {known.rank}.", ""
        if not placed.is_allowed:
            return (
                Reason.FILTER,
                f"The filter leaves it out: {failing(self._view, options.where, place)}.",
                "Search without that part of the filter, or change the attributes of the file.",
            )
        if not is_whole:
            size = self._index.recipe.chunks.size or USUAL_SIZE
            return (
                Reason.CHUNK_BOUNDARY,
                f"The boundary of two chunks divides the quotation, after {chunk.span.end}.",
                "Cut larger chunks, or let them overlap: bindery collections rebuild "
                f"{self._stored.name} --size {2 * size} --overlap {size // 2}",
            )
        if placed.is_out_by_phrase:
            return (
                Reason.PHRASE,
                "It does not have the words between quotation marks, one after the other.",
                "Search without the quotation marks.",
            )
        if (low := too_low(placed, self._question)) is not None:
            return Reason.THRESHOLD, *low
        if placed.place is None:
            return self._no_candidate(chunk, place, placed, library)
        if placed.place <= options.top:
            return self._left_out()
        worst = max(placed.ranks, key=lambda name: placed.ranks[name] or 0)
        return (
            Reason.RANK,
            f"It is at rank {placed.place} of the candidates, behind the {options.top} hits; "
            f"the stage that ranks it lowest is {worst}.",
            f"Search with top {min(placed.place, MOST_HITS)}, or for words that are in it.",
        )

    def _left_out(self) -> tuple[Reason, str, str]:
        options = self._options
        if options.limit_per_file is not None:
            return (
                Reason.DEDUPLICATED,
                f"Its file has {options.limit_per_file} better hits, as many as limit_per_file.",
                f"Search with limit_per_file {options.limit_per_file + 1} or more.",
            )
        if options.diversity:
            return (
                Reason.DEDUPLICATED,
                "It is too much like a better hit for this diversity.",
                "Search with a lower diversity.",
            )
        return (
            Reason.DEDUPLICATED,
            "It is part of a larger passage that is ranked by a better chunk.",
            "Search with passage chunk, or with more hits.",
        )

    def _no_candidate(
        self, chunk: Chunk, place: tuple[int, int], placed: PlacedRow, library: Library
    ) -> tuple[Reason, str, str]:
        used = {name: rank for name, rank in placed.ranks.items() if rank}
        told = " and ".join(f"at rank {rank} by {_LEGS[name]}" for name, rank in used.items())
        told = told or "without any word of the question"
        cut = self._unread(chunk, library) if self._question.is_dense else ""
        if cut and (not self._wanted.quote or plain_words(self._wanted.quote) in plain_words(cut)):
            return (
                Reason.TRUNCATION,
                f"The model did not read the end of its chunk, {cut[:60]!r}, which is beyond its "
                f"window. It is {told}.",
                f"Cut smaller chunks: bindery collections rebuild {self._stored.name}",
            )
        language, of_query = self._file(place).language, self._answer.language
        model = self._index.recipe.languages
        if self._question.is_dense and False in (
            supports(model, language),
            supports(model, of_query),
        ):
            return (
                Reason.LANGUAGE,
                f"The model {self._index.recipe.model} is not meant for the language of the "
                f"{'passage' if supports(model, language) is False else 'question'}. It is {told}.",
                "Ask in the language of the passage, or rebuild the collection with a multilingual "
                "model.",
            )
        depth = max(DEPTH, 2 * self._options.top)
        best = min(used.values(), default=MOST_HITS)
        wider = min(MOST_HITS, max(self._options.top + 1, -(-best // 2)))
        return (
            Reason.CANDIDATES,
            f"It is not among the best {depth} of any leg: {told}.",
            f"Search with top {wider}, or for words that are in it.",
        )

    def _unread(self, chunk: Chunk, library: Library) -> str:
        """The end of a chunk's text that is beyond the model's window."""
        recipe = self._index.recipe
        measure = library.measure(recipe.model_name)
        room = measure.tokeniser.room()
        if chunk.tokens <= room:
            return ""
        [offsets] = measure.tokeniser.token_offsets([chunk.text])
        kept = max(0, len(offsets) - (chunk.tokens - room))
        return chunk.text[int(offsets[kept][0]) :] if kept < len(offsets) else ""


_LEGS = {"dense": "meaning", "lexical": "words"}


def _is_named(wanted: str, name: str) -> bool:
    return not wanted or wanted in names_of(name)


def _has_page(chunk: Chunk, page: int) -> bool:
    return chunk.page is not None and chunk.page <= page <= (chunk.last_page or chunk.page)


def _is_within(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _shared(quote: str, text: str) -> bool:
    """Whether a text ends with the beginning of a quotation, begins with its end, or is in it."""
    if text and text in quote:
        return True
    sizes = range(len(quote) - 1, min(_LEAST_SHARED, len(quote) // 2), -1)
    return any(text.endswith(quote[:size]) or text.startswith(quote[-size:]) for size in sizes)
