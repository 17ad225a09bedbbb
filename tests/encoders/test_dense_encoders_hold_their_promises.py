"""Dense encoders: what they refuse, what they report, and many callers at once."""

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.engines.checkpoints import TINY, copied, load, rewrite

from bindery.encoders.dense import DenseEncoder
from bindery.engines.openvino import OpenVinoEngine
from bindery.errors import EngineError, InvalidValue
from bindery.models.layouts import read_layout

WORDS = ("loose", "paper", "is", "fragile", "and", "gets", "lost", "on", "the", "shelf", "of", "a")


@pytest.fixture(scope="module")
def bge() -> Iterator[DenseEncoder]:
    """CLS pooling, a prompt for queries, a window of 24."""
    encoder = load(TINY / "bge")
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def nested() -> Iterator[DenseEncoder]:
    """The same, as if it had been trained for 16 and 8 dimensions too."""
    layout = read_layout(TINY / "bge")
    card = replace(layout.card, nested_dimensions=(16, 8))
    encoder = DenseEncoder(replace(layout, card=card), OpenVinoEngine(TINY / "bge", threads=1))
    yield encoder
    encoder.close()


WRONG_TEXTS = {
    "one string": ("paper", "texts must be a list, got one string"),
    "a number": (["a", 3], "Text 1 must be a string, got int"),
    "nothing": ([None], "Text 0 must be a string, got NoneType"),
    "bytes": (["a", "b", b"c"], "Text 2 must be a string, got bytes"),
    "a list in a list": ([["a"]], "Text 0 must be a string, got list"),
    "a lone surrogate": (["a", "b", "c\udcff"], "Text 2 contains a lone surrogate"),
}


@pytest.mark.parametrize(("texts", "named"), WRONG_TEXTS.values(), ids=WRONG_TEXTS)
def test_what_is_not_text_is_named_by_place(bge: DenseEncoder, texts: list, named: str) -> None:
    calls = (
        lambda: bge.encode(texts, "document"),
        lambda: bge.encode_counted(texts, "document"),
        lambda: bge.encode_tokens(texts, "document"),
        lambda: bge.tokeniser.count_tokens(texts),
        lambda: bge.tokeniser.tokenise(texts, "document"),
    )
    for call in calls:
        with pytest.raises(InvalidValue, match=named):
            call()


@pytest.mark.parametrize("role", ["", "passage", "Query"])
def test_an_unknown_role_is_told_the_known_ones(bge: DenseEncoder, role: str) -> None:
    for call in (lambda: bge.encode(["a"], role), lambda: bge.tokeniser.room(role)):
        with pytest.raises(InvalidValue, match=f"bge.* has no role '{role}'") as caught:
            call()
        assert caught.value.remedy == "Choose one of: query, document."
        assert caught.value.param == "role"


@pytest.mark.parametrize("dimensions", [0, -8, 1, 31, 33, 16])
def test_other_dimensions_are_told_the_allowed_ones(bge: DenseEncoder, dimensions: int) -> None:
    with pytest.raises(InvalidValue, match=f"vectors of {dimensions} dimensions") as caught:
        bge.encode(["a"], "document", dimensions=dimensions)
    assert caught.value.remedy == "Allowed: 32."
    assert caught.value.param == "dimensions"


def test_nested_dimensions_are_cut_and_brought_back_to_length_1(nested: DenseEncoder) -> None:
    texts = [*WORDS, ""]
    whole = nested.encode(texts, "document")

    for dimensions in (32, 16, 8):
        cut = nested.encode(texts, "document", dimensions=dimensions)
        assert cut.width == dimensions
        assert np.abs(np.linalg.norm(cut.rows, axis=1) - 1).max() <= 1e-5
        assert np.abs(cut.rows - whole.cut(dimensions).rows).max() <= 1e-2  # perhaps bfloat16
    with pytest.raises(InvalidValue) as caught:
        nested.encode(texts, "document", dimensions=12)
    assert caught.value.remedy == "Allowed: 32, 16, 8."


def test_no_texts_give_no_vectors(nested: DenseEncoder) -> None:
    assert nested.encode([], "document").rows.shape == (0, 32)
    assert nested.encode([], "query", dimensions=8).rows.shape == (0, 8)
    encoded = nested.encode_counted([], "document")
    assert (encoded.tokens_used.shape, encoded.tokens_cut.shape) == ((0,), (0,))


@pytest.mark.parametrize(("role", "room"), [("document", 22), ("query", 14)])
def test_what_fits_the_window_is_kept_to_the_token(bge: DenseEncoder, role: str, room: int) -> None:
    lengths = [room - 1, room, room + 1, room + 30, 0]

    encoded = bge.encode_counted(["paper " * length for length in lengths], role)

    assert bge.tokeniser.room(role) == room
    assert encoded.tokens_used.tolist() == [23, 24, 24, 24, 24 - room]
    assert encoded.tokens_cut.tolist() == [0, 0, 1, 30, 0]
    fits, same, over = encoded.embeddings.rows[1:4]
    assert np.abs(fits - same).max() <= 1e-6, "what is cut changes nothing"
    assert np.abs(fits - over).max() <= 1e-6
    assert np.abs(fits - encoded.embeddings.rows[0]).max() > 1e-3


def test_the_small_models_window_is_256(minilm: DenseEncoder) -> None:
    encoded = minilm.encode_counted(["paper " * length for length in (253, 254, 255)], "document")

    assert minilm.tokeniser.room("document") == 254
    assert encoded.tokens_used.tolist() == [255, 256, 256]
    assert encoded.tokens_cut.tolist() == [0, 0, 1]


def test_counts_are_of_the_text_alone(bge: DenseEncoder) -> None:
    texts = ["paper " * 40, "", "[CLS]", "loose paper"]

    assert bge.tokeniser.count_tokens(texts) == [40, 0, 1, 2]
    encoded = bge.encode_counted(texts, "document")
    assert (encoded.tokens_used + encoded.tokens_cut).tolist() == [42, 2, 3, 4]


@pytest.mark.parametrize("fixture", ["bge", "minilm"])
def test_sixteen_callers_at_once_get_their_own(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    encoder = request.getfixturevalue(fixture)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=n % 23 + 1)) + f" {n}" for n in range(160)]
    expected = encoder.encode(texts, "document").rows
    start = threading.Barrier(16)

    def call(number: int) -> float:
        """Every fourth caller asks for one text after the other, the others for all of theirs."""
        mine = texts[10 * number : 10 * number + 10]
        start.wait(30)
        if number % 4:
            rows = encoder.encode(mine, "document").rows
        else:
            rows = np.concatenate([encoder.encode([text], "document").rows for text in mine])
        return float(np.abs(rows - expected[10 * number : 10 * number + 10]).max())

    with ThreadPoolExecutor(16) as pool:
        assert max(pool.map(call, range(16))) <= 1e-5


def test_tokens_come_with_the_vectors_of_the_same_texts(bge: DenseEncoder) -> None:
    texts = [*WORDS, "", " ", "paper " * 40, "loose paper is lost"]

    for role in ("query", "document"):
        found = bge.encode_tokens(texts, role)
        assert found.pooled is not None
        assert np.abs(found.pooled.rows - bge.encode(texts, role).rows).max() <= 1e-5
        encoded = bge.encode_counted(texts, role)
        assert found.tokens_used.tolist() == encoded.tokens_used.tolist()
        assert found.tokens_cut.tolist() == encoded.tokens_cut.tolist()
        counts = [len(found.tokens[text]) for text in range(len(texts))]
        assert counts == [
            min(n, bge.tokeniser.room(role)) for n in bge.tokeniser.count_tokens(texts)
        ]
        assert np.abs(np.linalg.norm(found.tokens.rows, axis=1) - 1).max() <= 1e-6


def test_tokens_are_the_same_in_any_batch(bge: DenseEncoder) -> None:
    texts = [" ".join(WORDS[: n % 12]) for n in range(30)]

    together = bge.encode_tokens(texts, "document").tokens

    for text, alone in enumerate(texts):
        rows = bge.encode_tokens([alone], "document").tokens.rows
        assert np.abs(rows - together[text]).max(initial=0) <= 1e-5


def test_no_texts_have_no_tokens(bge: DenseEncoder) -> None:
    found = bge.encode_tokens([], "document")

    assert found.tokens.rows.shape == (0, 32)
    assert len(found.tokens) == len(found.tokens_used) == 0
    assert found.pooled is not None
    assert found.pooled.rows.shape == (0, 32)


def test_titles_are_refused_where_the_model_knows_none(bge: DenseEncoder) -> None:
    calls = (
        lambda titles: bge.encode(["a"], "document", titles=titles),
        lambda titles: bge.encode_counted(["a"], "document", titles=titles),
        lambda titles: bge.encode_tokens(["a"], "document", titles=titles),
    )
    for call in calls:
        call([None])
        with pytest.raises(InvalidValue, match=r"bge.* does not support titles"):
            call(["Shelf care"])
        with pytest.raises(InvalidValue, match="one item for each of 1 texts, got 2"):
            call([None, None])


def test_vectors_and_tokens_at_once_do_not_mix(bge: DenseEncoder) -> None:
    texts = [" ".join(WORDS[: n % 12 + 1]) for n in range(20)]
    rows = bge.encode(texts, "document").rows
    tokens = bge.encode_tokens(texts, "document").tokens.rows

    def call(number: int) -> float:
        if number % 2:
            return float(np.abs(bge.encode(texts, "document").rows - rows).max())
        return float(np.abs(bge.encode_tokens(texts, "document").tokens.rows - tokens).max())

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(call, range(8))) <= 1e-5


def test_a_closed_encoder_says_so_and_still_counts() -> None:
    encoder = load(TINY / "bge")
    encoder.close()
    encoder.close()

    for texts in (["a"], ["a"] * 3, ["paper " * 20]):
        with pytest.raises(EngineError, match="closed"):
            encoder.encode(texts, "document")
        with pytest.raises(EngineError, match="closed"):
            encoder.encode_tokens(texts, "document")
    assert encoder.tokeniser.count_tokens(["a"]) == [1]


def test_dropping_the_last_reference_stops_the_threads() -> None:
    before = set(threading.enumerate())
    encoder = load(TINY / "bge")
    encoder.encode(["a", "b"], "document")
    started = set(threading.enumerate()) - before
    gone = weakref.ref(encoder)

    del encoder
    gc.collect()

    assert gone() is None
    assert started
    assert not any(thread.is_alive() for thread in started)


def test_a_model_without_special_tokens_takes_an_empty_text(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    rewrite(folder / "tokenizer.json", post_processor=None)
    rewrite(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    encoder = load(folder)

    for texts in ([""], ["", "a", ""]):
        encoded = encoder.encode_counted(texts, "document")
        assert np.isfinite(encoded.embeddings.rows).all()
        assert encoded.tokens_used.tolist() == [len(text) for text in texts]


def test_bfloat16_is_near_float32(bge: DenseEncoder) -> None:
    texts = [*WORDS, "paper " * 20]
    bfloat16 = load(TINY / "bge", "bf16")

    assert (bge.precision, bfloat16.precision) == ("f32", "bf16")
    cosines = bge.encode(texts, "query").rows * bfloat16.encode(texts, "query").rows
    assert cosines.sum(axis=1).min() >= 0.99
