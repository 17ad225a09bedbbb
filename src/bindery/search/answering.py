"""Queries in, answers out: embed the queries, search a view of the index, read the hits' texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bindery.errors import StorageError
from bindery.jobs.recipe import Recipe
from bindery.library import Library
from bindery.options import SearchOptions
from bindery.search.answers import Hit, SearchAnswer, marked
from bindery.search.index import ChangedMeanwhile, CollectionIndex
from bindery.search.language import Weight, chosen_weight, language_of_query, weight_of
from bindery.search.lexical import Mask
from bindery.search.queries import LexicalQuery, check_queries, read_query
from bindery.search.searching import Question, ScoredRow, Searcher
from bindery.search.view import View
from bindery.types import QUERY, Span

_ATTEMPTS = 5


def search_index(
    library: Library,
    recipe: Callable[[], Recipe],
    index: CollectionIndex,
    collection: str,
    queries: Sequence[str],
    options: SearchOptions,
    *,
    weight: float | None = None,
) -> list[SearchAnswer]:
    """An answer for each query, in order. The queries are embedded in one batch.

    ``recipe`` finds the model that embeds them; the mode lexical needs none. ``weight`` is the
    collection's own, for options without one.
    Raises InvalidValue for a blank query and for a filter on an attribute that the collection does
    not have; what loading the model and embedding the queries raise.
    """
    check_queries(queries)
    answering = _Answering(index, collection, options, chosen_weight(options.weight, weight))
    return [answering.answer(one) for one in _embedded(library, recipe, queries, options)]


@dataclass(frozen=True, slots=True, eq=False)
class _EmbeddedQuery:
    """A query with its vector, if the mode needs it; ``tokens_cut`` are beyond the window."""

    text: str
    vector: npt.NDArray[np.float32] | None = None
    tokens_cut: int = 0


def _embedded(
    library: Library,
    find_recipe: Callable[[], Recipe],
    queries: Sequence[str],
    options: SearchOptions,
) -> list[_EmbeddedQuery]:
    if not options.mode.is_dense:
        return [_EmbeddedQuery(query) for query in queries]
    recipe = find_recipe()
    wanted = replace(recipe.vectors, role=QUERY, title=None)
    _, encoded = library.embed(recipe.loaded_as, queries, wanted)
    rows, offsets = encoded.embeddings.rows, encoded.embeddings.offsets
    return [
        _EmbeddedQuery(
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
        collection: str,
        options: SearchOptions,
        weight: Weight | None,
    ) -> None:
        self._index = index
        self._collection = collection
        self._options = options
        self._weight = weight

    def answer(self, query: _EmbeddedQuery) -> SearchAnswer:
        for _ in range(_ATTEMPTS):
            try:
                return self._answer(query, self._index.view())
            except ChangedMeanwhile:  # a hit was replaced or removed before its text was read
                continue
        raise StorageError(
            "The collection changed all the time while it was searched.", remedy="Try again."
        )

    def _answer(self, query: _EmbeddedQuery, view: View) -> SearchAnswer:
        language = language_of_query(query.text, view.languages)
        analysers = {one: self._index.analyser(one) for one in view.languages}
        words = read_query(query.text, analysers, language=language)
        of_model = self._index.recipe.languages
        weights = {
            one: self._weight or weight_of(language, one, of_model) for one in view.languages
        }
        question = Question(self._options, query.vector, words, weights)

        def has_phrases(rows: Sequence[tuple[int, int]]) -> Mask:
            texts = self._index.texts(view, rows)
            languages = [view.segments[n].table.language_of(row) for n, row in rows]
            return np.array(
                [
                    self._has_phrases(text, language, words)
                    for text, language in zip(texts, languages, strict=True)
                ],
                dtype=np.bool_,
            )

        found = Searcher(view, question, has_phrases).search()
        recipe = self._index.recipe
        return SearchAnswer(
            query=query.text,
            collection=self._collection,
            mode=str(self._options.mode),
            hits=tuple(self._hits(view, found.rows, words)),
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
        )

    def _hits(self, view: View, rows: Sequence[ScoredRow], words: LexicalQuery) -> list[Hit]:
        texts = self._index.texts(view, [(row.segment, row.row) for row in rows])
        return [self._hit(view, row, text, words) for row, text in zip(rows, texts, strict=True)]

    def _hit(self, view: View, row: ScoredRow, text: str, words: LexicalQuery) -> Hit:
        table = view.segments[row.segment].table
        file = view.files[int(table.files[row.row])]
        analyser = self._index.analyser(file.language)
        spans = [t.span for t in analyser.tokens(text) if not words.terms.isdisjoint(t.terms)]
        page = int(table.pages[row.row])
        return Hit(
            id=table.ids[row.row].tobytes().hex(),
            file=file.name,
            text=text,
            span=Span(int(table.starts[row.row]), int(table.ends[row.row])),
            score=row.score,
            scores={"cosine": row.cosine, "bm25": row.bm25},
            ranks={"dense": row.dense_rank, "lexical": row.lexical_rank},
            marks=marked(text, spans),
            page=page or None,
            headings=table.heading_names[int(table.headings[row.row])],
            title=file.title,
            kind=file.kind,
            language=file.language,
            attributes=file.attributes,
        )

    def _has_phrases(self, text: str, language: str, words: LexicalQuery) -> bool:
        tokens = self._index.analyser(language).tokens(text)
        terms = [token.terms[0] for token in tokens if not token.is_pair and not token.is_whole]
        return words.has_phrases_in(terms)
