"""A map of a collection: its chunks as points of a plane, near each other if they are alike.

The plane is spanned by the two principal components of the vectors (Pearson, 1901), so that any
other vector, such as that of a question, has a place in it too: see :meth:`CollectionMap.facts`.
"""

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from bindery.search.collection import Collection
from bindery.search.view import View

MOST_POINTS = 3000
"""So many show the shape of a collection; finding all that are alike takes 0.1 s."""

_ALIKE = 0.97
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True, eq=False)
class CollectionMap:
    """Chunks as points. ``places`` (n, 2) are a segment's number and a row in it.

    ``points`` (n, 2) are in -1 to 1. A vector v lies at ``(v - mean) @ axes``, where ``mean`` has
    the shape (d,) and ``axes`` (d, 2). ``explained`` is the share of the variance that the plane
    keeps. ``alike`` (n,) says which chunks have a near-duplicate among the points.
    """

    view: View
    places: npt.NDArray[np.int64]
    points: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]
    explained: float
    alike: npt.NDArray[np.bool_]

    def facts(self) -> dict[str, Any]:
        """The same for JSON, with the file, place and headings of each point."""
        return {
            "total": self.view.rows,
            "explained": self.explained,
            "mean": self.mean,
            "axes": np.ascontiguousarray(self.axes.T),
            "points": [
                {"x": float(x), "y": float(y), "is_alike": bool(is_alike), **self._where(*place)}
                for (x, y), is_alike, place in zip(
                    self.points, self.alike, self.places.tolist(), strict=True
                )
            ],
        }

    def _repr_html_(self) -> str:
        """A plot: a colour for each file, and a ring around what has a near-duplicate."""
        facts = self.facts()["points"]
        hues = {name: n * 137.5 % 360 for n, name in enumerate({p["file"]: 0 for p in facts})}
        circles = "".join(
            f'<circle cx="{320 + 300 * p["x"]:.1f}" cy="{210 - 190 * p["y"]:.1f}" r="4" '
            f'fill="hsl({hues[p["file"]]:.0f} 60% 50%)" '
            f'stroke="{"currentColor" if p["is_alike"] else "none"}" stroke-width="2">'
            f"<title>{escape(p['file'])}: {escape(' › '.join(p['headings']))}</title></circle>"
            for p in facts
        )
        return f'<svg viewBox="0 0 640 420" width="640" role="img">{circles}</svg>'

    def _where(self, segment: int, row: int) -> dict[str, Any]:
        table = self.view.segments[segment].table
        file = self.view.files[int(table.files[row])]
        return {
            "file": file.name,
            "file_id": file.id,
            "kind": file.kind,
            "language": table.language_of(row),
            "start": int(table.starts[row]),
            "end": int(table.ends[row]),
            "headings": list(table.heading_names[int(table.headings[row])]),
        }


def map_of(collection: Collection, most: int = MOST_POINTS) -> CollectionMap:
    """The map of a collection, of all its chunks or of ``most`` that are chosen at random.

    The same chunks give the same map. An empty collection has no points.
    """
    view = collection.index.view()
    rows = [np.flatnonzero(segment.alive) for segment in view.segments]
    numbers = np.repeat(np.arange(len(rows)), [len(some) for some in rows])
    places = np.column_stack([numbers, np.concatenate([numbers[:0], *rows])])
    if len(places) > most:
        chosen = np.random.default_rng(0).choice(len(places), most, replace=False)
        places = places[np.sort(chosen)]
    if not len(places):
        nothing = np.zeros((0, 2), np.float32)
        return CollectionMap(
            view, places, nothing, nothing[:, 0], nothing, 0.0, np.zeros(0, np.bool_)
        )
    vectors = np.concatenate(
        [
            segment.dense.centres(places[places[:, 0] == number, 1])
            for number, segment in enumerate(view.segments)
        ]
    )
    points, mean, axes, explained = _plane(vectors)
    return CollectionMap(view, places, points, mean, axes, explained, _have_twins(vectors))


def _plane(
    vectors: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32], float]:
    """The points, the mean, the axes and the share of the variance that they keep."""
    mean = vectors.mean(axis=0)
    centred = (vectors - mean).astype(np.float64)
    values, components = np.linalg.eigh(centred.T @ centred)
    axes = components[:, [-1, -2]]
    # The sign of a component is arbitrary: its largest number is made positive.
    largest = axes[np.abs(axes).argmax(axis=0), [0, 1]]
    axes = axes * np.where(largest < 0, -1.0, 1.0)
    points = centred @ axes
    scale = float(np.abs(points).max()) or 1.0
    total = float(values.sum())
    explained = float(values[-2:].sum()) / total if total > 0 else 0.0
    return (
        (points / scale).astype(np.float32),
        mean.astype(np.float32),
        (axes / scale).astype(np.float32),
        explained,
    )


def _have_twins(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-12)
    found = np.zeros(len(unit), dtype=np.bool_)
    for start in range(0, len(unit), _ROWS_AT_ONCE):
        cosines = unit[start : start + _ROWS_AT_ONCE] @ unit.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = 0.0
        found[start : start + len(cosines)] = (cosines > _ALIKE).any(axis=1)
    return found
