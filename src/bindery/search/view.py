"""What one search sees: the segments and files of a collection at one moment.

A view is replaced whole and never changed, so that readers need no lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bindery.filters import Filter, Operator, Scalar
from bindery.search.columns import (
    AttributeColumn,
    AttributeType,
    AttributeValue,
    Mask,
    NumberColumn,
    column_of,
    mask_of,
    unknown_key,
)
from bindery.search.segments import Segment

OF_FILES: Mapping[str, AttributeType] = {
    "file": AttributeType.TEXT,
    "kind": AttributeType.TEXT,
    "title": AttributeType.TEXT,
    "language": AttributeType.TEXT,
    "added_at": AttributeType.DATE,
}
"""What every file has beside its own attributes."""

OF_CHUNKS: Mapping[str, AttributeType] = {
    "page": AttributeType.NUMBER,
    "headings": AttributeType.TEXTS,
}
"""What every chunk has."""


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file of a collection as search knows it; ``added_at`` is a date in ISO 8601."""

    number: int
    name: str
    kind: str
    title: str
    language: str
    added_at: str
    attributes: Mapping[str, AttributeValue]
    id: str = ""

    def value(self, key: str) -> AttributeValue | None:
        """The value of a key of :data:`OF_FILES`, or of an attribute; None if it has none."""
        if key in OF_FILES:
            return cast("str", getattr(self, "name" if key == "file" else key)) or None
        return self.attributes.get(key)


def names_of(file: str) -> list[str]:
    """Every name by which a file of a collection may be meant."""
    parts = file.split("/")
    return ["/".join(parts[n:]) for n in range(len(parts))] + [Path(file).stem]


class View:
    """Segments, and the files of their living rows; ``state`` is the catalog's count of changes.

    ``chunk_sets`` are the keys under which the catalog has the texts, by the numbers of the files.
    """

    def __init__(
        self,
        state: int,
        segments: Sequence[Segment],
        files: Sequence[IndexedFile],
        schema: Mapping[str, AttributeType],
        chunk_sets: Mapping[int, bytes] | None = None,
    ) -> None:
        self.state = state
        self.segments = tuple(segment for segment in segments if len(segment))
        self.files = {file.number: file for file in files}
        self.schema = schema
        self.chunk_sets = chunk_sets or {}
        self._columns: dict[tuple[str, int | None], AttributeColumn] = {}

    @property
    def rows(self) -> int:
        """How many rows are alive."""
        return sum(segment.lexical.rows for segment in self.segments)

    @cached_property
    def newest_file(self) -> int:
        """The highest number of a file, 0 without files."""
        return max(self.files, default=0)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """The place of the first row of each segment, and at the end the number of all rows."""
        return np.cumsum([0, *(len(segment) for segment in self.segments)], dtype=np.int64)

    def segments_of(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The numbers of the segments in which places lie."""
        return np.searchsorted(self.starts, places, side="right") - 1

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the segments' rows, empty for texts whose language is not known."""
        return tuple(
            dict.fromkeys(one for segment in self.segments for one in segment.table.language_names)
        )

    def allowed(self, where: Filter | None) -> list[Mask]:
        """Which rows of each segment are alive and pass the filter. Raises InvalidValue."""
        if where is None:
            return [segment.alive for segment in self.segments]
        if not self.segments:
            mask_of(where, lambda key: self._of_rows(key, None))  # a wrong filter is still wrong
        return [
            segment.alive & mask_of(where, lambda key, n=place: self._of_rows(key, n))
            for place, segment in enumerate(self.segments)
        ]

    @cached_property
    def _numbers(self) -> npt.NDArray[np.int64]:
        return np.array(sorted(self.files), dtype=np.int64)

    @cached_property
    def _files_of_rows(self) -> list["_Runs"]:
        """For the rows of each segment the place of their file; any for a dead one without one."""
        most = max(0, len(self._numbers) - 1)
        return [
            replace(runs, values=np.minimum(np.searchsorted(self._numbers, runs.values), most))
            for runs in (_Runs.of(segment.table.files) for segment in self.segments)
        ]

    def _of_rows(self, key: str, place: int | None) -> AttributeColumn:
        if key in OF_CHUNKS:
            return self._of_chunks(key, place)
        known = {**OF_FILES, **OF_CHUNKS, **self.schema}
        if key not in known:
            raise unknown_key(key, list(known))
        column = self._columns.get((key, None))
        if column is None:
            values = [self.files[int(number)].value(key) for number in self._numbers]
            column = self._columns[key, None] = column_of(key, values, known[key])
        return _Repeated(column, _NO_RUNS if place is None else self._files_of_rows[place])

    def _of_chunks(self, key: str, place: int | None) -> AttributeColumn:
        if place is None:
            return column_of(key, [], OF_CHUNKS[key])
        column = self._columns.get((key, place))
        if column is None:
            table = self.segments[place].table
            if key == "page":
                pages = np.where(table.pages > 0, table.pages.astype(np.float64), np.nan)
                column = NumberColumn(key, AttributeType.NUMBER, pages)
            else:
                names = column_of(key, table.heading_names, AttributeType.TEXTS)
                column = _Repeated(names, _Runs.of(table.headings))
            self._columns[key, place] = column
        return column


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Numbers of which many are equal to the one before: ``values[r]``, ``lengths[r]`` times."""

    values: npt.NDArray[np.integer[Any]]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, numbers: npt.NDArray[np.integer[Any]]) -> "_Runs":
        """The runs of numbers: the rows of a file, or of a chapter, lie side by side."""
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
        return cls(numbers[starts], np.diff(starts, append=len(numbers)))


_NO_RUNS = _Runs(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class _Repeated:
    """A column of few values as one of many rows, each of which has the value at its place."""

    column: AttributeColumn
    places: _Runs

    @property
    def type(self) -> AttributeType:
        """What values it has."""
        return self.column.type

    @property
    def present(self) -> Mask:
        """Which rows have a value."""
        return self._of_rows(self.column.present)

    def compare(self, operator: Operator, value: Scalar | tuple[Scalar, ...]) -> Mask:
        """Which rows hold."""
        return self._of_rows(self.column.compare(operator, value))

    def _of_rows(self, mask: Mask) -> Mask:
        return np.repeat(mask[self.places.values], self.places.lengths)
