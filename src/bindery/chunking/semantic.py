"""Cuts where the subject of the text changes, judged by the vectors of its sentences.

Based on TextTiling (Hearst, 1997, aclanthology.org/J97-1003), with an encoder's vectors instead of
word counts: neighbouring groups of sentences are compared, and the least similar ones are parted.
Each sentence is embedded once, which costs about as much as embedding the text.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.chunking import boundaries
from bindery.chunking.characters import Characters, Positions
from bindery.chunking.outline import ChunkingInput, Embed, Outline
from bindery.chunking.strategies import LEAST_FILL, sentence
from bindery.errors import InvalidValue

# Sentences compared on each side of a position.
_GROUP = 3

# Ranks of positions, best first: where the text changes more than at this percentage of them.
_PERCENTILES = (95, 80, 50)

# Sentences embedded at once, so that the encoder's input stays small however long the text is.
_BATCH_SENTENCES = 1024

_LEAST_LENGTH = np.float32(1e-12)

_Rows: TypeAlias = npt.NDArray[np.float32]


def semantic(source: ChunkingInput) -> Outline:
    """Cut between sentences where those before are least similar to those after.

    Raises InvalidValue if the input has no ``embed`` function, or if that function does not return
    one vector for each sentence.
    """
    if source.embed is None:
        raise InvalidValue(
            "The strategy 'semantic' needs a function that embeds sentences.",
            remedy="Chunk through a Library, or pass a function to chunk() as embed.",
            param="strategy",
        )
    characters = source.characters
    plain = sentence(source)
    _, after_headings = boundaries.headings(source.document, characters)
    positions = np.setdiff1d(plain.ranks[0], after_headings, assume_unique=True)
    positions = positions[positions > characters.first]
    limits: Sequence[float] = ()
    changes = np.zeros(0)
    if len(positions):
        changes = _changes(_vectors(characters, positions, source.embed))
        limits = np.percentile(changes, _PERCENTILES).tolist()
    ranks = tuple(positions[changes >= limit] for limit in limits)
    return replace(plain, ranks=(*ranks, positions, *plain.ranks[1:]), least_fill=LEAST_FILL)


def _vectors(characters: Characters, positions: Positions, embed: Embed) -> _Rows:
    """A vector of length 1 for each sentence, that is between neighbouring positions."""
    edges = [characters.first, *positions.tolist(), characters.last]
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
                f"The strategy 'semantic' needs one vector per sentence, but the model returned an "
                f"array of shape {rows.shape} for {len(batch)} sentences.",
                remedy="Choose a model that gives one vector per text.",
                param="model",
            )
        found.append(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST_LENGTH))
    return np.concatenate(found)


def _changes(vectors: _Rows) -> npt.NDArray[np.float32]:
    """For each pair of neighbouring sentences: 1 minus the cosine of the groups on both sides."""
    before, after = vectors.copy(), vectors.copy()
    for distance in range(1, min(_GROUP, len(vectors))):
        before[distance:] += vectors[:-distance]
        after[:-distance] += vectors[distance:]
    before, after = before[:-1], after[1:]
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return 1 - (before * after).sum(axis=1) / np.maximum(lengths, _LEAST_LENGTH)
