"""What a rebuild of a collection will cost, and how it answers beside the former generation."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bindery.encoders.request import EncodeRequest
from bindery.errors import BinderyError, InvalidValue, StorageError, UnknownFile
from bindery.jobs.into_collection import CollectionFiles
from bindery.jobs.recipe import Recipe
from bindery.library import Library
from bindery.options import USUAL_SIZE, SearchMode, SearchOptions
from bindery.search.answering import search_index
from bindery.search.answers import SearchAnswer
from bindery.search.index import ChangedMeanwhile, CollectionIndex
from bindery.search.queries import check_queries
from bindery.search.view import View
from bindery.store import derived
from bindery.store.collections import CollectionFile, StoredCollection
from bindery.types import Span

_MEASURED_TEXTS = 16
_QUERIES = 20
_TOP = 10
_QUERY_WORDS = 12
_ATTEMPTS = 5
# Of one number: float32 in the catalog, float16 in a segment, and a code of four bits.
_BYTES_OF_A_NUMBER = 6.5
# A token's share of the compressed text and of the postings, and the facts of a chunk.
_BYTES_OF_A_TOKEN = 10
_BYTES_OF_A_CHUNK = 100


@dataclass(frozen=True, slots=True)
class RebuildEstimate:
    """What a rebuild will do: ``chunks`` of ``files`` with ``tokens`` to embed.

    ``chunks_known`` of them have vectors already, of this or another collection. ``minutes`` is
    measured with a few texts; None for a remote model. ``size_bytes`` is what the new generation
    takes beside the former one. ``unreadable`` files cannot be rebuilt, each with the reason.
    """

    files: int
    chunks: int
    chunks_known: int
    tokens: int
    minutes: float | None
    size_bytes: int
    unreadable: Mapping[str, str] = field(default_factory=dict[str, str])

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


def estimate(
    library: Library,
    index: CollectionIndex,
    recipe: Recipe,
    files: Sequence[CollectionFile],
) -> RebuildEstimate:
    """What making these files of an index again by a recipe will cost. Loads the model.

    Chunks that are not cut yet are estimated from those of the index.
    """
    view = index.view()
    sizes = _sizes(view)
    source = CollectionFiles(library, index.collection, timeout_s=0)
    unreadable: dict[str, str] = {}
    total = np.zeros(4, dtype=np.int64)
    for file in files:
        try:
            source.open(file.name)
        except (UnknownFile, StorageError) as error:
            unreadable[file.name] = error.message
            continue
        made = _made_already(library, recipe, file)
        made = made or _guess(recipe, index.recipe, *sizes.get(file.number, (1, 1)))
        total += made
    chunks, known, left, tokens = total.tolist()
    seconds = None if recipe.is_remote else left * _seconds_per_token(library, recipe, index)
    rows = tokens if recipe.has_many_vectors else chunks
    size = (
        rows * recipe.dimensions * _BYTES_OF_A_NUMBER
        + tokens * _BYTES_OF_A_TOKEN
        + chunks * _BYTES_OF_A_CHUNK
    )
    minutes = None if seconds is None else round(seconds / 60, 2)
    return RebuildEstimate(
        len(files) - len(unreadable), chunks, known, left, minutes, int(size), unreadable
    )


def _sizes(view: View) -> dict[int, tuple[int, int]]:
    """The tokens and the number of the living chunks of each file."""
    found: dict[int, tuple[int, int]] = {}
    for segment in view.segments:
        alive = segment.alive
        numbers, places = np.unique(segment.table.files[alive], return_inverse=True)
        tokens = np.bincount(places, np.maximum(1, segment.table.tokens[alive]))
        for number, *size in zip(numbers.tolist(), tokens, np.bincount(places), strict=True):
            found[number] = (int(size[0]), int(size[1]))
    return found


def _made_already(
    library: Library, recipe: Recipe, file: CollectionFile
) -> tuple[int, int, int, int] | None:
    """Of chunks cut already: how many, how many with vectors, the tokens without, and all."""
    path = Path(file.source)
    name = path.name if path.is_absolute() else file.name
    with library.database.reading() as connection:
        kept = derived.find_chunks(connection, recipe.chunks_key(file.content, name))
        if kept is None:
            return None
        chunks = [one for part in derived.read_chunks(connection, kept.key) for one in part]
        keys = recipe.vector_keys(chunks, kept.document)
        known = derived.known_vectors(connection, keys)
    sizes = [max(1, chunk.tokens) for chunk in chunks]
    left = sum(size for size, key in zip(sizes, keys, strict=True) if key not in known)
    return len(chunks), sum(key in known for key in keys), left, sum(sizes)


def _guess(recipe: Recipe, former: Recipe, tokens: int, chunks: int) -> tuple[int, int, int, int]:
    """The same of a file that is not cut yet, from the tokens and number of its chunks."""
    text = max(1, tokens - (chunks - 1) * former.chunks.overlap)
    size, former_size = recipe.chunks.size or USUAL_SIZE, former.chunks.size or USUAL_SIZE
    share = min(1.0, max(0.3, tokens / chunks / former_size))
    step = max(1, round(share * size) - recipe.chunks.overlap)
    cut = max(1, -(-text // step))
    read = text + (cut - 1) * recipe.chunks.overlap
    return cut, 0, read, read


def _seconds_per_token(library: Library, recipe: Recipe, index: CollectionIndex) -> float:
    texts = [text for _, _, text in _sample(index, _MEASURED_TEXTS)[1]]
    if not texts:
        return 0.0
    request = EncodeRequest(texts, recipe.vectors)
    library.submit(recipe.loaded_as, request, owner=None).result()  # loads and compiles
    started = time.perf_counter()
    _, encoded = library.submit(recipe.loaded_as, request, owner=None).result()
    return (time.perf_counter() - started) / max(1, encoded.total_tokens)


def _sample(index: CollectionIndex, most: int) -> tuple[View, list[tuple[int, int, str]]]:
    """The newest view, and chunks from all over it, evenly: segment, row and text of each."""
    for _ in range(_ATTEMPTS):
        view = index.view()
        living = [np.flatnonzero(segment.alive) for segment in view.segments]
        ends = np.cumsum([len(rows) for rows in living])
        count = int(ends[-1]) if living else 0
        chosen: list[tuple[int, int]] = []
        for n in range(min(most, count)):
            place = n * count // min(most, count)
            segment = int(np.searchsorted(ends, place, side="right"))
            chosen.append((segment, int(living[segment][place - ends[segment]])))
        try:
            chunks = index.chunks(view, chosen)
        except ChangedMeanwhile:
            continue
        return view, [(*where, one.text) for where, one in zip(chosen, chunks, strict=True)]
    raise StorageError("The collection changed each time it was read.", remedy="Try again.")


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two generations answer ``queries`` made of the former one's headings and texts.

    ``overlap`` is the mean share of the former one's best 10 passages that the new one also finds
    among its best 10. ``found`` is the share of queries whose own passage is among them. Numbers
    are None if the former one cannot be asked any more, for which ``skipped`` is the reason.
    """

    queries: int
    chunks: int
    chunks_before: int
    overlap: float | None = None
    found: float | None = None
    found_before: float | None = None
    skipped: str = ""

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


def compare(
    library: Library,
    stored: StoredCollection,
    before: tuple[CollectionIndex, Callable[[], Recipe]],
    after: tuple[CollectionIndex, Callable[[], Recipe]],
) -> Comparison:
    """How one generation answers beside another, each an index and what finds its model."""
    index = before[0]
    view, sample = _sample(index, _QUERIES)
    counts = (after[0].view().rows, view.rows)
    asked: list[tuple[str, Passage]] = []
    for place, row, text in sample:
        query = _query_of(view, place, row, text)
        if query:
            asked.append((query, _passage(view, place, row)))
    queries, passages = [query for query, _ in asked], [passage for _, passage in asked]
    if not queries:
        return Comparison(0, *counts)
    options = SearchOptions(SearchMode.HYBRID, _TOP)
    try:
        old = search_index(library, before[1], index, stored, queries, options)
        new = search_index(library, after[1], after[0], stored, queries, options)
    except BinderyError as error:
        return Comparison(len(queries), *counts, skipped=error.message)
    return Comparison(
        len(queries),
        *counts,
        overlap=_mean([_overlap(one, two) for one, two in zip(old, new, strict=True)]),
        found=_found(new, passages),
        found_before=_found(old, passages),
    )


def _query_of(view: View, place: int, row: int, text: str) -> str:
    """What somebody might ask to find a chunk: its heading and its first words."""
    table = view.segments[place].table
    headings = table.heading_names[int(table.headings[row])]
    query = " ".join([*headings[-1:], *text.split()[:_QUERY_WORDS]]).replace('"', " ")
    try:
        check_queries([query])
    except InvalidValue:  # nothing in it can be seen
        return ""
    return query


def _passage(view: View, place: int, row: int) -> "Passage":
    table = view.segments[place].table
    file = view.files[int(table.files[row])]
    return file.name, Span(int(table.starts[row]), int(table.ends[row]))


Passage: TypeAlias = tuple[str, Span]
"""A part of a file, by its name: chunks of two recipes have different ids."""


def _is_among(passage: Passage, answer: SearchAnswer) -> bool:
    """Whether a hit overlaps a passage."""
    name, span = passage
    return any(
        hit.file == name and hit.span.start < span.end and span.start < hit.span.end
        for hit in answer.hits
    )


def _overlap(before: SearchAnswer, after: SearchAnswer) -> float:
    return _mean([_is_among((hit.file, hit.span), after) for hit in before.hits])


def _found(answers: Sequence[SearchAnswer], passages: Sequence[Passage]) -> float:
    return _mean([_is_among(p, answer) for p, answer in zip(passages, answers, strict=True)])


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / max(1, len(values)), 4)
