"""Work is counted or compared between sizes of text, never timed against a clock."""

import time
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import pytest
from tests.chunking.strategies import STRATEGIES, chunk
from tests.chunking.tokenisers import Offsets, Recording, Utf8Bytes

from bindery.chunking import CHUNKERS, OffsetTokeniser
from bindery.documents.programs import division_points
from bindery.options import ChunkOptions
from bindery.types import Document

FAMILIES = {
    "one line of words": "the quick brown fox, it jumps over a lazy dog. ",
    "all blanks": " ",
    "no blanks": "abcdefghij",
    "one letter a line": "a\n",
    "stops and blanks": ". ",
    "stops": ".",
    "stops and brackets": ".)",
    "combining marks": "\u0301",
    "flags": "🇩🇪",
    "empty headings": "# \n",
    "joined emoji": "👩\u200d",
    "ideographs": "東京都は日本の首都。",
    "deleted characters": "a\x0b",
    "sections": "# One\n\n## Two of it\n\nText.\n\n### Three\n\nMore of it.\n\n",
    "statements": "def one():\n    # It is.\n    if two:\n        three()\n",
}


def of_length(family: str, length: int) -> Document:
    seed = FAMILIES[family]
    return Document((seed * (length // len(seed) + 1))[:length], "text", family)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_tokeniser_reads_the_text_about_twice_at_most(
    strategy: str, family: str, tokeniser: OffsetTokeniser
) -> None:
    recording = Recording(tokeniser)
    chunk(of_length(family, 20_000), recording, ChunkOptions(strategy=strategy, size=100))
    # Chunks over the budget, which only other tokenisers make, are counted once more in halves.
    assert recording.characters <= (2.5 if tokeniser.splits_at_blanks else 3.5) * 20_000


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_four_times_the_text_takes_about_four_times_as_long(family: str) -> None:
    def seconds(length: int) -> float:
        document, tokeniser = of_length(family, length), Stride()
        started = time.process_time()
        for strategy in names:
            chunk(document, tokeniser, ChunkOptions(strategy=strategy, size=100))
        chunk(document, tokeniser, ChunkOptions(size=100, context="headings"))
        if "code" in names:  # it divides in a process of its own, whose time is not of this one
            division_points(document.text.encode(), "x.py")
        return time.process_time() - started

    names = [name for name in CHUNKERS if name != "code" or find_spec("tree_sitter")]
    seconds(1000)
    shorter, longer = seconds(100_000), seconds(400_000)
    # Sixteen times is quadratic. The constant is for what does not depend on the text.
    assert longer < 8 * shorter + 0.05


class Stride(Utf8Bytes):
    """A token every third character, had so cheaply that only chunking's own time counts."""

    def token_offsets(self, texts: Sequence[str]) -> list[Offsets]:
        return [
            np.stack([starts := np.arange(0, len(text), 3), starts + 3], axis=1) for text in texts
        ]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [-(-len(text) // 3) for text in texts]
