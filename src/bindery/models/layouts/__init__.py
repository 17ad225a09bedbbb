"""A model's folder, read: what its own configuration says of it, whatever layout it was saved in.

::

    values.py       what is read, as values
    detection.py    which layout a folder has
    reading.py      ``read_layout``: the folder as its layout's reader has it, and its catalog row
    others          a reader for each layout, and what they share (``parts.py``)
"""

from bindery.models.layouts.reading import read_layout, with_lengths
from bindery.models.layouts.values import (
    Dense,
    LateInteraction,
    LayerNorm,
    Layout,
    Normalize,
    Step,
)

__all__ = [
    "Dense",
    "LateInteraction",
    "LayerNorm",
    "Layout",
    "Normalize",
    "Step",
    "read_layout",
    "with_lengths",
]
