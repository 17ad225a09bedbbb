"""Search over segments equals an exhaustive one, under every filter and after every change."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.search.synthetic import put

from bindery.filters.text import filter_from_text
from bindery.options import SearchMode, SearchOptions
from bindery.search.candidates import Leg
from bindery.search.columns import AttributeType
from bindery.search.dense import CODED_ROWS, best_first
from bindery.search.fusion import diverse, reciprocal_ranks, weighted, with_neighbours, z_scores
from bindery.search.maintenance import seal
from bindery.search.queries import LexicalQuery, Word
from bindery.search.searching import Question, Searcher
from bindery.search.segment_files import DamagedSegment, files_of
from bindery.search.segments import IndexRow, Segment, merged
from bindery.search.view import IndexedFile, View
from bindery.types import Span
from bindery.vectors.embeddings import Embeddings

WIDTH = 16


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def make_rows(count: int, *, first: int = 0, files: int = 10) -> list[IndexRow]:
    words = ["alpha", "beta", "gamma", "delta"]
    return [
        IndexRow(
            id=n.to_bytes(16, "big"),
            file=n % files,
            part=0,
            place=n,
            start=n,
            end=n + 1,
            page=1 + n % 3 if n % 4 else None,
            tokens=3,
            headings=("Chapter", f"Section {n % 5}") if n % 2 else (),
            language="en" if n % 3 else "",
            terms=[words[(n * k) % 4] for k in range(1, 4)],
        )
        for n in range(first, first + count)
    ]


def in_memory(rows: list[IndexRow], vectors: np.ndarray) -> Segment:
    return Segment.in_memory(rows, Embeddings.dense(vectors))


def make_view(segments: list[Segment], files: int = 10) -> View:
    known = [
        IndexedFile(
            n,
            f"{n}.txt",
            "text",
            "",
            "en",
            "2024-01-01T00:00:00+00:00",
            {"year": 2000 + n} if n else {},
        )
        for n in range(files)
    ]
    return View(1, segments, known, {"year": AttributeType.NUMBER})


def words_of(*terms: str) -> LexicalQuery:
    return LexicalQuery(tuple(Word((term,), Span(0, 1)) for term in terms))


class NoTexts:
    """Reads rows that have no texts."""

    def has_phrases(self, rows):
        return np.ones(len(rows), dtype=np.bool_)

    def parents(self, rows):
        return [None] * len(rows)


def ask(view: View, question: Question):
    return Searcher(view, question, NoTexts()).search()


def ids_of(view: View, found) -> list[int]:
    return [
        int.from_bytes(view.segments[row.segment].table.ids[row.row].tobytes(), "big")
        for (row,) in found.passages
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 30), min_size=1, max_size=4),
    st.sampled_from(
        [None, "year >= 2005", "page = 2", 'headings = "Section 1"', "not year exists"]
    ),
)
def test_the_best_of_all_segments_are_the_best_of_all_rows(seed, sizes, text):
    chance = np.random.default_rng(seed)
    total = sum(sizes)
    vectors = unit(chance.normal(size=(total, WIDTH))).astype(np.float16)
    rows = make_rows(total)
    dead = set(chance.choice(10, 3, replace=False).tolist())
    segments, first = [], 0
    for size in sizes:
        part = slice(first, first + size)
        segment = in_memory(rows[part], vectors[part].astype(np.float32))
        segments.append(segment.of_files([n for n in range(10) if n not in dead]))
        first += size
    view = make_view(segments)
    where = None if text is None else filter_from_text(text)
    query = unit(chance.normal(size=WIDTH))

    found = ask(view, Question(SearchOptions(SearchMode.DENSE, 10, where), query))

    def passes(row: IndexRow) -> bool:
        return (
            row.file not in dead
            and {
                None: True,
                "year >= 2005": row.file >= 5,
                "page = 2": row.page == 2,
                'headings = "Section 1"': "Section 1" in row.headings,
                "not year exists": row.file == 0,
            }[text]
        )

    allowed = [n for n, row in enumerate(rows) if passes(row)]
    exact = vectors[allowed].astype(np.float32) @ query
    expected = [allowed[place] for place in np.argsort(-exact, kind="stable")[:10]]
    assert ids_of(view, found) == expected
    assert found.allowed == len(allowed)
    lexical = ask(
        view, Question(SearchOptions(SearchMode.LEXICAL, 100, where), None, words_of("beta"))
    )
    assert set(ids_of(view, lexical)) == {n for n in allowed if "beta" in rows[n].terms}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(SearchMode)))
def test_merged_segments_answer_as_before(seed, mode):
    chance = np.random.default_rng(seed)
    rows, vectors = make_rows(60), unit(chance.normal(size=(60, WIDTH)))
    parts = [in_memory(rows[n : n + 20], vectors[n : n + 20]) for n in (0, 20, 40)]
    alive = [part.of_files([0, 1, 2, 5, 7]) for part in parts]
    question = Question(
        SearchOptions(mode, 12), unit(chance.normal(size=WIDTH)), words_of("beta", "gamma")
    )

    before, after = make_view(alive), make_view([merged(alive)])

    one, other = ask(before, question), ask(after, question)
    assert ids_of(before, one) == ids_of(after, other)
    np.testing.assert_allclose(
        [row.score for (row,) in one.passages],
        [row.score for (row,) in other.passages],
        rtol=1e-4,
    )


def test_many_rows_are_found_by_codes_at_every_share_that_a_filter_leaves(tmp_path: Path) -> None:
    chance = np.random.default_rng(7)
    count, files = 3 * CODED_ROWS, 1000
    centres = unit(chance.normal(size=(300, 64)))
    vectors = unit(centres[np.arange(count) % 300] + 0.25 * chance.normal(size=(count, 64)))
    rows = make_rows(count, files=files)
    name = in_memory(rows, vectors).write(tmp_path)
    view = make_view([Segment.open(tmp_path, name)], files)
    exact = vectors.astype(np.float16).astype(np.float32)
    hits = wanted = 0
    for share in (1, 10, 100, 500, 900, 1000):
        where = filter_from_text(f"year < {2000 + share} or not year exists")
        allowed = np.arange(count)[np.arange(count) % files < share]
        for query in unit(centres[:20] + 0.2 * chance.normal(size=(20, 64))):
            found = ids_of(
                view, ask(view, Question(SearchOptions(SearchMode.DENSE, 10, where), query))
            )
            scores = exact[allowed] @ query
            best = set(allowed[np.argsort(-scores, kind="stable")[:10]].tolist())
            assert len(found) == min(10, len(allowed))
            assert set(found) <= set(allowed.tolist())
            hits += len(best & set(found))
            wanted += len(best)
    assert hits / wanted > 0.99


def test_a_segment_reads_back_as_it_was_written(tmp_path: Path) -> None:
    rows, vectors = make_rows(50), unit(np.random.default_rng(1).normal(size=(50, WIDTH)))
    written = in_memory(rows, vectors)
    name = written.write(tmp_path)

    read = Segment.open(tmp_path, name)

    assert written.write(tmp_path) == name
    assert [path.name for path in files_of(tmp_path, name)] == [f"{name}.segment"]
    for field in ("ids", "files", "parts", "places", "starts", "ends", "pages", "tokens"):
        np.testing.assert_array_equal(getattr(read.table, field), getattr(written.table, field))
    assert read.table.heading_names == written.table.heading_names
    assert read.table.language_names == written.table.language_names
    np.testing.assert_array_equal(read.dense.vectors, written.dense.vectors)


def flip(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


@pytest.mark.parametrize(
    "damage", [flip, lambda data: data[:-7], lambda data: b"", lambda data: data + b"x"]
)
def test_damage_to_a_segment_is_noticed(tmp_path: Path, damage) -> None:
    rows, vectors = make_rows(20), unit(np.random.default_rng(1).normal(size=(20, WIDTH)))
    name = in_memory(rows, vectors).write(tmp_path)
    path = tmp_path / f"{name}.segment"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DamagedSegment, match=name):
        Segment.open(tmp_path, name)


def test_another_segment_under_a_name_is_noticed(tmp_path: Path) -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(20, WIDTH)))
    one = in_memory(make_rows(20), vectors).write(tmp_path)
    other = in_memory(make_rows(20, first=20), vectors).write(tmp_path)
    (tmp_path / f"{one}.segment").replace(tmp_path / f"{other}.segment")

    for name in (one, other):
        with pytest.raises(DamagedSegment):
            Segment.open(tmp_path, name)


@pytest.mark.parametrize("damage", [None, flip, lambda data: b""])
def test_codes_that_are_not_right_are_made_again(tmp_path: Path, damage) -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(CODED_ROWS, WIDTH)))
    name = in_memory(make_rows(CODED_ROWS), vectors).write(tmp_path)
    (codes,) = tmp_path.glob("*.codes")
    if damage is None:
        codes.unlink()
    else:
        codes.write_bytes(damage(codes.read_bytes()))

    segment = Segment.open(tmp_path, name)

    assert segment.dense.codes is not None
    rows = segment.dense.candidates(vectors[17], 1, segment.alive)
    assert len(rows) < CODED_ROWS
    assert 17 in rows


@cache
def many_rows() -> View:
    """A view of 9,000 rows, whose ids are in another order than they."""
    return make_view([in_memory(make_rows(9000)[::-1], np.ones((9000, 1), dtype=np.float32))])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.sampled_from([0.01, 0.3, 1]))
def test_the_best_by_words_are_all_found_and_equal_ones_by_id(seed, depth, share):
    ids = [one.tobytes() for one in many_rows().segments[0].table.ids]
    chance = np.random.default_rng(seed)
    scores = chance.choice([0, 0.5, 1, 1.5, chance.random()], 9000).astype(np.float32)
    scores += np.float32(0.1) * (chance.random(9000) < 0.2) * chance.random(9000).astype(np.float32)
    allowed = chance.random(9000) < share
    leg = Leg.of_scores(many_rows(), [scores], [allowed], depth)
    found = np.flatnonzero((scores > 0) & allowed).tolist()
    expected = sorted(found, key=lambda row: (-scores[row], ids[row]))[:depth]
    np.testing.assert_array_equal(leg.places, expected)
    np.testing.assert_array_equal(leg.scores, scores[expected])


# Fusion

SCORES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30).map(
    lambda values: np.array(values, dtype=np.float32)
)


@given(SCORES)
def test_z_scores_do_not_depend_on_the_scale(scores):
    assume(scores.std() > 1e-4)  # smaller differences are lost in the sum with 3
    np.testing.assert_allclose(z_scores(scores), z_scores(scores * 8 + 3), atol=1e-2)


@given(SCORES)
def test_a_leg_that_says_nothing_has_no_part(scores):
    nothing = np.zeros(len(scores), dtype=np.float32)
    np.testing.assert_array_equal(weighted(scores, nothing, 0.6), z_scores(scores))
    np.testing.assert_array_equal(weighted(nothing, scores, 0.6), z_scores(scores))
    assert np.isfinite(weighted(nothing, nothing, 0.6)).all()


def test_reciprocal_ranks_are_those_of_the_paper():
    scores = reciprocal_ranks([np.array([2, 0]), np.array([0])], 3)
    np.testing.assert_allclose(scores, [1 / 62 + 1 / 61, 0, 1 / 61], rtol=1e-6)


@given(SCORES, st.integers(0, 2**32 - 1))
def test_neighbours_and_diversity_keep_every_candidate(scores, seed):
    vectors = unit(np.random.default_rng(seed).normal(size=(len(scores), 8)))
    assert with_neighbours(scores, vectors).shape == scores.shape
    order = np.array([*diverse(scores, vectors, 0.5)])
    assert sorted(order.tolist()) == list(range(len(scores)))
    assert scores[order[0]] >= scores.max() - 1e-6


@given(SCORES, st.integers(0, 40))
def test_the_best_come_first_and_equal_ones_by_place(scores, k):
    assert best_first(scores, k).tolist() == np.argsort(-scores, kind="stable")[:k].tolist()


def test_ties_at_the_depth_are_cut_by_id(home, collection):
    """However rows are divided into segments, the same of equal rows are candidates."""
    seen = []
    for _ in range(3):
        first = len(collection.files())
        put(home, collection, {f"{first + n}.md": ["same text"] for n in range(40)})
        seal(collection.index, least_rows=1)
    for _ in range(2):
        view = collection.index.view()
        scores = [np.ones(len(one), dtype=np.float32) for one in view.segments]
        leg = Leg.of_scores(view, scores, view.allowed(None), 50)
        of = view.segments_of(leg.places)
        places = zip(of, leg.places - view.starts[of], strict=True)
        seen.append([view.segments[n].table.ids[row].tobytes() for n, row in places])
        everything = sorted(
            one.table.ids[row].tobytes() for one in view.segments for row in range(len(one))
        )
        assert seen[-1] == everything[:50]
        collection.index.close()
        collection.rebuild_index()
    assert seen[0] == seen[1]
