"""Embeddings of every shape, for hypothesis to choose from."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bindery.vectors.embeddings import Embeddings, Rows

# No deadline: the machine may be busy with other things.
patient = settings(max_examples=40, deadline=None)

LARGEST = float(np.finfo(np.float32).max)
ANY_VALUE = st.floats(-LARGEST, LARGEST, width=32)
# Values whose products neither overflow nor vanish, so that formulas can be compared.
TAME_VALUE = st.one_of(
    st.just(0.0), st.floats(0.015625, 128, width=32), st.floats(-128, -0.015625, width=32)
)


def matrices(
    values: st.SearchStrategy[float] = TAME_VALUE, *, width: int | None = None
) -> st.SearchStrategy[Rows]:
    """0 to 6 rows of 1 to 20 values."""
    widths = st.integers(1, 20) if width is None else st.just(width)
    shapes = st.tuples(st.integers(0, 6), widths)
    return shapes.flatmap(lambda shape: arrays.arrays(np.float32, shape, elements=values))


@st.composite
def embeddings(
    draw: st.DrawFn,
    values: st.SearchStrategy[float] = TAME_VALUE,
    *,
    width: int | None = None,
    most_rows: int = 3,
) -> Embeddings:
    """0 to 5 texts of 0 to ``most_rows`` rows."""
    chosen = draw(st.integers(1, 20)) if width is None else width
    counts = draw(st.lists(st.integers(0, most_rows), max_size=5))
    texts = [draw(arrays.arrays(np.float32, (count, chosen), elements=values)) for count in counts]
    return Embeddings.ragged(texts, chosen)


@st.composite
def pairs(draw: st.DrawFn, *, dense: bool = False) -> tuple[Embeddings, Embeddings]:
    """Queries and documents of one width."""
    width = draw(st.integers(1, 12))
    sides = matrices(width=width).map(Embeddings.dense) if dense else embeddings(width=width)
    return draw(sides), draw(sides)
