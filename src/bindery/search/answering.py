"""Queries in, answers out: embed the queries, search a view of the index, read the hits' texts."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
import numpy.typing as npt

from bindery.errors import BinderyError, InputError, InvalidCursor, InvalidValue, StorageError
from bindery.jobs.recipe import Recipe
from bindery.library import Library
from bindery.options import PARENT_CHILD, Passage, SearchOptions
from bindery.search.analysis import TermFinder
from bindery.search.answers import Hit, SearchAnswer, StageFailure, marked, text_of
from bindery.search.candidates import ScoredRow
from bindery.search.confidence import ChanceScores, with_confidence
from bindery.search.explaining import WordShares, token_matrices
from bindery.search.index import ChangedMeanwhile, CollectionIndex
from bindery.search.language import Weight, chosen_weight, language_of_query, weight_of
from bindery.search.lexical import Mask, completions
from bindery.search.paging import MOST_SHOWN, SearchScope, Walk, read_cursor, write_cursor
from bindery.search.queries import LexicalQuery, check_queries, read_query
from bindery.search.searching import Question, Searcher, StageReport
from bindery.search.view import IndexedFile, View
from bindery.store.collections import StoredCollection
from bindery.types import QUERY, Chunk, Span

_ATTEMPTS = 5
_ENDS_HERE = (
    f"Pages end after {MOST_SHOWN:,} chunks. Narrow the search with a filter to see the others."
)


def search_index(
    library: Library,
    recipe: Callable[[], Recipe],
    index: CollectionIndex,
    stored: StoredCollection,
    queries: Sequence[str],
    options: SearchOptions,
    *,
    weight: float | None = None,
    chance: ChanceScores | None = None,
) -> list[SearchAnswer]:
    """An answer for each query, in order. The queries are embedded in one batch.

    ``recipe`` finds the model that embeds them; the mode lexical needs none. ``weight`` is the
    collection's own, for options without one. ``chance`` is needed for a least confidence.
    Raises InvalidValue for a blank query and for a filter on an attribute that the collection does
    not have; what loading the model and embedding the queries raise.
    """
    check_queries(queries)
    if options.cursor is not None and len(queries) > 1:
        raise InvalidCursor(
            f"A cursor belongs to one query, got {len(queries)}.",
            remedy="Send one query to get further pages.",
            param="cursor",
        )
    chosen = with_passage(options, index.recipe)
    answering = _Answering(index, stored, chosen, chosen_weight(options.weight, weight), chance)
    answers = [answering.answer(one) for one in embed_queries(library, recipe, queries, options)]
    if not (options.explain and options.explain_tokens and options.mode.is_dense):
        return answers
    return [_with_tokens(library, recipe(), one, options) for one in answers]


def _with_tokens(
    library: Library, recipe: Recipe, answer: SearchAnswer, options: SearchOptions
) -> SearchAnswer:
    """The answer with the tokens of its first hits compared, as a stage of its own.

    Of a partial answer, whose query could not be embedded, there is nothing to compare.
    """
    if answer.is_partial:
        return answer
    started = time.perf_counter()
    first, rest = answer.hits[: options.explain_tokens], answer.hits[options.explain_tokens :]
    with library.lend(recipe.loaded_as) as encoder:
        found = token_matrices(encoder, answer.query, [hit.text for hit in first])
    hits = [
        replace(hit, tokens=None if matrix is None else matrix.shares())
        for hit, matrix in zip(first, found, strict=True)
    ]
    milliseconds = round((time.perf_counter() - started) * 1000, 3)
    stages = (*answer.stages, StageReport("tokens", len(hits), milliseconds))
    return replace(answer, hits=(*hits, *rest), stages=stages)


def with_passage(options: SearchOptions, recipe: Recipe) -> SearchOptions:
    """The options with the passage that None stands for. Raises InvalidValue for no parents."""
    has_parents = recipe.chunks.strategy == PARENT_CHILD
    if options.passage is Passage.PARENT and not has_parents:
        raise InvalidValue(
            f"The chunks of the strategy {recipe.chunks.strategy!r} have no parents.",
            remedy=f"Choose {Passage.JOINED} for larger passages.",
            param="passage",
        )
    if options.passage is None and has_parents:
        return replace(options, passage=Passage.PARENT)
    return options


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedQuery:
    """A query with its vector, if the mode needs it, or why it has none.

    ``tokens_cut`` are beyond the model's window.
    """

    text: str
    vector: npt.NDArray[np.float32] | None = None
    tokens_cut: int = 0
    failure: BinderyError | None = None


def embed_queries(
    library: Library,
    find_recipe: Callable[[], Recipe],
    queries: Sequence[str],
    options: SearchOptions,
) -> list[EmbeddedQuery]:
    """The queries in order, with their vectors if the mode needs them."""
    if not options.mode.is_dense:
        return [EmbeddedQuery(query) for query in queries]
    try:
        recipe = find_recipe()
        wanted = replace(recipe.vectors, role=QUERY, title=None)
        _, encoded = library.embed(recipe.loaded_as, queries, wanted)
    except BinderyError as error:
        # What the caller can fix is never partial, and a mode without words has nothing else.
        is_allowed = options.allow_partial and options.mode.is_lexical
        if not is_allowed or isinstance(error, InputError):
            raise
        return [EmbeddedQuery(query, failure=error) for query in queries]
    rows, offsets = encoded.embeddings.rows, encoded.embeddings.offsets
    return [
        EmbeddedQuery(
            query,
            rows[offsets[n] : offsets[n + 1]] if recipe.has_many_vectors else rows[n],
            max(0, int(encoded.tokens_cut[n])),
        )
        for n, query in enumerate(queries)
    ]


class _Answering:
    """Answers queries with the same options."""

    def __init__(
        self,
        index: CollectionIndex,
        stored: StoredCollection,
        options: SearchOptions,
        weight: Weight | None,
        chance: ChanceScores | None,
    ) -> None:
        self._index = index
        self._stored = stored
        self._options = options
        self._weight = weight
        self._chance = chance

    def answer(self, query: EmbeddedQuery) -> SearchAnswer:
        for _ in range(_ATTEMPTS):
            try:
                return self._answer(query, self._index.view())
            except ChangedMeanwhile:  # a hit was replaced or removed before its text was read
                continue
        raise StorageError(
            "The collection kept changing while it was searched.", remedy="Try again."
        )

    def _answer(self, query: EmbeddedQuery, view: View) -> SearchAnswer:
        language = language_of_query(query.text, view.languages)
        scope = SearchScope(query.text, self._options, self._stored.id, self._index.generation)
        cursor = self._options.cursor
        walk = None if cursor is None else read_cursor(cursor, scope)
        chance, least = self._chance, self._options.min_confidence
        question = question_of(self._index, view, query, self._options, self._weight, walk, chance)
        words = question.words
        shares = None
        if self._options.explain and self._options.mode.is_lexical:
            shares = WordShares(view, words, query.text)
        reader = ChunkReader(self._index, view, words, self._stored.name, shares)
        found = Searcher(view, question, reader).search()
        ends_here = found.walk is not None and len(found.walk.shown) > MOST_SHOWN
        following = None if ends_here else found.walk
        recipe = self._index.recipe
        answer = SearchAnswer(
            query=query.text,
            collection=self._stored.name,
            mode=str(self._options.mode),
            hits=tuple(reader.hits(found.passages, self._options.passage)),
            stages=found.stages,
            weights=found.weights,
            searched=found.allowed,
            is_exact=found.is_exact,
            model=recipe.model,
            revision=recipe.revision,
            precision=recipe.precision,
            generation=self._index.generation,
            language=language,
            query_tokens_cut=query.tokens_cut,
            next_cursor=None if following is None else write_cursor(following, scope),
            failures=() if query.failure is None else (StageFailure.of("dense", query.failure),),
            warnings=(_ENDS_HERE,) if ends_here else (),
        )
        if least is None or chance is None:
            return answer
        return with_confidence(answer, chance, least, None if walk else found.best)


def question_of(
    index: CollectionIndex,
    view: View,
    query: EmbeddedQuery,
    options: SearchOptions,
    weight: Weight | None,
    walk: Walk | None,
    chance: ChanceScores | None,
) -> Question:
    """A query as the stages of a search need it: its words, and the weights by language."""
    floor = None
    if chance is not None and options.min_confidence is not None:
        floor = chance.floor(options.min_confidence, is_partial=query.failure is not None)
    language = language_of_query(query.text, view.languages)
    analysers = {one: index.analyser(one) for one in view.languages}
    segments = [segment.lexical for segment in view.segments]
    complete = partial(completions, segments) if options.prefix else None
    words = read_query(query.text, analysers, language=language, complete=complete)
    of_model = index.recipe.languages
    weights = {one: weight or weight_of(language, one, of_model) for one in view.languages}
    return Question(options, query.vector, words, weights, walk, floor)


class ChunkReader:
    """Reads the chunks of rows of a view, for one query."""

    def __init__(
        self,
        index: CollectionIndex,
        view: View,
        words: LexicalQuery,
        collection: str,
        shares: WordShares | None,
    ) -> None:
        self._index = index
        self._shares = shares
        self._collection = collection
        self._view = view
        self._words = words
        self._finders: dict[str, TermFinder] = {}

    def has_phrases(self, rows: Sequence[tuple[int, int]]) -> Mask:
        """Which rows (m,) have the query's phrases in their texts."""
        found = np.zeros(len(rows), dtype=np.bool_)
        chunks = self._index.chunks(self._view, rows)
        for n, (row, chunk) in enumerate(zip(rows, chunks, strict=True)):
            tokens = self._index.analyser(self._file(row).language).tokens(chunk.text)
            terms = [one.terms[0] for one in tokens if not one.is_pair and not one.is_whole]
            found[n] = self._words.has_phrases_in(terms)
        return found

    def parents(self, rows: Sequence[tuple[int, int]]) -> list[Span | None]:
        """The parents of the rows' chunks."""
        return [chunk.parent for chunk in self._index.chunks(self._view, rows)]

    def hits(self, passages: Sequence[Sequence[ScoredRow]], kind: Passage | None) -> Iterator[Hit]:
        """The hit of each passage."""
        places = [(row.segment, row.row) for rows in passages for row in rows]
        chunks = iter(self._index.chunks(self._view, places))
        for rows in passages:
            own = list(islice(chunks, len(rows)))
            spans = sorted((chunk.span for chunk in own), key=lambda span: span.start)
            if kind is Passage.PARENT:
                own = self._siblings(rows[0], own[0])
            own.sort(key=lambda chunk: chunk.span.start)
            yield self._hit(rows[0], own, spans)

    def _siblings(self, row: ScoredRow, chunk: Chunk) -> list[Chunk]:
        """All chunks of the parent of a chunk."""
        parent = chunk.parent
        if parent is None:
            return [chunk]
        segment = self._view.segments[row.segment]
        table = segment.table
        is_inside = (table.starts >= parent.start) & (table.ends <= parent.end) & segment.alive
        rows = np.flatnonzero((table.files == table.files[row.row]) & is_inside)
        return self._index.chunks(self._view, [(row.segment, one) for one in rows.tolist()])

    def _hit(self, row: ScoredRow, chunks: Sequence[Chunk], spans: Sequence[Span]) -> Hit:
        table = self._view.segments[row.segment].table
        file = self._file((row.segment, row.row))
        text, first = text_of(chunks), chunks[0]
        analyser = self._index.analyser(file.language)
        if (finder := self._finders.get(file.language)) is None:
            finder = self._finders[file.language] = TermFinder(analyser, self._words.terms)

        def find_marks(text: str) -> tuple[Span, ...]:
            return marked(text, finder.spans(text))

        words = self._shares and self._shares.of(row.segment, row.row, text, analyser)
        return Hit(
            id=table.ids[row.row].tobytes().hex(),
            file=file.name,
            file_id=file.id,
            collection=self._collection,
            text=text,
            span=Span(first.span.start, first.span.start + len(text)),
            spans=tuple(spans),
            score=row.score,
            scores={"cosine": row.cosine, "bm25": row.bm25},
            ranks=row.ranks,
            marks=find_marks(text),
            page=first.page,
            last_page=chunks[-1].last_page,
            headings=first.headings,
            heading_marks=tuple(map(find_marks, first.headings)),
            title=file.title,
            title_marks=find_marks(file.title),
            file_marks=find_marks(file.name),
            kind=file.kind,
            language=file.language,
            attributes=file.attributes,
            words=words,
        )

    def _file(self, place: tuple[int, int]) -> IndexedFile:
        segment, row = place
        return self._view.files[int(self._view.segments[segment].table.files[row])]
