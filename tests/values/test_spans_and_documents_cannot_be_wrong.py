"""Span, Block, Document: what they refuse, and that a quote is always text[start:end]."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.values.strategies import patient

from bindery.errors import InvalidValue
from bindery.types import BLOCK_KINDS, Block, Document, Span

NO_SURROGATES = st.text(st.characters(exclude_categories=["Cs"]))


@patient
@given(start=st.integers(-5, 20), end=st.integers(-5, 20))
def test_spans_run_forwards_from_0(start: int, end: int) -> None:
    if 0 <= start < end:
        assert len(Span(start, end)) == end - start
    else:
        with pytest.raises(InvalidValue, match=f"{start}:{end}"):
            Span(start, end)


@patient
@given(kind=st.sampled_from(BLOCK_KINDS), level=st.integers(-2, 9))
def test_headings_alone_have_a_level(kind: str, level: int) -> None:
    if (1 <= level <= 6) if kind == "heading" else level == 0:
        assert Block(kind, Span(0, 1), level).level == level
    else:
        with pytest.raises(InvalidValue, match=f"level {level}"):
            Block(kind, Span(0, 1), level)


def test_an_unknown_kind_of_block_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidValue, match=r"block kind 'chapter'.* heading, paragraph"):
        Block("chapter", Span(0, 1))


@pytest.mark.parametrize("page", [0, -1])
def test_pages_count_from_1(page: int) -> None:
    assert Block("page", Span(0, 1), page=1).page == 1
    with pytest.raises(InvalidValue, match=f"{page}"):
        Block("page", Span(0, 1), page=page)


@patient
@given(text=NO_SURROGATES, start=st.integers(0, 10), length=st.integers(1, 10))
def test_a_quote_is_the_text_from_start_to_end(text: str, start: int, length: int) -> None:
    document = Document(text, "text", "a.txt")

    assert document.quote(Span(start, start + length)) == text[start : start + length]


def test_a_quote_counts_code_points() -> None:
    assert Document("a👩‍👧é漢", "text", "a.txt").quote(Span(1, 4)) == "👩‍👧"


@patient
@given(before=NO_SURROGATES, lone=st.characters(categories=["Cs"]), after=NO_SURROGATES)
def test_lone_surrogates_are_refused_by_place(before: str, lone: str, after: str) -> None:
    with pytest.raises(
        InvalidValue, match=rf"'a\.txt' contains a lone surrogate at {len(before)}\."
    ):
        Document(before + lone + after, "text", "a.txt")


@patient
@given(starts=st.lists(st.integers(0, 9), max_size=5))
def test_blocks_rise_by_start(starts: list[int]) -> None:
    blocks = tuple(Block("paragraph", Span(start, start + 1)) for start in starts)

    if starts == sorted(starts):
        assert Document("0123456789", "text", "a.txt", blocks).blocks == blocks
    else:
        with pytest.raises(InvalidValue, match="not sorted by start"):
            Document("0123456789", "text", "a.txt", blocks)


def test_blocks_may_nest_and_end_with_the_text() -> None:
    blocks = (Block("page", Span(0, 4), page=1), Block("heading", Span(0, 2), 1))

    assert Document("text", "pdf", "a.pdf", blocks).blocks == blocks
    with pytest.raises(InvalidValue, match="ends beyond"):
        Document("tex", "pdf", "a.pdf", blocks)


def test_values_do_not_change() -> None:
    document = Document("text", "text", "a.txt")

    for value, name in ((document, "text"), (Span(0, 1), "end"), (document, "other")):
        with pytest.raises((AttributeError, TypeError)):
            setattr(value, name, None)
