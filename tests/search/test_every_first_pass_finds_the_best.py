"""Each way to find candidates gives the rows that the exact product of all rows gives."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from tests.search.test_search_equals_the_oracle import unit

from bindery.search import codes
from bindery.search.codes import Codes
from bindery.search.dense import DenseSegment, best_first

ROWS = 6_000
WIDTH = 160


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Rows around 200 centres, whose variance falls from dimension to dimension, turned."""
    chance = np.random.default_rng(5)
    spread = np.arange(1, WIDTH + 1) ** -0.7
    centres = chance.normal(size=(200, WIDTH)) * spread
    rows = centres[np.arange(ROWS) // 50] + 0.5 * spread * chance.normal(size=(ROWS, WIDTH))
    turn = np.linalg.qr(chance.normal(size=(WIDTH, WIDTH)))[0]
    return unit(rows @ turn).astype(np.float16)


def full(vectors: np.ndarray, _: pytest.MonkeyPatch) -> Codes | None:
    return Codes.of(vectors)


def short(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Codes | None:
    monkeypatch.setattr(codes, "FUNNEL_ROWS", 0)
    made = Codes.of(vectors)
    assert made is not None
    assert made.turn is not None
    return made


def kept(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Codes | None:
    made = short(vectors, monkeypatch)
    return None if made is None else Codes.from_bytes(made.to_bytes())


def odd_width(vectors: np.ndarray, _: pytest.MonkeyPatch) -> Codes | None:
    return Codes.of(vectors[:, :-3])


def not_installed(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Codes | None:
    monkeypatch.setitem(sys.modules, "turbovec", None)
    assert Codes.from_bytes(b"") is None
    return Codes.of(vectors)


@pytest.mark.parametrize("make", [full, short, kept, odd_width, not_installed])
@pytest.mark.parametrize("side_by_side", [True, False])
def test_the_best_are_found_at_every_share_that_a_filter_leaves(
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[np.ndarray, pytest.MonkeyPatch], Codes | None],
    side_by_side: bool,
) -> None:
    if make is odd_width:
        vectors = np.ascontiguousarray(vectors[:, :-3])
    made = make(np.pad(vectors, ((0, 0), (0, 3))) if make is odd_width else vectors, monkeypatch)
    dense = DenseSegment(vectors, made)
    chance = np.random.default_rng(7)
    order = np.arange(ROWS) if side_by_side else chance.permutation(ROWS)
    exact = vectors.astype(np.float32)
    hits = wanted = 0
    for share in (0.001, 0.01, 0.06, 0.1, 0.2, 0.5, 0.7, 0.8, 0.95, 1):
        allowed = order < share * ROWS
        for query in unit(
            exact[chance.integers(0, ROWS, 5)] + 0.02 * chance.normal(size=5)[:, None]
        ):
            for k in (1, 10, 100):
                rows = dense.candidates(query, k, allowed)
                scores = dense.scores(query, rows)
                first = best_first(scores, k)
                rows, scores = rows[first], scores[first]
                best = np.sort(exact[allowed] @ query)[::-1][:k]
                assert len(rows) == min(k, int(allowed.sum()))
                assert allowed[rows].all()
                assert (np.diff(scores) <= 0).all()
                hits += int((scores >= best[-1] - 1e-6).sum())
                wanted += len(best)
    assert hits / wanted >= (0.98 if made is not None else 1)


def test_what_is_kept_of_codes_reads_back(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in (full(vectors, monkeypatch), short(vectors, monkeypatch)):
        assert made is not None
        read = Codes.from_bytes(made.to_bytes())
        assert read is not None
        assert (read.recall, len(read)) == (made.recall, ROWS)
        query = vectors[3].astype(np.float32)
        one, other = (some.candidates(query, 10, None, ROWS) for some in (made, read))
        np.testing.assert_array_equal(one, other)


def test_codes_of_another_version_are_not_read(vectors: np.ndarray) -> None:
    made = Codes.of(vectors)
    assert made is not None
    for data in (b"", b"{}\n", b"[1]\n", bytes(made.index.to_bytes()), made.to_bytes()[:100]):
        assert Codes.from_bytes(data) is None


def test_short_codes_are_used_only_if_they_find_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "FUNNEL_ROWS", 0)
    monkeypatch.setattr(codes, "SHORT_WIDTH", 8)
    vectors = unit(np.random.default_rng(1).normal(size=(ROWS, 64))).astype(np.float16)
    made = Codes.of(vectors)
    assert made is not None
    assert made.turn is None
