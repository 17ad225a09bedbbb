"""An encoder over an engine of our own making, which gives what it is told to."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from tests.engines.checkpoints import TINY

from bindery.encoders.dense import DenseEncoder
from bindery.encoders.tokeniser import Tokeniser
from bindery.engines import Precision
from bindery.errors import EngineError
from bindery.models.layouts import Normalize, read_layout

LAYOUT = read_layout(TINY / "gte")
[[SPOILT]] = (text.ids[1:-1].tolist() for text in Tokeniser.of(LAYOUT).tokenise(["fragile"]))


@dataclass
class Counting:
    """Hidden states are the token ids; where the spoilt word stands, ``spoils`` happens."""

    spoils: float | EngineError = 0.0
    precision: Precision = Precision.FLOAT32
    streams: int = 1
    batch_tokens: int = 1024
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    closed: bool = False

    def hidden_states(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        assert (ids[mask == 0] == 0).all()
        self.shapes.append(ids.shape)
        hidden = np.repeat(ids[:, :, None].astype(np.float32), LAYOUT.card.dimensions, axis=2)
        if (ids == SPOILT).any():
            if isinstance(self.spoils, EngineError):
                raise self.spoils
            hidden[ids == SPOILT] = self.spoils
        return hidden

    def hidden_states_quickly(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return self.hidden_states(ids, mask)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engine() -> Counting:
    return Counting()


@pytest.fixture(params=[False, True], ids=["as it is", "normalised"])
def encoder(request: pytest.FixtureRequest, engine: Counting) -> Iterator[DenseEncoder]:
    steps = (Normalize(),) if request.param else ()
    encoder = DenseEncoder(replace(LAYOUT, steps=steps), engine)
    yield encoder
    encoder.close()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_names_its_text(
    encoder: DenseEncoder, engine: Counting, value: float
) -> None:
    engine.spoils = value

    for place, texts in ((0, ["fragile"]), (2, ["a", "on", "fragile", "fragile"])):
        with pytest.raises(EngineError, match=f"text {place} .*not finite") as caught:
            encoder.encode(texts, "document")
        assert "f32" in caught.value.remedy
    assert np.isfinite(encoder.encode(["a", "on"], "document").rows).all()


def test_a_failure_reaches_the_caller_and_the_next_call_works(
    encoder: DenseEncoder, engine: Counting
) -> None:
    engine.spoils = EngineError("out of memory")

    for texts in (["fragile"], ["a", "fragile"]):
        with pytest.raises(EngineError, match="out of memory"):
            encoder.encode(texts, "document")
    assert len(encoder.encode(["a", "on"], "document")) == 2


def test_texts_of_like_length_go_together_and_come_back_in_order(
    encoder: DenseEncoder, engine: Counting
) -> None:
    texts = ["paper " * 25, "a", "paper " * 26, "on", "the", "of"]

    rows = encoder.encode(texts, "document").rows

    assert sorted(engine.shapes) == [(2, 32), (4, 8)]
    alone = np.concatenate([encoder.encode([text], "document").rows for text in texts])
    assert np.abs(rows - alone).max() <= 1e-5


def test_closing_the_encoder_closes_the_engine(encoder: DenseEncoder, engine: Counting) -> None:
    encoder.close()

    assert engine.closed
