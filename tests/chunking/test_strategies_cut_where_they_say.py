"""Examples: where each strategy cuts."""

import pytest
from tests.chunking.tokenisers import WordPiece

from bindery.chunking import CHUNKERS, chunk
from bindery.documents import read
from bindery.errors import InvalidValue, UnknownStrategy
from bindery.options import ChunkOptions
from bindery.types import Block, Document, Span


def cut(text: str, wordpiece: WordPiece, strategy: str, size: int, overlap: int = 0) -> list[str]:
    document = Document(text, "text", "example")
    chunks = chunk(document, wordpiece, ChunkOptions(strategy=strategy, size=size, overlap=overlap))
    return [piece.text for piece in chunks]


def test_recursive_without_overlap_is_the_default(wordpiece: WordPiece) -> None:
    document = Document("one two.\n\nthree four", "text", "x")
    assert chunk(document, wordpiece, ChunkOptions(size=3)) == chunk(
        document, wordpiece, ChunkOptions(strategy="recursive", size=3, overlap=0)
    )


def test_fixed_takes_as_many_words_as_fit(wordpiece: WordPiece) -> None:
    text = "one two three. four five six seven"
    assert cut(text, wordpiece, "fixed", 3) == ["one two", "three. four", "five six seven"]


def test_fixed_overlaps_by_whole_words(wordpiece: WordPiece) -> None:
    words = "one two three four five six seven"
    assert cut(words, wordpiece, "fixed", 4, 2) == [
        "one two three four",
        "three four five six",
        "five six seven",
    ]


def test_fixed_cuts_inside_a_word_only_where_it_is_over_the_budget(wordpiece: WordPiece) -> None:
    pieces = cut("a unbelievability b", wordpiece, "fixed", 3)
    assert pieces[0] == "a"
    assert "".join(pieces[1:]).replace(" ", "") == "unbelievabilityb"


def test_fixed_overlaps_in_scripts_without_blanks(wordpiece: WordPiece) -> None:
    assert cut("東京都日本国", wordpiece, "fixed", 4, 2) == ["東京都日", "都日本国"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("He left. She stayed! Why? Nobody knows… Ever.",
         ["He left.", "She stayed!", "Why?", "Nobody knows…", "Ever."]),
        ('"Go." (Now!) Then: "Who?" End.', ['"Go."', "(Now!)", 'Then: "Who?"', "End."]),
        ("Dr. Who met J. R. Ewing at 3.15 p.m. today. Yes.",
         ["Dr. Who met J. R. Ewing at 3.15 p.m. today.", "Yes."]),
        ("See Fig. 3, e.g. the red one. It is good... Very.",
         ["See Fig. 3, e.g. the red one.", "It is good...", "Very."]),
        ("東京です。「はい。」次！", ["東京です。", "「はい。」", "次！"]),
        ("मैं हूँ। तुम हो।", ["मैं हूँ।", "तुम हो।"]),
        ("كيف حالك؟ جيد۔ نعم", ["كيف حالك؟", "جيد۔", "نعم"]),
        ("A title\n\nThe text. Its end.", ["A title", "The text.", "Its end."]),
        ("Steps:\n1. Open it.\n2. Close it.", ["Steps:\n1. Open it.", "2. Close it."]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_say(
    wordpiece: WordPiece, text: str, sentences: list[str]
) -> None:
    # With room for the longest sentence alone, each chunk of more would show a missed boundary.
    size = max(wordpiece.count_tokens(sentences))
    for piece in cut(text, wordpiece, "sentence", size):
        assert any(
            piece.startswith(sentence) and text[text.index(piece) :].startswith(sentence)
            for sentence in sentences
        )
    for sentence in sentences:
        assert any(sentence in piece for piece in cut(text, wordpiece, "sentence", size))


def test_a_sentence_over_the_budget_is_cut_between_words(wordpiece: WordPiece) -> None:
    pieces = cut("Short. one two three four five six seven eight.", wordpiece, "sentence", 4)
    assert pieces == ["Short.", "one two three four", "five six seven", "eight."]


def test_sentences_overlap_whole(wordpiece: WordPiece) -> None:
    text = "One one. Two two. Three three. Four four."
    assert cut(text, wordpiece, "sentence", 6, 3) == [
        "One one. Two two.",
        "Two two. Three three.",
        "Three three. Four four.",
    ]


def test_recursive_prefers_the_better_boundary(wordpiece: WordPiece) -> None:
    text = "One two. Three four.\n\nFive six. Seven eight. Nine ten."
    assert cut(text, wordpiece, "recursive", 9) == [
        "One two. Three four.",
        "Five six. Seven eight. Nine ten.",
    ]


def test_recursive_keeps_a_heading_with_what_it_heads(wordpiece: WordPiece) -> None:
    text = "one two three four five six.\n\n# Heading\n\nseven eight nine ten eleven twelve."
    assert cut(text, wordpiece, "recursive", 10) == [
        "one two three four five six.",
        "# Heading\n\nseven eight nine ten eleven twelve.",
    ]


def test_recursive_takes_headings_from_the_blocks_where_there_are_some(
    wordpiece: WordPiece,
) -> None:
    text = "one two three four five six.\nHeading\nseven eight nine ten eleven twelve."
    start = text.index("Heading")
    blocks = (Block("heading", Span(start, start + 7), level=1),)
    chunks = chunk(Document(text, "text", "x", blocks), wordpiece, ChunkOptions(size=9))
    assert [piece.span.start for piece in chunks] == [0, start]


def test_recursive_shares_a_long_stretch_evenly(wordpiece: WordPiece) -> None:
    stretch = " ".join(["word"] * 12)
    assert [piece.count("word") for piece in cut(stretch, wordpiece, "recursive", 10)] == [6, 6]


@pytest.mark.parametrize(
    ("size", "overlap", "param"),
    [(0, 0, "size"), (-3, 0, "size"), (5, -1, "overlap"), (5, 5, "overlap"), (5, 6, "overlap")],
)
def test_a_budget_that_allows_no_chunk_is_refused(
    wordpiece: WordPiece, size: int, overlap: int, param: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        chunk(Document("x", "text", "x"), wordpiece, ChunkOptions(size=size, overlap=overlap))
    assert caught.value.param == param
    assert str(overlap if param == "overlap" else size) in caught.value.message


def test_an_unknown_strategy_is_refused_with_the_known(wordpiece: WordPiece) -> None:
    with pytest.raises(UnknownStrategy, match="'magic'") as caught:
        chunk(Document("x", "text", "x"), wordpiece, ChunkOptions(strategy="magic", size=5))
    assert all(name in caught.value.remedy for name in CHUNKERS)


def test_markdown_never_puts_two_sections_into_a_chunk(wordpiece: WordPiece) -> None:
    text = "# a\n\n## b\n\none two\n\n## c\n\nthree four five six\n"
    document = read(text.encode(), "x.md")
    pieces = [
        c.text
        for c in chunk(document, wordpiece, ChunkOptions(strategy="markdown", size=20, overlap=5))
    ]
    assert pieces == ["# a\n\n## b\n\none two", "## c\n\nthree four five six"]
    assert len(chunk(document, wordpiece, ChunkOptions(strategy="recursive", size=40))) == 1


def test_page_cuts_where_pages_begin(wordpiece: WordPiece) -> None:
    text = "one two\n\nthree four\n\nfive"
    blocks = (Block("page", Span(0, 7), page=1), Block("page", Span(9, 25), page=2))
    document = Document(text, "pdf", "x.pdf", blocks)
    pieces = [
        c.text
        for c in chunk(document, wordpiece, ChunkOptions(strategy="page", size=20, overlap=2))
    ]
    assert pieces == ["one two", "three four\n\nfive"]
    tight = [
        c.text for c in chunk(document, wordpiece, ChunkOptions(strategy="page", size=2, overlap=1))
    ]
    assert tight == ["one two", "three four", "four\n\nfive"]
