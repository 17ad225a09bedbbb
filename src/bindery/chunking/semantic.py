"""Cuts where the text changes its subject, as an encoder sees it.

As Hearst, 1997, TextTiling (aclanthology.org/J97-1003), with an encoder's vectors for her counts of
words: neighbouring groups of sentences are compared, and where they are least alike is a boundary.
Each sentence is embedded once, so this costs about what embedding the text does.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.chunking import boundaries
from bindery.chunking.characters import Characters, Positions
from bindery.chunking.outline import Embed, Outline, Source
from bindery.chunking.sentence import sentence
from bindery.errors import InvalidValue

SEMANTIC = "semantic"
"""The strategy's name: the one that needs an encoder to cut."""

# Sentences on each side of a place that are compared.
_GROUP = 3

# Ranks of places, best first: those over which the text changes more than over so many percent.
_PERCENTILES = (95, 80, 50)

# As recursive has it: a much better place is worth a chunk of a quarter of the size.
_LEAST_FILL = 0.25

# Sentences embedded at once: what an encoder is given stays small, however long the text.
_BATCH_SENTENCES = 1024

_LEAST_LENGTH = np.float32(1e-12)

_Rows: TypeAlias = npt.NDArray[np.float32]


def semantic(source: Source) -> Outline:
    """Cut between sentences, there where those before are least like those after.

    Raises InvalidValue for a source without an encoder, and for one that does not give each
    sentence a vector.
    """
    if source.embed is None:
        raise InvalidValue(
            "The strategy 'semantic' compares sentences by their vectors, and nothing gives them.",
            remedy="Chunk through a Library, or hand chunk() a function as embed.",
            param="strategy",
        )
    characters = source.characters
    plain = sentence(source)
    _, after_headings = boundaries.headings(source.document, characters)
    places = np.setdiff1d(plain.ranks[0], after_headings, assume_unique=True)
    places = places[places > characters.first]
    limits: Sequence[float] = ()
    changes = np.zeros(0)
    if len(places):
        changes = _changes(_vectors(characters, places, source.embed))
        limits = np.percentile(changes, _PERCENTILES).tolist()
    ranks = tuple(places[changes >= limit] for limit in limits)
    return replace(plain, ranks=(*ranks, places, *plain.ranks[1:]), least_fill=_LEAST_FILL)


def _vectors(characters: Characters, places: Positions, embed: Embed) -> _Rows:
    """A vector of length 1 for each sentence: what lies between neighbouring places."""
    edges = [characters.first, *places.tolist(), characters.last]
    sentences = [
        characters.text[start : characters.trimmed_end(end)]
        for start, end in itertools.pairwise(edges)
    ]
    found: list[_Rows] = []
    for first in range(0, len(sentences), _BATCH_SENTENCES):
        batch = sentences[first : first + _BATCH_SENTENCES]
        rows = np.asarray(embed(batch), dtype=np.float32)
        if rows.ndim != 2 or len(rows) != len(batch):
            raise InvalidValue(
                f"{len(batch)} sentences got vectors of shape {rows.shape}, and not one each.",
                remedy="Choose a model of one vector a text.",
                param="model",
            )
        found.append(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST_LENGTH))
    return np.concatenate(found)


def _changes(vectors: _Rows) -> npt.NDArray[np.float32]:
    """Between each sentence and the next: 1 less the cosine of the groups on both sides."""
    before, after = vectors.copy(), vectors.copy()
    for distance in range(1, min(_GROUP, len(vectors))):
        before[distance:] += vectors[:-distance]
        after[:-distance] += vectors[distance:]
    before, after = before[:-1], after[1:]
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return 1 - (before * after).sum(axis=1) / np.maximum(lengths, _LEAST_LENGTH)
