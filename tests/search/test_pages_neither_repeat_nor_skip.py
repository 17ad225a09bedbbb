"""Scenario 21: pages of a search join to the whole ranking, whatever changes between them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.test_search_equals_the_oracle import (
    WIDTH,
    ask,
    ids_of,
    in_memory,
    make_rows,
    make_view,
    unit,
    words_of,
)

from bindery.errors import CursorExpired, InvalidCursor
from bindery.options import SearchMode, SearchOptions
from bindery.search.candidates import Floor
from bindery.search.paging import SearchScope, begin_walk, read_cursor, write_cursor
from bindery.search.searching import Question

MODES = list(SearchMode)


def pages_of(view, question, k, change=lambda page: None, floor=None):
    """The ids of every page, and the scores."""
    walk, pages, scores = None, [], []
    while True:
        options = SearchOptions(**{**question, "top": k})
        vector, words = QUERY
        found = ask(view(), Question(options, vector, words, walk=walk, floor=floor))
        pages.append(ids_of(view(), found))
        scores += [passage[0].score for passage in found.passages]
        if found.walk is None:
            return pages, scores
        walk = found.walk
        change(len(pages))


QUERY = (unit(np.random.default_rng(5).normal(size=WIDTH)), words_of("alpha", "beta"))


def view_of(count, *, seed=0, first=0, alike=0):
    chance = np.random.default_rng(seed)
    vectors = unit(chance.normal(size=(first + count, WIDTH)))
    vectors[:alike] = vectors[0]
    half = (first + count) // 2
    rows = make_rows(first + count)
    parts = [(rows[:half], vectors[:half]), (rows[half:], vectors[half:])]
    return make_view([in_memory(some, theirs) for some, theirs in parts if len(some)])


@pytest.mark.parametrize("mode", MODES)
def test_pages_above_a_floor_are_full_and_do_not_look_further(mode):
    view, (vector, words) = view_of(450), QUERY
    rows = ask(view, Question(SearchOptions(mode, 1000), vector, words)).passages
    own = [row.cosine if mode.is_dense else row.bm25 for (row,) in rows]
    floor = Floor(sorted(set(own))[len(set(own)) // 2 - 1], mode.is_dense)
    every = ask(view, Question(SearchOptions(mode, 1000), vector, words, floor=floor))
    above = sum(score > floor.score for score in own)
    assert 0 < above < 450
    assert len(every.passages) == above

    pages, _ = pages_of(lambda: view, {"mode": mode}, 7, floor=floor)

    assert sorted(one for page in pages for one in page) == sorted(ids_of(view, every))
    assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1)
    nothing = replace(floor, score=1e9)
    found = ask(view, Question(SearchOptions(mode), vector, words, floor=nothing))
    assert (found.passages, found.walk) == ((), None)
    assert found.best == max(own)
    assert max(one.candidates for one in found.stages[1:]) <= 200  # 100 of each leg


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("more", [{}, {"diversity": 0.4}, {"limit_per_file": 7}])
def test_pages_join_to_the_whole_ranking(mode, more):
    view = view_of(450, alike=250)
    question = {"mode": mode, **more}

    pages, scores = pages_of(lambda: view, question, 30)

    joined = [one for page in pages for one in page]
    assert len(joined) == len(set(joined))
    limited = more.get("limit_per_file", 450) * 10
    matching = (
        450
        if mode is not SearchMode.LEXICAL
        else len(ids_of(view, ask(view, Question(SearchOptions(mode, 1000), *QUERY))))
    )
    assert len(joined) == min(matching, limited)
    assert all(len(page) == 30 for page in pages[:-1])
    assert pages[-1]
    if "diversity" not in more:
        assert scores == sorted(scores, reverse=True)
    more_at_once = ids_of(view, ask(view, Question(SearchOptions(mode, 50, **more), *QUERY)))
    assert joined[:50] == more_at_once
    assert pages_of(lambda: view, question, 30)[0] == pages


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(MODES), st.sampled_from([1, 7, 30]))
def test_what_is_added_or_deleted_between_pages_changes_nothing_else(seed, mode, k):
    chance = np.random.default_rng(seed)
    count = int(chance.integers(2, 160))
    view, gone_at, page_of = view_of(count, seed=seed), {}, {}
    now = [view]

    def change(page):
        if page % 3 == 1:  # delete a file, and add one
            dead = int(chance.integers(0, 10))
            gone_at.setdefault(dead, page)
            grown = view_of(count, seed=seed)
            fresh = make_rows(20, first=5000, files=1)
            fresh = [type(row)(**{**_facts(row), "file": 99}) for row in fresh]
            extra = in_memory(fresh, unit(chance.normal(size=(20, WIDTH))))
            alive = [n for n in range(10) if n not in gone_at]
            segments = [one.of_files(alive) for one in grown.segments]
            now[0] = make_view([*segments, extra], files=100)

    pages, scores = pages_of(lambda: now[0], {"mode": mode}, k, change)

    for number, page in enumerate(pages, 1):
        for one in page:
            assert one not in page_of, "shown twice"
            page_of[one] = number
            assert one < 5000, "added after the walk began"
            assert gone_at.get(one % 10, number + 1) >= number, "deleted before"
    assert scores == sorted(scores, reverse=True)
    living = [n for n in range(count) if n % 10 not in gone_at]
    if mode is not SearchMode.LEXICAL:
        assert {n for n in living if n not in page_of} == set()


def _facts(row):
    return {name: getattr(row, name) for name in type(row).__dataclass_fields__}


def test_a_cursor_belongs_to_one_search():
    scope = SearchScope("query", SearchOptions(top=5), "col-1", 3)
    walk = begin_walk(100, 17).after(np.array([5, 1 << 47], dtype=np.uint64), 0.25)
    cursor = write_cursor(walk, scope)

    read = read_cursor(cursor, scope)
    assert (read.depth, read.newest_file, read.lowest) == (100, 17, 0.25)
    assert read.shown.tolist() == [5, 1 << 47]
    same = SearchScope("query", SearchOptions(top=50, cursor=cursor), "col-1", 3)
    assert read_cursor(cursor, same).depth == 100, "a page may have another length"

    others = [
        SearchScope("other", scope.options, "col-1", 3),
        SearchScope("query", SearchOptions(mode="dense"), "col-1", 3),
        SearchScope("query", SearchOptions(filter="year = 2"), "col-1", 3),
        SearchScope("query", scope.options, "col-2", 3),
    ]
    for other in others:
        with pytest.raises(InvalidCursor, match="belongs to another query"):
            read_cursor(cursor, other)
    with pytest.raises(CursorExpired, match="has been rebuilt"):
        read_cursor(cursor, SearchScope("query", scope.options, "col-1", 4))


@given(st.integers(0, 10_000), st.sampled_from("AZaz09-_="), st.text(max_size=80))
def test_a_damaged_cursor_is_refused(place, char, other):
    scope = SearchScope("query", SearchOptions(), "col-1", 3)
    cursor = write_cursor(begin_walk(100, 17), scope)
    place %= len(cursor)
    changed = cursor[:place] + char + cursor[place + 1 :]
    # The last character has bits that mean nothing.
    for wrong in (changed, other, cursor[:place], cursor + "AAAA"):
        if wrong.rstrip("=")[:-1] != cursor[:-1]:
            with pytest.raises(InvalidCursor, match="damaged"):
                read_cursor(wrong, scope)
