"""A text longer than the window: its end is cut, or its start, or it is refused at once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders.late_checkpoints import LATE, late_encoder
from tests.encoders.test_tokenisers_are_built_as_the_reference_builds_them import folder_of
from tests.engines.checkpoints import TINY, load

from bindery.encoders.dense import DenseEncoder
from bindery.encoders.late import LateEncoder
from bindery.encoders.request import EncodeRequest
from bindery.encoders.tokeniser import Tokeniser
from bindery.errors import InvalidValue, TextTooLong
from bindery.options import VectorOptions
from bindery.types import Truncate

END, START, ERROR = Truncate.END, Truncate.START, Truncate.ERROR


@pytest.fixture(scope="module")
def dense() -> Iterator[DenseEncoder]:
    encoder = load(TINY / "bge")
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def late() -> Iterator[LateEncoder]:
    encoder = late_encoder(LATE / "stanford")
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def narrow(minilm_folder: Path) -> Tokeniser:
    return Tokeniser(minilm_folder, max_tokens=12)


@given(words=st.integers(0, 30), prompt=st.sampled_from(["", "query: ", "a long prompt: " * 5]))
@settings(deadline=None)
def test_special_tokens_and_the_prompt_stay_and_the_rest_is_of_one_end(
    narrow: Tokeniser, words: int, prompt: str
) -> None:
    text = " ".join(str(number % 10) for number in range(words))
    before, ids = narrow.text_ids(prompt), narrow.text_ids(text)
    room = 10 - min(10, len(before))

    for truncate, kept in ((END, ids[:room]), (START, ids[len(ids) - min(room, len(ids)) :])):
        [found] = narrow.tokenise([text], prompt, truncate=truncate)
        assert found.ids.tolist() == [101, *before[:10], *kept, 102]
        assert found.cut == max(0, len(before) + len(ids) - 10)
        assert found.ids[slice(*found.text)].tolist() == kept
        assert (found.prompt > 0) == bool(prompt)


def test_a_tokeniser_that_cuts_the_start_by_itself_does_so_at_the_end_too() -> None:
    """As the reference has it: prompt included. Asked for the start, it keeps the prompt."""
    left = Tokeniser(folder_of("left"), max_tokens=6)
    text, last = "a book on the shelf is lost", ["shelf is lost", "is lost"]

    [as_ever] = left.tokenise([text], "query: ", truncate=END)
    [asked] = left.tokenise([text], "query: ", truncate=START)

    assert as_ever.ids[1:-1].tolist()[-3:] == left.text_ids(last[0])
    assert asked.ids[1:-1].tolist() == [*left.text_ids("query: "), *left.text_ids(last[1])]
    assert as_ever.cut == asked.cut == 5


@pytest.mark.parametrize("role", ["query", "document"])
def test_vectors_are_of_what_was_kept(dense: DenseEncoder, late: LateEncoder, role: str) -> None:
    for encoder in (dense, late):
        room = encoder.tokeniser.room(role)
        text = " ".join(["paper"] * 9 + ["book"] * room + ["shelf"] * 9)
        ends = {END: ["paper"] * 9 + ["book"] * (room - 9), START: ["book"] * (room - 9)}
        ends[START] += ["shelf"] * 9

        for truncate, kept in ends.items():
            found = encoder.encode_counted([text], role, truncate=truncate)
            expected = encoder.encode([" ".join(kept)], role)
            assert np.abs(found.embeddings.rows - expected.rows).max() <= 1e-6
            assert found.tokens_cut.tolist() == [18]
            tokens = encoder.encode_tokens([text], role, truncate=truncate)
            assert tokens.tokens_cut.tolist() == [18]


@pytest.mark.parametrize("role", ["query", "document"])
def test_a_text_that_may_not_be_cut_is_refused_before_anything_runs(
    dense: DenseEncoder, late: LateEncoder, role: str
) -> None:
    for encoder in (dense, late):
        room = encoder.tokeniser.room(role)
        [window] = encoder.encode_counted(["paper " * (room + 9)], role).tokens_used.tolist()
        texts = ["paper", "paper " * room, "paper " * (room + 2), "paper " * (room + 1)]
        before = encoder.figures()

        for submit in (encoder.submit, encoder.submit_tokens):
            with pytest.raises(TextTooLong) as caught:
                submit(EncodeRequest(texts, VectorOptions(role, truncate=ERROR)))
            assert caught.value.param == "texts"
            told = f"Text 2 has {window + 2} tokens"
            assert told in caught.value.message
            assert f"reads {window}." in caught.value.message
        after = encoder.figures()
        assert (after.batches, after.queue_texts) == (before.batches, 0)

        fits = encoder.encode_counted(texts[:2], role, truncate=ERROR)
        assert fits.tokens_cut.tolist() == [0, 0]
        same = encoder.encode(texts[:2], role)
        assert np.abs(fits.embeddings.rows - same.rows).max() <= 1e-6


def test_a_plain_string_truncates_as_its_member_does(dense: DenseEncoder) -> None:
    text = "paper " * 9 + "book " * dense.tokeniser.room("document")
    given, meant = (
        dense.encode([text], "document", truncate=how)  # type: ignore[arg-type]
        for how in ("start", START)
    )
    assert np.abs(given.rows - meant.rows).max() <= 1e-6
    with pytest.raises(InvalidValue, match="Unknown truncate 'middle'"):
        dense.encode([text], "document", truncate="middle")  # type: ignore[arg-type]
