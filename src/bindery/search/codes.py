"""4-bit codes of vectors, by which a first pass over many rows finds candidates.

The codes are those of TurboQuant (Zandieh et al., 2025, arXiv:2504.19874), by turbovec. They are
made once and never changed: turbovec's files have no checksum, and changes after loading have
corrupted them (its issues 303, 353 and 361).

Of very many rows the codes are those of short vectors (a Matryoshka funnel): each vector is turned
by a rotation fitted on a sample of the rows, so that its first values say most, and cut. That
works for every model; the full vectors decide among the candidates.
"""

import json
import os
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from bindery.search.lexical import Mask, Rows
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation

FUNNEL_ROWS = 500_000
"""From this number of rows on, short codes are tried: they are read in less than half the time."""

SHORT_WIDTH = 128
LEAST_RECALL = 0.98
"""If short codes find less of the best 10, the codes of full vectors are used."""

# A first pass keeps at least this many candidates, and this many for each hit. Full codes of a
# million rows have all of the best 10 among the best 50, and .9994 of the best 100 among 250.
_FULL = (50, 2.5)
_SHORT = (400, 6.0)

# turbovec 1.1.2 takes up to 40 times as long (18 ms of 100,000 rows) if between 16 and 48 rows for
# each wanted one are allowed and lie side by side. So it is asked for more.
_SLOW_SHARES = (16, 48)

# A scan under a mask takes up to twice as long as one without, which is tried first if many rows
# are allowed: with some more candidates, so that enough of them are allowed ones.
_LARGE_SHARE = 0.45
_SPARE = 1.3

_THREADS = "RAYON_NUM_THREADS"
_BITS = 4
_WIDTH_MULTIPLE = 8
_ROWS_AT_ONCE = 65_536
_FITTED_ROWS = 20_000
_SAMPLE = 50
_SAMPLE_HITS = 10


@dataclass(frozen=True, slots=True)
class FirstPass:
    """A way to find candidates: none if all rows are scored, codes, short codes or centroids.

    ``recall`` is the share of the best 10 that it finds, as it was measured when a segment was
    written, for 50 of its rows as queries (25 if each has many vectors).
    """

    name: str
    recall: float


NO_FIRST_PASS = FirstPass("none", 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """The codes of n rows.

    ``turn`` (d, s) turns and cuts a vector before it is coded, None for full ones. ``recall`` is
    that of a first pass over them.
    """

    index: Any
    turn: npt.NDArray[np.float32] | None = None
    recall: float = 1.0

    @classmethod
    def of(cls, vectors: npt.NDArray[np.float16]) -> "Codes | None":
        """The codes of vectors (n, d), or None if turbovec is not installed.

        It has no wheel for musl and for macOS on Intel: there every row is scored.
        """
        if _turbovec() is None:
            return None
        if len(vectors) >= FUNNEL_ROWS and vectors.shape[1] > SHORT_WIDTH:
            short = cls._coded(vectors, _fitted(vectors))
            if short.recall >= LEAST_RECALL:
                return short
        return cls._coded(vectors, None)

    @classmethod
    def _coded(
        cls, vectors: npt.NDArray[np.float16], turn: npt.NDArray[np.float32] | None
    ) -> "Codes":
        width = vectors.shape[1] if turn is None else turn.shape[1]
        width = -(-width // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE
        codes = cls(_turbovec().TurboQuantIndex(width, _BITS), turn)
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            codes.index.add(codes._short(vectors[start : start + _ROWS_AT_ONCE]))
        codes.index.prepare()
        return replace(codes, recall=codes._measured(vectors))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Codes | None":
        """The reverse of :meth:`to_bytes`; None for what this version does not read."""
        if (turbovec := _turbovec()) is None:
            return None
        head, _, rest = data.partition(b"\n")
        try:
            about = json.loads(head)
            width, short = about["turn"]
            turn = np.frombuffer(rest, np.dtype("<f4"), width * short).reshape(width, short)
            index = turbovec.TurboQuantIndex.from_bytes(rest[turn.nbytes :])
            recall = float(about["recall"])
        except (ValueError, KeyError, TypeError):  # of another version: they are made again
            return None
        index.prepare()
        return cls(index, turn if width else None, recall)

    def to_bytes(self) -> bytes:
        """A line of JSON, the turn, and the codes as turbovec keeps them."""
        turn = np.zeros((0, 0), dtype=np.float32) if self.turn is None else self.turn
        about = {"turn": turn.shape, "recall": self.recall}
        return json.dumps(about).encode() + b"\n" + turn.tobytes() + bytes(self.index.to_bytes())

    def __len__(self) -> int:
        return len(self.index)

    @property
    def first_pass(self) -> FirstPass:
        """What a search with them is."""
        return FirstPass("codes" if self.turn is None else "short codes", self.recall)

    def wanted(self, k: int) -> int:
        """How many candidates the k best rows are looked for among."""
        least, per_hit = _FULL if self.turn is None else _SHORT
        return max(least, int(per_hit * k))

    def candidates(
        self, query: npt.NDArray[np.float32], k: int, allowed: Mask | None, count: int
    ) -> Rows:
        """The rows that are likely the best of the ``count`` allowed ones, None for all."""
        wanted = self.wanted(k)
        if allowed is None or count == len(self):
            return self._search(query, wanted, None)
        share = count / len(self)
        if share > _LARGE_SHARE:
            rows = self._search(query, int(_SPARE * wanted / share), None)
            rows = rows[allowed[rows]]
            if len(rows) >= wanted:
                return rows[:wanted]
        asked = wanted
        if _SLOW_SHARES[0] * wanted < count <= _SLOW_SHARES[1] * wanted:
            asked = -(-count // _SLOW_SHARES[0])
        return self._search(query, asked, allowed)[:wanted]

    def _search(self, query: npt.NDArray[np.float32], count: int, allowed: Mask | None) -> Rows:
        _, rows = self.index.search(self._short(query[None]), count, mask=allowed)
        return np.asarray(rows[0], dtype=np.int64)

    def _short(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Rows (n, d) as they are coded: turned, cut, and with zeros up to the index's width."""
        if self.turn is not None:
            rows = rows.astype(np.float32) @ self.turn
            rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
        missing = self.index.dim - rows.shape[1]
        wide = np.pad(rows, ((0, 0), (0, missing))) if missing else rows
        return np.ascontiguousarray(wide, dtype=np.float32)

    def _measured(self, vectors: npt.NDArray[np.float16]) -> float:
        places = np.linspace(0, len(vectors) - 1, min(_SAMPLE, len(vectors))).astype(np.int64)
        asked = vectors[places].astype(np.float32)
        k = min(_SAMPLE_HITS, len(vectors))
        best = np.full((len(asked), k), -np.inf, dtype=np.float32)
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            scores = asked @ vectors[start : start + _ROWS_AT_ONCE].astype(np.float32).T
            best = np.partition(np.concatenate([best, scores], axis=1), -k, axis=1)[:, -k:]
        found = 0
        for query, exact in zip(asked, best, strict=True):
            rows = self.candidates(query, k, None, len(vectors))
            scores = vectors[rows].astype(np.float32) @ query
            # Other rows with the same score are as good.
            found += min(k, int(np.count_nonzero(scores >= exact.min() - 1e-6)))
        return found / (k * len(asked)) if len(asked) else 1.0


def _fitted(vectors: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    sample = vectors[:: max(1, len(vectors) // _FITTED_ROWS)].astype(np.float32)
    rotation = Rotation.fit(Embeddings.dense(sample), model="", revision="")
    return np.ascontiguousarray(rotation.matrix[:, :SHORT_WIDTH])


def _turbovec() -> Any:  # noqa: ANN401 - a module without types
    try:
        turbovec = import_module("turbovec")
    except ImportError:
        return None
    _start_threads(turbovec)
    return turbovec


@cache
def _start_threads(turbovec: Any) -> None:  # noqa: ANN401 - a module without types
    """Let turbovec scan with one thread, unless its user says otherwise.

    Its candidates depend on the number, and to wake a second one takes longer than it saves: of
    100,000 rows up to a fifth of the time. The pool reads the variable at its first call, which
    this is; other libraries have pools of their own and must not see it.
    """
    is_ours = _THREADS not in os.environ
    os.environ.setdefault(_THREADS, "1")
    turbovec.TurboQuantIndex(_WIDTH_MULTIPLE, _BITS).add(np.eye(_WIDTH_MULTIPLE, dtype=np.float32))
    if is_ours:
        del os.environ[_THREADS]
