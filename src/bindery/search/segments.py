"""A segment: rows of a collection that never change, with both of their indexes.

A row is a chunk. Its text lies in the catalog; here is what finds it there, what filters need, and
what scores it. The catalog knows which rows are alive: those of a file, while it says that the file
lies in this segment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bindery.search.dense import DenseSegment
from bindery.search.lexical import LexicalSegment, Mask, Postings, Rows, Vocabulary
from bindery.search.segment_files import (
    DamagedSegment,
    read_arrays,
    read_codes,
    write_arrays,
    write_codes,
)
from bindery.search.tokens import TokenSegment
from bindery.vectors.embeddings import Embeddings

TERMS_VERSION = 2
"""Counted up with every change of the analyser, or of the fields and weights of words.

Segments with the terms of a lower one are made again from the catalog, in the background.
"""

_HEADINGS_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A chunk as it goes into a segment.

    ``id`` has 16 bytes. ``file`` is the number of its file in the catalog, ``part`` and ``place``
    are where its text lies among the chunks of the file. ``terms`` are those of its text, headings,
    title and file name.
    """

    id: bytes
    file: int
    part: int
    place: int
    start: int
    end: int
    page: int | None
    tokens: int
    headings: tuple[str, ...]
    language: str
    terms: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class RowTable:
    """The facts of n rows, an array each, as :class:`IndexRow` names them; ``pages`` 0 for none.

    ``headings`` and ``languages`` are numbers of ``heading_names`` and ``language_names``.
    """

    ids: npt.NDArray[np.uint8]
    files: npt.NDArray[np.int64]
    parts: npt.NDArray[np.int32]
    places: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    pages: npt.NDArray[np.int32]
    tokens: npt.NDArray[np.int32]
    headings: npt.NDArray[np.int32]
    languages: npt.NDArray[np.int32]
    heading_names: tuple[tuple[str, ...], ...]
    language_names: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[IndexRow]) -> "RowTable":
        """The table of rows."""
        headings = {path: n for n, path in enumerate(dict.fromkeys(row.headings for row in rows))}
        languages = {one: n for n, one in enumerate(dict.fromkeys(row.language for row in rows))}
        ids = np.frombuffer(b"".join(row.id for row in rows), dtype=np.uint8)
        return cls(
            ids=ids.reshape(len(rows), 16),
            files=np.array([row.file for row in rows], dtype=np.int64),
            parts=np.array([row.part for row in rows], dtype=np.int32),
            places=np.array([row.place for row in rows], dtype=np.int32),
            starts=np.array([row.start for row in rows], dtype=np.int64),
            ends=np.array([row.end for row in rows], dtype=np.int64),
            pages=np.array([row.page or 0 for row in rows], dtype=np.int32),
            tokens=np.array([row.tokens for row in rows], dtype=np.int32),
            headings=np.array([headings[row.headings] for row in rows], dtype=np.int32),
            languages=np.array([languages[row.language] for row in rows], dtype=np.int32),
            heading_names=tuple(headings),
            language_names=tuple(languages),
        )

    def __len__(self) -> int:
        return len(self.files)

    def language_of(self, row: int) -> str:
        """The language of a row, empty if it is not known."""
        return self.language_names[int(self.languages[row])]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Rows with their vectors and words, of which some may be dead. ``name`` is empty in memory.

    ``terms_version`` is the lowest TERMS_VERSION with which the words of a row were found.
    """

    name: str
    table: RowTable
    dense: DenseSegment | TokenSegment
    lexical: LexicalSegment
    terms_version: int = TERMS_VERSION

    @property
    def alive(self) -> Mask:
        """Which rows (n,) are alive."""
        return self.lexical.alive

    def __len__(self) -> int:
        return len(self.table)

    @classmethod
    def in_memory(
        cls, rows: Sequence[IndexRow], embeddings: Embeddings, *, has_many_vectors: bool = False
    ) -> "Segment":
        """A segment of rows and their embeddings, in the same order."""
        postings = Postings.of([row.terms for row in rows])
        kind = TokenSegment if has_many_vectors else DenseSegment
        return cls("", RowTable.of(rows), kind.of(embeddings), LexicalSegment.whole(postings))

    def of_files(self, files: Sequence[int]) -> "Segment":
        """The segment in which the rows of these files alone are alive."""
        wanted = np.isin(self.table.files, np.array(files, dtype=np.int64))
        if (wanted & ~self.alive).any():
            # The same rows were published again under the same name, since their file is back.
            whole = replace(self, lexical=LexicalSegment.whole(self.lexical.postings))
            return whole.without(np.flatnonzero(~wanted))
        return self.without(np.flatnonzero(self.alive & ~wanted))

    def without(self, rows: Rows) -> "Segment":
        """The segment in which these rows are dead."""
        return replace(self, lexical=self.lexical.without(rows)) if len(rows) else self

    def write(self, folder: Path) -> str:
        """Keep all rows, dead ones too, as files; the name. Raises StorageError."""
        postings, table = self.lexical.postings, self.table
        name = write_arrays(
            folder,
            {
                **{key: getattr(table, key) for key in _TABLE_ARRAYS},
                **{key: getattr(postings, key) for key in _POSTING_ARRAYS},
                **self.dense.arrays,
                "vocabulary": postings.vocabulary.to_bytes(),
                "heading_names": _packed(
                    [_HEADINGS_SEPARATOR.join(p) for p in table.heading_names]
                ),
                "language_names": _packed(table.language_names),
            },
            {"rows": str(len(table)), "terms": str(self.terms_version)},
        )
        if (codes := self.dense.with_codes().code_bytes) is not None:
            write_codes(folder, name, codes)
        return name

    @classmethod
    def open(cls, folder: Path, name: str) -> "Segment":
        """The segment of a name, all rows alive. Raises DamagedSegment."""
        arrays, about = read_arrays(folder, name)
        try:
            table = RowTable(
                **{key: arrays[key] for key in _TABLE_ARRAYS},
                heading_names=tuple(
                    tuple(path.split(_HEADINGS_SEPARATOR)) if path else ()
                    for path in _unpacked(arrays["heading_names"])
                ),
                language_names=tuple(_unpacked(arrays["language_names"])),
            )
            postings = Postings(
                vocabulary=Vocabulary.from_bytes(arrays["vocabulary"]),
                **{key: arrays[key] for key in _POSTING_ARRAYS},
            )
            dense = (
                DenseSegment(arrays["vectors"])
                if "vectors" in arrays
                else TokenSegment(arrays["tokens"].view(np.int8), arrays["token_starts"])
            )
        except KeyError as error:
            raise DamagedSegment(f"The segment {name} has no array {error}.") from error
        dense = dense.with_codes(read_codes(folder, name))
        return cls(name, table, dense, LexicalSegment.whole(postings), int(about.get("terms", 1)))


_TABLE_ARRAYS = (
    "ids", "files", "parts", "places", "starts", "ends", "pages", "tokens", "headings", "languages",
)  # fmt: skip
# The names of both kinds differ, since both lie in one file.
_POSTING_ARRAYS = ("term_starts", "rows", "counts", "lengths", "row_starts", "row_terms")


def merged(segments: Sequence[Segment]) -> Segment:
    """One segment in memory of the living rows of several, in their order."""
    living = [np.flatnonzero(segment.alive) for segment in segments]
    tables = [segment.table for segment in segments]
    headings = _union([table.heading_names for table in tables])
    languages = _union([table.language_names for table in tables])
    arrays = {
        key: np.concatenate(
            [getattr(table, key)[rows] for table, rows in zip(tables, living, strict=True)]
        )
        for key in _TABLE_ARRAYS
        if key not in {"headings", "languages"}
    }
    table = RowTable(
        **arrays,
        headings=_renumbered(
            [(t.headings[r], t.heading_names) for t, r in zip(tables, living, strict=True)],
            headings,
        ),
        languages=_renumbered(
            [(t.languages[r], t.language_names) for t, r in zip(tables, living, strict=True)],
            languages,
        ),
        heading_names=tuple(headings),
        language_names=tuple(languages),
    )
    postings = Postings.joined(
        [(segment.lexical.postings, rows) for segment, rows in zip(segments, living, strict=True)]
    )
    parts = [segment.dense.chosen(rows) for segment, rows in zip(segments, living, strict=True)]
    version = min(segment.terms_version for segment in segments)
    return Segment("", table, _joined(parts), LexicalSegment.whole(postings), version)


def _joined(parts: Sequence[DenseSegment | TokenSegment]) -> DenseSegment | TokenSegment:
    dense = [part for part in parts if isinstance(part, DenseSegment)]
    if dense:
        return DenseSegment.joined(dense)
    return TokenSegment.joined([part for part in parts if isinstance(part, TokenSegment)])


def _union(names: Sequence[Sequence[Any]]) -> dict[Any, int]:
    distinct = dict.fromkeys(name for some in names for name in some)
    return {name: number for number, name in enumerate(distinct)}


def _renumbered(
    parts: Sequence[tuple[npt.NDArray[np.int32], Sequence[Any]]], numbers: Mapping[Any, int]
) -> npt.NDArray[np.int32]:
    """Numbers of several lists of names as numbers of one."""
    found = [
        np.array([numbers[name] for name in names], dtype=np.int32)[codes] for codes, names in parts
    ]
    return np.concatenate(found)


def _packed(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("\n".join(text.replace("\n", " ") for text in texts).encode(), np.uint8)


def _unpacked(data: npt.NDArray[Any]) -> Sequence[str]:
    return data.tobytes().decode("utf-8").split("\n")
