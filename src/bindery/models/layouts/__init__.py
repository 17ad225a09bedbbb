"""Read a model's folder in any layout, from its own configuration.

::

    values.py       the result, as values
    reading.py      detects the layout of a folder, and compares it with its row in the catalog
    others          one reader per layout, and what they share (``parts.py``)
"""

from bindery.models.layouts.parts import width_after
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
    "width_after",
    "with_lengths",
]
