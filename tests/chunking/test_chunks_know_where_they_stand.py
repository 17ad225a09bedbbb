"""Pages, headings, contexts, parents, and what a model would not see of a chunk."""

import pytest
from tests.chunking.tokenisers import Utf8Bytes, WordPiece

from bindery.chunking import chunk, truncated
from bindery.documents import read
from bindery.errors import InvalidValue
from bindery.options import CONTEXTS, ChunkOptions
from bindery.types import Block, Chunk, Document, Span, page_range

BOOK = b"""before all

# Book

Opening words.

## Part *One* ##

One one.

### Deep
Deep words.

## Part Two

Two two.

Under
-----

Last words.
"""


def test_headings_are_the_titles_over_a_place_outermost_first(wordpiece: WordPiece) -> None:
    chunks = chunk(read(BOOK, "book.md"), wordpiece, ChunkOptions(strategy="markdown", size=50))
    assert [(piece.headings, piece.text.split()[-2:]) for piece in chunks] == [
        ((), ["before", "all"]),
        (("Book",), ["Opening", "words."]),
        (("Book", "Part *One*"), ["One", "one."]),
        (("Book", "Part *One*", "Deep"), ["Deep", "words."]),
        (("Book", "Part Two"), ["Two", "two."]),
        (("Book", "Under"), ["Last", "words."]),
    ]


def test_a_text_without_blocks_has_the_headings_that_markdown_sees(wordpiece: WordPiece) -> None:
    text = "# One\n\nfirst words here\n\n  ## Two\n\nsecond words here"
    chunks = chunk(
        Document(text, "text", "x"), wordpiece, ChunkOptions(strategy="sentence", size=3)
    )
    assert [piece.headings for piece in chunks] == [("One",)] * 2 + [("One", "Two")] * 2


def test_a_chunk_knows_the_pages_on_which_it_begins_and_ends() -> None:
    blocks = (Block("page", Span(0, 10), page=1), Block("page", Span(12, 20), page=2))
    document = Document("a" * 10 + "  " + "b" * 8, "pdf", "x.pdf", blocks)
    chunks = chunk(document, Utf8Bytes(), ChunkOptions(strategy="fixed", size=5))
    assert [piece.page for piece in chunks] == [
        1 if piece.span.start < 10 else 2 for piece in chunks
    ]
    assert {piece.page for piece in chunks} == {1, 2}
    (whole,) = chunk(document, Utf8Bytes(), ChunkOptions(strategy="fixed", size=50))
    assert (whole.page, whole.last_page) == (1, 2)
    assert page_range(whole.page, whole.last_page) == "1-2"
    assert {piece.last_page for piece in chunks if piece.span.end <= 10} == {1}
    assert page_range(3, 3) == "3"
    assert page_range(None, None) == ""


@pytest.mark.parametrize(("starts", "pages"), [((6,), (None, None)), ((0, 6), (2, 2))])
def test_pages_of_a_reader_may_begin_late_or_go_back(starts, pages) -> None:
    blocks = [Block("page", Span(at, at + 4), page=2 - number) for number, at in enumerate(starts)]
    document = Document("aaaa  bbbb", "pdf", "x.pdf", tuple(blocks))
    (whole,) = chunk(document, Utf8Bytes(), ChunkOptions(strategy="fixed", size=50))
    assert (whole.page, whole.last_page) == pages


def test_a_chunk_cannot_end_before_the_page_on_which_it_begins() -> None:
    assert Chunk(Span(0, 1), "a", 1, page=2).last_page == 2
    for first in (3, None):
        with pytest.raises(InvalidValue, match="cannot begin on page"):
            Chunk(Span(0, 1), "a", 1, page=first, last_page=2)


def test_what_repeats_on_every_page_is_no_heading(wordpiece: WordPiece) -> None:
    text = "Heading\n\nfirst\n\nThe Journal\n\nsecond"
    blocks = tuple(
        Block(kind, Span(text.index(part), text.index(part) + len(part)), level, page)
        for part, kind, level, page in (
            ("Heading", "heading", 2, 3),
            ("first", "paragraph", 0, 3),
            ("The Journal", "header", 0, 4),
            ("second", "paragraph", 0, 4),
        )
    )
    chunks = chunk(
        Document(text, "pdf", "x.pdf", blocks), wordpiece, ChunkOptions(strategy="fixed", size=2)
    )
    assert [(piece.text.split()[0], piece.page) for piece in chunks][0::2] == [
        ("Heading", 3),
        ("second", 4),
    ]
    assert {piece.headings for piece in chunks} == {("Heading",)}


def test_a_title_of_a_page_is_cut_short(wordpiece: WordPiece) -> None:
    document = Document(f"# {'word ' * 10_000}\n\ntext", "text", "x")
    titles = {
        title
        for piece in chunk(document, wordpiece, ChunkOptions(size=64))
        for title in piece.headings
    }
    assert [len(title) for title in titles] == [200]
    assert titles.pop().endswith("…")


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("none", ["", "", ""]),
        ("title", ["Shelves\n\n", "", "Shelves\n\n"]),
        ("headings", ["Shelves\n\n", "", "Shelves > Oak\n\n"]),
    ],
)
def test_context_is_a_path_that_does_not_repeat_how_a_chunk_begins(
    context: str, expected: list[str], wordpiece: WordPiece
) -> None:
    document = read(b"before\n\n# Shelves\n\n## Oak\n\none one one\n\ntwo two two", "x.md")
    chunks = chunk(document, wordpiece, ChunkOptions(strategy="markdown", size=9, context=context))
    assert [piece.context for piece in chunks] == expected
    for piece in chunks:
        assert wordpiece.count_tokens([piece.context + piece.text]) == [piece.tokens]
        assert piece.tokens <= 9


@pytest.mark.parametrize("rule", ["| --- | --- |", "|---:|:---|"])
def test_a_table_that_is_cut_repeats_its_caption_and_head(rule: str, wordpiece: WordPiece) -> None:
    rows = [f"| one | two{'o' * n} |" for n in range(16)]
    text = "# Sales\n\nSales by year\n\n" + "\n".join(["| one | two |", rule, *rows]) + "\n\nafter"
    document = read(text.encode(), "x.md")
    options = ChunkOptions(size=40, context="table")
    chunks = chunk(document, wordpiece, options)
    inside = [piece for piece in chunks if piece.text.startswith(("| one | twoo", "| one | two |"))]
    continued = [piece for piece in inside if piece.span.start != text.index("| one | two |")]
    assert len(continued) > 1
    for piece in continued:
        assert piece.context == "Sales > Sales by year > | one | two |\n\n"
        assert wordpiece.count_tokens([piece.context + piece.text]) == [piece.tokens]
        assert piece.tokens <= 40
    assert all("| one" not in piece.context for piece in chunks if piece not in continued)


def test_without_a_title_the_name_stands_for_it(wordpiece: WordPiece) -> None:
    document = Document("## A\n\none\n\n## B\n\ntwo two two", "text", "folder/annual report.txt")
    chunks = chunk(
        document, wordpiece, ChunkOptions(strategy="markdown", size=20, context="headings")
    )
    assert [piece.context for piece in chunks] == ["annual report\n\n"] * 2
    chunks = chunk(document, wordpiece, ChunkOptions(strategy="fixed", size=11, context="headings"))
    assert chunks[-1].context == "annual report > B\n\n"


def test_a_long_context_loses_its_outermost_titles_and_no_text(wordpiece: WordPiece) -> None:
    text = "# one two three four\n\n## five six\n\n### seven\n\n" + "word " * 40
    document = read(text.encode(), "x.md")
    found = {
        size: chunk(
            document, wordpiece, ChunkOptions(size=size, strategy="fixed", context="headings")
        )[-1]
        for size in (30, 12, 8, 3, 1)
    }
    assert {size: piece.context for size, piece in found.items()} == {
        30: "one two three four > five six > seven\n\n",
        12: "five six > seven\n\n",
        8: "five six > seven\n\n",
        3: "seven\n\n",
        1: "",
    }
    assert found[8].headings == ("one two three four", "five six", "seven")


def test_a_character_that_needs_the_room_of_the_context_takes_it() -> None:
    document = Document("ok 👍 ok", "text", "x")
    chunks = chunk(document, Utf8Bytes(), ChunkOptions(strategy="fixed", size=6, context="title"))
    assert [(piece.text, piece.context) for piece in chunks] == [
        ("ok", "x\n\n"),
        ("👍", ""),
        ("ok", "x\n\n"),
    ]


def test_what_is_no_context_is_refused(wordpiece: WordPiece) -> None:
    with pytest.raises(InvalidValue, match="'summary'") as caught:
        chunk(Document("", "text", "x"), wordpiece, ChunkOptions(size=9, context="summary"))
    assert caught.value.param == "context"
    assert all(name in caught.value.remedy for name in CONTEXTS)
    with pytest.raises(InvalidValue, match="takes no other context") as caught:
        chunk(
            Document("", "text", "x"),
            wordpiece,
            ChunkOptions(strategy="late", size=9, context="title"),
        )
    assert caught.value.param == "context"


def test_children_share_a_parent_and_stay_in_it(wordpiece: WordPiece) -> None:
    text = "# a\n\n" + "one two three. " * 5 + "\n\n# b\n\n" + "four five six. " * 5
    document = read(text.encode(), "x.md")
    chunks = chunk(
        document,
        wordpiece,
        ChunkOptions(strategy="parent-child", size=6, overlap=2, parent_size=30),
    )
    parents = [piece.parent for piece in chunks]
    assert all(parents)
    quoted = [document.quote(parent).split() for parent in dict.fromkeys(parents) if parent]
    assert [words[:2] for words in quoted] == [["#", "a"], ["#", "b"]]
    assert len(chunks) > 3 * len(quoted)
    assert chunk(document, wordpiece, ChunkOptions(strategy="parent-child", size=6)) == chunk(
        document, wordpiece, ChunkOptions(strategy="parent-child", size=6, parent_size=24)
    )


def test_only_parents_that_can_be_are_made(wordpiece: WordPiece) -> None:
    document = Document("", "text", "x")
    with pytest.raises(InvalidValue, match="'fixed' makes no parents") as caught:
        chunk(document, wordpiece, ChunkOptions(strategy="fixed", size=6, parent_size=30))
    assert caught.value.param == "parent_size"
    with pytest.raises(InvalidValue, match="at least size, got 5 and 6") as caught:
        chunk(document, wordpiece, ChunkOptions(strategy="parent-child", size=6, parent_size=5))
    assert caught.value.param == "parent_size"
    with pytest.raises(InvalidValue, match="is not inside its parent"):
        Chunk(Span(0, 5), "abcde", 1, parent=Span(1, 9))


def test_what_a_model_would_cut_off_is_told_as_a_span(wordpiece: WordPiece) -> None:
    text = "one two three four five six"
    document = Document(text, "text", "x")
    [piece] = chunk(document, wordpiece, ChunkOptions(size=10))
    assert truncated(piece, wordpiece, room=6) is None
    unseen = truncated(piece, wordpiece, room=4)
    assert unseen
    assert document.quote(unseen) == "five six"
    [piece] = chunk(document, wordpiece, ChunkOptions(size=10, context="title"))
    unseen = truncated(piece, wordpiece, room=4)
    assert unseen
    assert document.quote(unseen) == "four five six"  # the title takes one of the four
    assert truncated(piece, wordpiece, room=1) == Span(0, len(text))
