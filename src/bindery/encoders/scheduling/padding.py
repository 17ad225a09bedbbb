"""Texts of like length as one rectangle.

The first run of every new shape costs milliseconds, so lengths are rounded up to a few and batches
are filled to powers of two.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bindery.encoders.tokeniser import Tokens

Ids: TypeAlias = npt.NDArray[np.int32]

# However short the texts, a batch holds no more of them than of texts of this many tokens.
_SHORTEST = 64


def padded_length(tokens: int) -> int:
    """The length a text is padded to: steps of 8 up to 256, of 64 beyond.

    Never 0: a model without special tokens makes none of an empty text.
    """
    step = 8 if tokens <= 256 else 64
    return max(1, -(-tokens // step)) * step


def padded(
    texts: Sequence[Tokens], length: int, *, attends_to_expansion: bool = False
) -> tuple[Ids, Ids]:
    """Ids and mask of a batch, (b, length) int32, padded on the right.

    Padding is masked, so its id only has to be one that every table has. What fills a query up is
    masked too, unless the model was trained otherwise; it attends to the other tokens all the same,
    and that is what makes it mean something.
    """
    ids = np.zeros((len(texts), length), dtype=np.int32)
    mask = np.zeros((len(texts), length), dtype=np.int32)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text.ids
        mask[row, : len(text) if attends_to_expansion else text.used] = 1
    return ids, mask


def batch_size(length: int, waiting: int, batch_tokens: int) -> int:
    """How many of the waiting texts of one length go into a batch: a power of two.

    Small batches of equal length beat large ones on a processor, because the activations stay in
    its cache; how many tokens they may hold is what the engine says.
    """
    most = max(1, min(waiting, batch_tokens // max(length, _SHORTEST)))
    return 1 << (most.bit_length() - 1)
