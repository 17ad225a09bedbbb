"""The strategy ``semantic``: breakpoints by vectors, within what every strategy promises."""

from collections.abc import Sequence

import numpy as np
import pytest
from tests.chunking.meanings import hashed
from tests.chunking.tokenisers import WordPiece

from bindery import chunking
from bindery.chunking import ChunkingInput
from bindery.chunking.semantic import semantic
from bindery.errors import InvalidValue
from bindery.options import ChunkOptions
from bindery.types import Document

BIRDS = "A heron is a bird. The bird is a heron. A heron is a grey bird."
ENGINES = "Steam drives turbines. Turbines need steam. Steam drives most turbines."


class Asked:
    """The same vectors, and what they were asked for."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.batches.append(list(texts))
        return hashed(texts)


def cut(text: str, wordpiece: WordPiece, size: int, embed: chunking.Embed = hashed) -> list[str]:
    document = Document(text, "text", "example")
    found = chunking.chunk(
        document, wordpiece, ChunkOptions(strategy="semantic", size=size), embed=embed
    )
    return [one.text for one in found]


@pytest.mark.parametrize(("before", "after"), [(BIRDS, ENGINES), (ENGINES, BIRDS)])
def test_the_cut_is_where_the_words_change(wordpiece: WordPiece, before: str, after: str) -> None:
    # Either would hold more of its sentences: the budget alone would cut elsewhere.
    assert cut(f"{before} {after}", wordpiece, 24) == [before, after]
    plain = chunking.chunk(
        Document(f"{before} {after}", "text", "x"),
        wordpiece,
        ChunkOptions(strategy="sentence", size=24),
    )
    assert [one.text for one in plain] != [before, after]


def test_places_are_ranked_by_the_groups_on_both_sides(wordpiece: WordPiece) -> None:
    sentences = [f"Sentence {number} is here." for number in range(60)]
    document = Document(" ".join(sentences), "text", "x")
    rows = np.random.default_rng(5).normal(size=(60, 8)).astype(np.float32)
    source = ChunkingInput.read(document, wordpiece, lambda _: rows)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    changes = []
    for last in range(59):
        before = units[max(last - 2, 0) : last + 1].sum(axis=0)
        after = units[last + 1 : last + 4].sum(axis=0)
        changes.append(1 - before @ after / np.linalg.norm(before) / np.linalg.norm(after))
    places = [document.text.index(sentence) for sentence in sentences[1:]]
    for rank, share in zip(semantic(source).ranks, (95, 80, 50), strict=False):
        limit = np.percentile(changes, share)
        expected = [at for at, change in zip(places, changes, strict=True) if change >= limit]
        assert rank.tolist() == expected


def test_every_sentence_is_embedded_once(wordpiece: WordPiece) -> None:
    sentences = [f"Sentence {number} is here." for number in range(2500)]
    asked = Asked()
    cut("\n\n".join(sentences), wordpiece, 50, asked)
    assert [text for batch in asked.batches for text in batch] == sentences
    assert [len(batch) for batch in asked.batches] == [1024, 1024, 452]


@pytest.mark.parametrize("text", ["", "  \n", "One sentence alone."])
def test_where_there_is_nothing_to_compare_nothing_is_asked(
    wordpiece: WordPiece, text: str
) -> None:
    asked = Asked()
    assert cut(text, wordpiece, 50, asked) == [text.strip()] * bool(text.strip())
    assert asked.batches == []


def test_a_heading_stays_with_what_it_heads(wordpiece: WordPiece) -> None:
    text = f"{BIRDS}\n\n# Turbines\n\n{ENGINES}"
    assert cut(text, wordpiece, 30) == [BIRDS, f"# Turbines\n\n{ENGINES}"]


def test_without_an_encoder_it_says_what_is_missing(wordpiece: WordPiece) -> None:
    with pytest.raises(InvalidValue, match="needs a function that embeds") as caught:
        chunking.chunk(
            Document(BIRDS, "text", "x"), wordpiece, ChunkOptions(strategy="semantic", size=9)
        )
    assert caught.value.param == "strategy"


@pytest.mark.parametrize("rows", [np.zeros((2, 4)), np.zeros((4, 4)), np.zeros(3)])
def test_an_encoder_of_several_vectors_a_text_is_refused(
    wordpiece: WordPiece, rows: np.ndarray
) -> None:
    with pytest.raises(InvalidValue, match="one vector per sentence") as caught:
        cut(BIRDS, wordpiece, 9, lambda _: rows.astype(np.float32))
    assert caught.value.param == "model"


def test_vectors_of_zeros_still_cut_within_the_budget(wordpiece: WordPiece) -> None:
    found = cut(BIRDS, wordpiece, 9, lambda texts: np.zeros((len(texts), 4), np.float32))
    assert " ".join(found) == BIRDS
    assert max(wordpiece.count_tokens(found)) <= 9
