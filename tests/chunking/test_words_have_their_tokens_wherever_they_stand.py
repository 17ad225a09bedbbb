"""Each different word is tokenised once; the tokens are those of the whole text all the same."""

import itertools
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chunking.test_chunks_keep_their_promises import HARD_PIECES, TEXTS
from tests.chunking.tokenisers import Recording, WordPiece
from tokenizers import AddedToken

from bindery.chunking.characters import read_characters
from bindery.chunking.tokens import locate_tokens

REPEATING = st.lists(st.sampled_from(HARD_PIECES), min_size=1, max_size=6).flatmap(
    lambda pieces: st.lists(st.sampled_from(pieces), max_size=60).map("".join)
)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS | REPEATING)
def test_located_tokens_are_those_of_the_text_cut_at_its_seams(
    wordpiece: WordPiece, text: str
) -> None:
    characters = read_characters(text)
    tokens = locate_tokens(characters, wordpiece)
    edges = [0, *tokens.seams.tolist(), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    expected = [
        rows[:, 0] + start
        for start, rows in zip(edges, wordpiece.token_offsets(pieces), strict=False)
    ]
    starts = characters.onwards(np.concatenate(expected))
    assert tokens.starts.tolist() == starts.tolist()
    assert tokens.before_each.tolist() == [
        int(starts.searchsorted(place)) for place in range(len(text) + 1)
    ]


def test_a_token_that_takes_the_blank_before_it_belongs_to_its_word(minilm_folder: Path) -> None:
    greedy = WordPiece(minilm_folder, added=[AddedToken("<mask>", lstrip=True)])
    text = "one <mask> two\n<mask> three <mask>"
    assert greedy.token_offsets([text])[0][1, 0] == 3
    tokens = locate_tokens(read_characters(text), greedy)
    assert [text[start:].split()[0] for start in tokens.starts] == text.split()


def test_a_word_is_handed_to_the_tokeniser_once(wordpiece: WordPiece) -> None:
    recording = Recording(wordpiece)
    text = "the same words over and over, " * 1000
    tokens = locate_tokens(read_characters(text), recording)
    assert len(tokens.starts) == wordpiece.count_tokens([text])[0]
    assert recording.characters == len("the same words over and over,")
