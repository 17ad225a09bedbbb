"""The same numbers whatever else goes on: other engines, other shapes, other threads, bf16."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino as ov
import pytest
from tests.engines.checkpoints import TINY

from bindery.engines import Precision
from bindery.engines.openvino import OpenVinoEngine
from bindery.errors import EngineError

Batch = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def engine() -> Iterator[OpenVinoEngine]:
    """Two streams and a quick path, whatever the machine has."""
    engine = OpenVinoEngine(TINY / "bge", precision=Precision.FLOAT32, threads=2)
    yield engine
    engine.close()


def batch(rng: np.random.Generator, texts: int, length: int) -> Batch:
    """Random tokens, each text of a length of its own, right-padded."""
    lengths = rng.integers(1, length + 1, texts)
    mask = (np.arange(length) < lengths[:, None]).astype(np.int32)
    return rng.integers(1, 190, (texts, length), dtype=np.int32) * mask, mask


def test_many_shapes_from_four_threads(engine: OpenVinoEngine) -> None:
    """Guards the copying on the way in and out: shared, results change under their caller."""
    rng = np.random.default_rng(0)
    shapes = [(int(rng.integers(1, 17)), int(rng.integers(1, 65))) for _ in range(40)]
    batches = [batch(rng, *shape) for shape in shapes]
    expected = [engine.hidden_states(*each).copy() for each in batches]
    order = rng.permutation(np.repeat(np.arange(len(batches)), 5))

    def off_by(number: int) -> float:
        way = engine.hidden_states_quickly if number % 2 else engine.hidden_states
        # Arrays of its own, gone right after the call, as an encoder's are.
        found = way(*(array.copy() for array in batches[number]))
        return float(np.abs(found - expected[number])[batches[number][1] > 0].max())

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(off_by, order.tolist())) <= 1e-5


def test_results_are_not_overwritten_by_later_calls(engine: OpenVinoEngine) -> None:
    rng = np.random.default_rng(1)
    shape = batch(rng, 3, 16)
    first = engine.hidden_states(*shape)
    kept = first.copy()

    for _ in range(8):
        engine.hidden_states(*batch(rng, 3, 16))

    assert (first == kept).all()
    assert first.shape == (3, 16, 32)
    assert first.dtype == np.float32


def test_padding_changes_nothing(engine: OpenVinoEngine) -> None:
    ids = np.array([[9, 20, 30, 10]], np.int32)
    wide = np.pad(ids, ((0, 0), (0, 12)))

    narrow = engine.hidden_states(ids, np.ones_like(ids))
    padded = engine.hidden_states(wide, (np.arange(16) < 4).astype(np.int32)[None])

    assert np.abs(padded[:, :4] - narrow).max() <= 1e-5
    assert np.isfinite(padded).all()


def test_two_engines_at_once_do_not_mix(engine: OpenVinoEngine) -> None:
    other = OpenVinoEngine(TINY / "gte", precision=Precision.FLOAT32, threads=1)
    rng = np.random.default_rng(2)
    batches = [batch(rng, 4, 24) for _ in range(6)]
    alone = [[one.hidden_states(*each) for each in batches] for one in (engine, other)]

    with ThreadPoolExecutor(4) as pool:
        calls = [
            [pool.submit(one.hidden_states, *each) for each in batches] for one in (engine, other)
        ]

    for expected, results in zip(alone, calls, strict=True):
        for rows, result in zip(expected, results, strict=True):
            assert np.abs(result.result() - rows).max() <= 1e-5
    assert np.abs(alone[0][0] - alone[1][0]).max() > 0.1
    other.close()


def test_auto_is_bfloat16_where_the_processor_has_it() -> None:
    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    expected = Precision.BFLOAT16 if "BF16" in capabilities else Precision.FLOAT32

    engine = OpenVinoEngine(TINY / "gte", threads=1)

    assert engine.precision is expected
    engine.close()


def test_a_chosen_precision_is_kept(engine: OpenVinoEngine) -> None:
    bfloat16 = OpenVinoEngine(TINY / "bge", precision=Precision.BFLOAT16, threads=1)
    assert (engine.precision, bfloat16.precision) == (Precision.FLOAT32, Precision.BFLOAT16)
    assert (engine.streams, bfloat16.streams) == (2, 1)
    bfloat16.close()


def test_a_closed_engine_says_so() -> None:
    engine = OpenVinoEngine(TINY / "gte", precision=Precision.FLOAT32, threads=2)
    one = np.ones((1, 8), np.int32)
    engine.hidden_states(one, one)

    engine.close()
    engine.close()

    for way in (engine.hidden_states, engine.hidden_states_quickly):
        for _ in range(3):
            with pytest.raises(EngineError, match="closed"):
                way(one, one)


def test_a_failure_of_the_runtime_is_an_engine_error(engine: OpenVinoEngine) -> None:
    wrong = np.ones((1, 8, 1), np.int32)

    with pytest.raises(EngineError, match=r"\(1, 8, 1\)"):
        engine.hidden_states(wrong, wrong)
    ones = np.ones((1, 8), np.int32)
    assert np.isfinite(engine.hidden_states(ones, ones)).all()
