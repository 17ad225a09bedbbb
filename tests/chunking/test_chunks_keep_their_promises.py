"""What holds for every strategy, tokeniser, text, size and overlap."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chunking.strategies import STRATEGIES, chunk
from tests.chunking.tokenisers import LeadingBlanks, Utf8Bytes

from bindery.chunking import OffsetTokeniser
from bindery.errors import InvalidValue
from bindery.options import CONTEXTS, LATE, ChunkOptions
from bindery.types import BLOCK_KINDS, Block, Chunk, Document, Span

HARD_PIECES = (
    " ", "  ", "\t", "\n", "\n\n", "\r\n", "\u00a0", "\u3000", "\u2028",
    "\x0b", "\x0c", "\x1c", "\x85", "\x00", "\x07", "\u200b", "\ufeff", "\ufffd", "\ufffe",
    "the", "unbelievable", "antidisestablishmentarianism",
    "x" * 70, "ab" * 60, "α" * 101, "word. ",
    "e\u0301", "\u0301", "\u0301" * 70, "n\u0303o", "กำ", "ཧཱུྃ", "क्षि",
    "\u1100\u1161\u11a8", "한국어", "각",
    "👍🏽", "👩‍👩‍👧‍👦", "❤️", "🇩🇪🇫🇷", "🇩🇪" * 40, "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\u200d", "\ufe0f",
    "東京都", "日本語。", "「はい」", "ｶﾞ", "中" * 90, "שלום", "مرحبا؟ ", "नमस्ते। ",
    ". ", "! ", "... ", "?\") ", ", ", "; ", "e.g. ", "3.14",
    "## Heading\n", "# A\n\n", "- item\n",
    "[CLS]", "[MASK] ", "https://example.org/" + "path/" * 20, "|---" * 30,
    "\U00020000", "\U0010ffff",
)  # fmt: skip
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=120),
    st.lists(st.sampled_from(HARD_PIECES), min_size=20, max_size=60).map("".join),
    st.lists(
        st.one_of(st.sampled_from(HARD_PIECES), st.text(st.characters(exclude_categories=["Cs"]))),
        min_size=10,
        max_size=30,
    ).map(" ".join),
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(TEXTS)
    edges = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8))) if text else []
    spans = [Span(start, end) for start, end in itertools.pairwise(edges) if start < end]
    kinds = st.sampled_from(BLOCK_KINDS)
    blocks = tuple(
        Block(
            kind,
            span,
            level=draw(st.integers(1, 6)) if kind == "heading" else 0,
            page=draw(st.none() | st.integers(1, 9)),
        )
        for span in spans
        for kind in [draw(kinds)]
    )
    title = draw(st.sampled_from(["", "A title", "of\tblanks ", "東京", "x" * 300]))
    name = draw(st.sampled_from(["drawn", "\ud800 .", ""]))
    return Document(text, "text", name, blocks, title=title)


@st.composite
def budgets(draw: st.DrawFn) -> tuple[int, int]:
    # Mostly small, so that a short text makes many chunks.
    size = draw(st.integers(1, 12) | st.integers(1, 64))
    return size, draw(st.just(0) | st.integers(0, size - 1))


def check(
    document: Document, chunks: list[Chunk], tokeniser: OffsetTokeniser, size: int, overlap: int
) -> None:
    text = document.text
    counts = tokeniser.count_tokens([piece.context + piece.text for piece in chunks])
    assert counts == [piece.tokens for piece in chunks]
    assert all(count <= size for count in counts)

    covered = bytearray(len(text))
    for piece in chunks:
        assert piece.text == document.quote(piece.span) == piece.text.strip()
        covered[piece.span.start : piece.span.end] = b"\x01" * len(piece.span)
    assert all(hit or character.isspace() for hit, character in zip(covered, text, strict=True))

    for piece in chunks:
        if piece.parent:
            parent = document.quote(piece.parent)
            assert parent == parent.strip()
            assert piece.parent.start <= piece.span.start < piece.span.end <= piece.parent.end

    for before, after in itertools.pairwise(chunks):
        assert before.span.start < after.span.start
        assert before.span.end < after.span.end
        if overlap == 0:
            assert before.span.end <= after.span.start


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=25, deadline=None)
@given(document=documents(), budget=budgets(), context=st.sampled_from(CONTEXTS))
def test_chunks_are_exact_fit_cover_and_rise(
    strategy: str,
    tokeniser: OffsetTokeniser,
    document: Document,
    budget: tuple[int, int],
    context: str,
) -> None:
    size, overlap = budget
    context = "none" if strategy == LATE else context
    options = ChunkOptions(strategy, size, overlap, context)
    try:
        chunks = chunk(document, tokeniser, options)
    except InvalidValue:
        # The one reason to refuse: BERT makes three tokens of a Hangul syllable.
        character_counts = tokeniser.count_tokens(list(document.text))
        assert max(character_counts) > size
        return
    check(document, chunks, tokeniser, size, overlap)
    assert chunks == chunk(document, tokeniser, options)


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=25, deadline=None)
@given(words=st.lists(st.text("abcdefgh.,", min_size=1, max_size=30), min_size=15, max_size=80),
       budget=budgets())  # fmt: skip
def test_neighbours_share_no_more_tokens_than_the_overlap(
    strategy: str, tokeniser: OffsetTokeniser, words: list[str], budget: tuple[int, int]
) -> None:
    text = " ".join(words)
    starts = tokeniser.token_offsets([text])[0][:, 0]
    # A token that starts with the blank before a word belongs to that word.
    starts = starts + [text[start] == " " for start in starts]
    size, overlap = budget
    chunks = chunk(
        Document(text, "text", "words"),
        tokeniser,
        ChunkOptions(strategy=strategy, size=size, overlap=overlap),
    )
    for before, after in itertools.pairwise(chunks):
        shared = (starts >= after.span.start) & (starts < before.span.end)
        assert shared.sum() <= overlap


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=25, deadline=None)
@given(
    words=st.lists(st.sampled_from(["a", "a", "a.", "bbbbbbbb"]), min_size=15, max_size=60),
    budget=budgets(),
)
def test_an_overlap_that_costs_more_than_arithmetic_says_is_left_out(
    strategy: str, words: list[str], budget: tuple[int, int]
) -> None:
    # The long word costs four tokens more as soon as a chunk begins with it.
    size, overlap = max(budget[0], 5), budget[1]
    document = Document(" ".join(words), "text", "words")
    chunks = chunk(
        document, LeadingBlanks(), ChunkOptions(strategy=strategy, size=size, overlap=overlap)
    )
    check(document, chunks, LeadingBlanks(), size, overlap)


CLUSTERS = (
    "e\u0301", "n\u0303\u0323", "กำ", "\u1100\u1161\u11a8", "각\u11a8", "👍🏽", "👩‍👩‍👧‍👦", "❤️",
    "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "ｶﾞ", "x", "中", "。", "!", "é",
)  # fmt: skip


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=25, deadline=None)
@given(
    clusters=st.lists(st.sampled_from(CLUSTERS), min_size=20, max_size=80), size=st.integers(30, 64)
)
def test_grapheme_clusters_stay_whole(
    strategy: str, tokeniser: OffsetTokeniser, clusters: list[str], size: int
) -> None:
    edges = {0, *itertools.accumulate(map(len, clusters))}
    document = Document("".join(clusters), "text", "clusters")
    for piece in chunk(document, tokeniser, ChunkOptions(strategy=strategy, size=size)):
        assert {piece.span.start, piece.span.end} <= edges


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_cluster_over_the_budget_is_cut(strategy: str) -> None:
    document = Document("a " + "e" + "\u0301" * 10_000 + " b", "text", "pile")
    chunks = chunk(document, Utf8Bytes(), ChunkOptions(strategy=strategy, size=100))
    check(document, chunks, Utf8Bytes(), 100, 0)
    assert chunks[0].text == "a"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_character_over_the_budget_is_an_error_that_names_it(strategy: str) -> None:
    with pytest.raises(InvalidValue, match=r"'👍' at position 3 alone has 4 tokens") as caught:
        chunk(Document("ok 👍", "text", "x"), Utf8Bytes(), ChunkOptions(strategy=strategy, size=3))
    assert caught.value.param == "size"
    assert "4 or more" in caught.value.remedy


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("run", ["x", "ab9", "👩‍👧", "\U000130f8"])
def test_a_run_without_blanks_is_not_swallowed_as_one_unknown_word(
    strategy: str, wordpiece: OffsetTokeniser, run: str
) -> None:
    document = Document((run * 30_000)[:30_000], "text", "run")
    chunks = chunk(document, wordpiece, ChunkOptions(strategy=strategy, size=16))
    check(document, chunks, wordpiece, 16, 0)
    # A word of more than 100 characters is unknown whatever it is: each token stands for fewer.
    assert max(len(piece.span) for piece in chunks) < 16 * 100


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000\u2028\x0b\x85 ", "\r\n" * 1000])
def test_a_text_without_content_has_no_chunks(
    strategy: str, tokeniser: OffsetTokeniser, text: str
) -> None:
    assert (
        chunk(Document(text, "text", "empty"), tokeniser, ChunkOptions(strategy=strategy, size=8))
        == []
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("text", ["\x00", "\u200b\u200b", "\ufeff \x07", "\u0301" * 10_000])
def test_characters_without_tokens_still_belong_to_a_chunk(
    strategy: str, wordpiece: OffsetTokeniser, text: str
) -> None:
    document = Document(text, "text", "odd")
    chunks = chunk(document, wordpiece, ChunkOptions(strategy=strategy, size=8))
    check(document, chunks, wordpiece, 8, 0)
    assert [piece.tokens for piece in chunks] == [0]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("overlap", [0, 3])
def test_a_text_within_the_size_is_one_chunk(
    strategy: str, tokeniser: OffsetTokeniser, overlap: int
) -> None:
    text = "# One\n\nTwo three. Four, five; six.\n\nSeven."
    size = tokeniser.count_tokens([text])[0]
    chunks = chunk(
        Document(text, "text", "short"),
        tokeniser,
        ChunkOptions(strategy=strategy, size=size, overlap=overlap),
    )
    assert [piece.text for piece in chunks] == [text]
