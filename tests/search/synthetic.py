"""Collections without a model: files go into the catalog with vectors that follow from their texts.

Everything but the embedding is the product's own, so thousands of changes take seconds.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bindery.jobs.recipe import Recipe
from bindery.library import Library
from bindery.options import ChunkOptions, SearchMode, SearchOptions, VectorOptions
from bindery.search.collection import Collection, Collections
from bindery.search.index import ChangedMeanwhile
from bindery.search.language import language_of_query
from bindery.search.queries import read_query
from bindery.search.searching import Question, Searcher
from bindery.search.view import View
from bindery.store import collections as catalog
from bindery.store import derived
from bindery.store.values import ChunkSet, KeptVectors
from bindery.types import Chunk, Span

WIDTH = 16
MODES = (SearchMode.DENSE, SearchMode.LEXICAL)

RECIPE = Recipe(
    owner="",
    bindery="0",
    model="synthetic",
    repository="",
    revision="0",
    precision="f32",
    chunks=ChunkOptions(size=64),
    vectors=VectorOptions(),
    dimensions=WIDTH,
)


LATE = replace(RECIPE, model="synthetic late", has_many_vectors=True)
"""A recipe with a vector for each word of a text."""


def open_synthetic(
    library: Library, name: str = "synthetic", recipe: Recipe = RECIPE
) -> Collection:
    """The collection of a name, made if it is not there."""
    collections = Collections(library)
    return collections.find(name) or collections.create(name, recipe)


def vector_of(text: str) -> np.ndarray:
    """The unit vector (16,) of a text: the same for the same text, nearly orthogonal to others."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    row = np.random.default_rng(seed).normal(size=WIDTH)
    return (row / np.linalg.norm(row)).astype(np.float32)


def vectors_of(recipe: Recipe, text: str) -> np.ndarray:
    """The vectors (n, 16) of a text: one, or one for each word."""
    parts = text.split() if recipe.has_many_vectors else [text]
    return np.stack([vector_of(part) for part in parts])


def put(
    library: Library,
    collection: Collection,
    texts: Mapping[str, Sequence[str]],
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Put files into a collection, each with its chunks, in one transaction."""
    recipe = collection.recipe
    with library.database.writing() as connection:
        assert catalog.count_change(connection, collection.id)
        for name, parts in texts.items():
            content = hashlib.sha256(repr(parts).encode()).hexdigest()
            key = recipe.chunks_key(content, name)
            chunks = [Chunk(Span(n, n + 1), text, 1) for n, text in enumerate(parts)]
            made = ChunkSet(key, content, content, len(chunks), (), kind="text", language="en")
            keys = recipe.vector_keys(chunks, content)
            derived.keep_content(connection, content, len(repr(parts)))
            derived.keep_chunks(connection, made, 0, chunks, last=True)
            rows = {
                one: KeptVectors(vectors_of(recipe, text).tobytes(), WIDTH, 1, 0)
                for one, text in zip(keys, parts, strict=True)
            }
            derived.keep_vectors(connection, rows)
            derived.keep_uses(connection, key, keys)
            file = catalog.NewCollectionFile(
                name, f"/{name}", content, len(repr(parts)), "text", "", "en", attributes
            )
            former = catalog.put_file(
                connection, collection.id, collection.stored.generation, file, made.key
            )
            catalog.forget_outdated(connection, collection.id, [former] if former else [])


def found(collection: Collection, text: str, mode: SearchMode, top: int = 10) -> list[str]:
    """The texts that one leg finds for a text, best first."""
    for _ in range(20):
        try:
            return _found(collection, text, mode, top)
        except ChangedMeanwhile:  # as Collection.search does
            continue
    raise AssertionError("The collection changed all the time.")


def _found(collection: Collection, text: str, mode: SearchMode, top: int) -> list[str]:
    index = collection.index
    view = index.view()
    analysers = {one: index.analyser(one) for one in view.languages}
    words = read_query(text, analysers, language=language_of_query(text, view.languages))
    vectors = vectors_of(collection.recipe, text)
    vector = vectors if collection.recipe.has_many_vectors else vectors[0]
    question = Question(SearchOptions(mode, top), vector, words)
    passages = Searcher(view, question, _NoTexts()).search().passages
    return texts_of(collection, view, [(row.segment, row.row) for (row,) in passages])


class _NoTexts:
    """Says of rows what needs no text: queries have no phrases, and chunks no parents."""

    def has_phrases(self, rows: Sequence[tuple[int, int]]) -> np.ndarray:
        return np.ones(len(rows), dtype=np.bool_)

    def parents(self, rows: Sequence[tuple[int, int]]) -> list[None]:
        return [None] * len(rows)


def texts_of(collection: Collection, view: View, rows: Sequence[tuple[int, int]]) -> list[str]:
    """The texts of rows, each a segment's number and a row in it."""
    return [chunk.text for chunk in collection.index.chunks(view, rows)]


def bytes_under(folder: Path) -> int:
    """The bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
