"""A cheap encoder for chunking: texts of the same words get the same vector, in any order."""

from collections.abc import Sequence
from functools import partial
from zlib import crc32

import numpy as np
import numpy.typing as npt

from bindery import chunking

_WIDTH = 32


def hashed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Each word counts in the column that its bytes hash to; a text without words is all zeros."""
    rows = np.zeros((len(texts), _WIDTH), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().split():
            row[crc32(word.strip(".,;:!?").encode()) % _WIDTH] += 1
    return rows


chunk = partial(chunking.chunk, embed=hashed)
"""Chunking with that encoder, for the strategies that ask one."""
