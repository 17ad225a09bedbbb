"""The tokens of a document are found once: an encoder takes the ids that came with its chunks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chunking.test_chunks_keep_their_promises import budgets, documents
from tests.engines.checkpoints import TINY

from bindery.chunking import chunk
from bindery.encoders.tokeniser import Tokeniser
from bindery.errors import InvalidValue
from bindery.options import ChunkOptions
from bindery.types import Document, TokenIds, Truncate

TEXT = "Loose paper is lost. Bound paper stands on an antidisestablishmentarian shelf. " * 20


@pytest.fixture(scope="module")
def tokeniser(minilm_folder: Path) -> Tokeniser:
    return Tokeniser(minilm_folder, max_tokens=32)


@settings(max_examples=150, deadline=None)
@given(
    document=documents(),
    budget=budgets(),
    strategy=st.sampled_from(["fixed", "sentence", "recursive", "markdown"]),
    prompt=st.sampled_from(["", "passage: ", "no blank"]),
    truncate=st.sampled_from([Truncate.END, Truncate.START]),
)
def test_they_are_the_ids_of_the_text_alone(
    tokeniser: Tokeniser,
    document: Document,
    budget: tuple[int, int],
    strategy: str,
    prompt: str,
    truncate: Truncate,
) -> None:
    try:
        chunks = chunk(
            document, tokeniser, ChunkOptions(strategy=strategy, size=budget[0], overlap=budget[1])
        )
    except InvalidValue:
        return
    for one in chunks:
        if one.ids is not None:
            assert one.ids.values.tolist() == tokeniser.text_ids(one.text)
    texts, known = [one.text for one in chunks], [one.ids for one in chunks]
    found = tokeniser.tokenise(texts, prompt, truncate=truncate, known=known)
    expected = tokeniser.tokenise(texts, prompt, truncate=truncate)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.ids.tolist() == theirs.ids.tolist()
        assert (mine.cut, mine.prompt, mine.text) == (theirs.cut, theirs.prompt, theirs.text)


def test_plain_text_is_read_once(tokeniser: Tokeniser) -> None:
    for overlap in (0, 5):
        chunks = chunk(
            Document(TEXT, "text", "x"), tokeniser, ChunkOptions(size=16, overlap=overlap)
        )
        assert all(one.ids is not None for one in chunks)
        # Wrong ids would show, so they are what is taken, whatever the text.
        known = [TokenIds(np.full(3, 7, np.int32), one.ids.digest) for one in chunks if one.ids]
        found = tokeniser.tokenise([one.text for one in chunks], "passage: ", known=known)
        assert all(tokens.ids[-4:-1].tolist() == [7, 7, 7] for tokens in found)


def test_where_a_cut_is_no_blank_the_text_is_read_again(tokeniser: Tokeniser) -> None:
    chunks = chunk(Document("x" * 500, "text", "x"), tokeniser, ChunkOptions(size=16))
    assert [one.ids for one in chunks] == [None] * len(chunks)


def test_ids_of_another_tokeniser_are_not_taken(tokeniser: Tokeniser) -> None:
    others = [Tokeniser(TINY / "bge", max_tokens=32), tokeniser.neutralised()]
    for other in others:
        assert other.digest != tokeniser.digest
        [one] = chunk(Document("a [MASK] b", "text", "x"), other, ChunkOptions(size=16))
        assert one.ids is not None
        [found] = tokeniser.tokenise([one.text], known=[one.ids])
        [expected] = tokeniser.tokenise([one.text])
        assert found.ids.tolist() == expected.ids.tolist()
    assert tokeniser.within(9).digest == tokeniser.digest
