"""Read a model's folder in any layout, from its own configuration.

::

    values.py       the result, as values
    detection.py    which layout a folder has
    reading.py      ``read_layout``: reads a folder and compares it with its row in the catalog
    others          one reader per layout, and what they share (``parts.py``)
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
