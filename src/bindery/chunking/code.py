"""Programs: cut between definitions, then between their members, then between statements."""

import numpy as np

from bindery.chunking import boundaries
from bindery.chunking.characters import distinct
from bindery.chunking.outline import Outline, Source
from bindery.errors import InvalidValue

_LEAST_FILL = 0.25  # as recursive has it


def code(source: Source) -> Outline:
    """Cut a program where a definition, a member or a statement begins, else between lines.

    Raises InvalidValue for a source that nothing divides, and what does raises what it does for a
    program of no known language and for one that it does not get through.
    """
    if source.divide is None:
        raise InvalidValue(
            "The strategy 'code' goes by where a program divides, and nothing tells it.",
            remedy="Chunk through a Library, or hand chunk() bindery.documents.divide as divide.",
            param="strategy",
        )
    characters = source.characters
    ranks = [
        characters.cuts(np.array(places, dtype=np.int64))
        for places in source.divide(source.document)
    ]
    lines, words = boundaries.lines(characters), boundaries.words(characters)
    return Outline(
        ranks=(*ranks, lines, words),
        steps=(distinct(*ranks, lines), words, characters.cuts(source.tokens.starts)),
        least_fill=_LEAST_FILL,
        balanced=True,
    )
