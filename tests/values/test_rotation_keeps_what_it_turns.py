"""A rotation leaves dot products as they are and puts what matters first, whoever fits it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.values.strategies import patient

from bindery.errors import InvalidValue
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation, energy_of

seeds = st.integers(0, 2**32 - 1)


def unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-12)).astype(np.float32)


@st.composite
def samples(draw: st.DrawFn) -> Embeddings:
    """Vectors of length 1 with energy in some directions more than in others, none along an axis.

    Some are of low rank, some hold a row many times.
    """
    chance = np.random.default_rng(draw(seeds))
    width = draw(st.integers(1, 24))
    rows = chance.normal(size=(draw(st.integers(width, 4 * width)), width))
    rows *= chance.uniform(0, 1, size=width) ** draw(st.sampled_from([0, 1, 4]))
    rows[:, draw(st.integers(1, width)) :] = 0
    rows = rows @ np.linalg.qr(chance.normal(size=(width, width)))[0]
    if draw(st.booleans()):
        rows[len(rows) // 2 :] = rows[0]
    return Embeddings.dense(unit(rows))


def fit(sample: Embeddings) -> Rotation:
    return Rotation.fit(sample, model="vanilla", revision="1" * 40)


def ragged_like(width: int, seed: int) -> Embeddings:
    chance = np.random.default_rng(seed)
    texts = [unit(chance.normal(size=(count, width))) for count in (3, 0, 1, 5)]
    return Embeddings.ragged(texts, width)


@patient
@given(sample=samples(), seed=seeds)
def test_full_length_dot_products_stay(sample: Embeddings, seed: int) -> None:
    rotation = fit(sample)

    for embeddings in (sample, ragged_like(sample.width, seed)):
        turned = rotation.apply(embeddings)
        assert turned.offsets.tolist() == embeddings.offsets.tolist()
        before = embeddings.rows.astype(np.float64) @ embeddings.rows.T
        after = turned.rows.astype(np.float64) @ turned.rows.T
        assert np.abs(after - before).max(initial=0) <= 1e-5


@patient
@given(sample=samples())
def test_the_matrix_is_orthogonal(sample: Embeddings) -> None:
    matrix = fit(sample).matrix.astype(np.float64)

    assert np.abs(matrix.T @ matrix - np.eye(sample.width)).max() <= 1e-6
    assert np.abs(matrix @ matrix.T - np.eye(sample.width)).max() <= 1e-6


@patient
@given(sample=samples())
def test_energy_falls_and_is_that_of_the_turned_sample(sample: Embeddings) -> None:
    rotation = fit(sample)

    assert (np.diff(rotation.energy) <= 0).all()
    assert rotation.energy.sum() == pytest.approx(1)
    assert np.abs(energy_of(rotation.apply(sample)) - rotation.energy).max() <= 1e-5


@patient
@given(sample=samples(), seed=seeds)
def test_no_other_basis_keeps_more_in_any_number_of_dimensions(
    sample: Embeddings, seed: int
) -> None:
    other = np.linalg.qr(np.random.default_rng(seed).normal(size=(sample.width,) * 2))[0]
    kept = np.cumsum(fit(sample).energy)

    turned = Embeddings.dense((sample.rows @ other).astype(np.float32))
    for basis in (sample, turned):
        assert (np.cumsum(energy_of(basis)) <= kept + 1e-5).all()


@patient
@given(sample=samples(), seed=seeds)
def test_the_order_of_the_sample_does_not_matter(sample: Embeddings, seed: int) -> None:
    mixed = sample.rows[np.random.default_rng(seed).permutation(len(sample))]

    assert fit(Embeddings.dense(mixed)).digest == fit(sample).digest


def test_the_sign_of_a_dimension_is_not_left_to_chance() -> None:
    rows = unit(np.random.default_rng(0).normal(size=(200, 12)))
    matrix = fit(Embeddings.dense(rows)).matrix

    largest = matrix[np.abs(matrix).argmax(axis=0), np.arange(12)]
    assert (largest > 0).all()


def test_a_large_sample_is_taken_block_by_block() -> None:
    rows = unit(np.random.default_rng(0).normal(size=(9001, 6)) * [1, 5, 2, 4, 3, 6])
    eigenvalues = np.linalg.eigvalsh(rows.astype(np.float64).T @ rows)[::-1]

    assert np.abs(fit(Embeddings.dense(rows)).energy - eigenvalues / 9001).max() <= 1e-6


def test_the_mean_is_not_taken_away() -> None:
    """All vectors point nearly the same way: that way is the first dimension."""
    rows = np.random.default_rng(0).normal(size=(100, 8)) * 0.1 + [0, 0, 1, 0, 0, 1, 0, 0]
    rotation = fit(Embeddings.dense(unit(rows)))

    assert rotation.energy[0] > 0.9
    assert np.abs(rotation.matrix[:, 0] - unit(np.eye(8)[[2]] + np.eye(8)[[5]])[0]).max() < 0.1


def test_a_sample_that_says_too_little_is_refused() -> None:
    few = Embeddings.dense(unit(np.random.default_rng(0).normal(size=(7, 8))))
    with pytest.raises(InvalidValue, match="7 vectors are too few") as caught:
        fit(few)
    assert caught.value.param == "rotation"
    assert "at least 8" in caught.value.remedy
    with pytest.raises(InvalidValue, match="zero"):
        fit(Embeddings.dense(np.zeros((9, 8), np.float32)))


def test_vectors_of_another_width_or_model_are_refused() -> None:
    rotation = fit(Embeddings.dense(unit(np.random.default_rng(0).normal(size=(9, 8)))))

    with pytest.raises(InvalidValue, match="of 8 values, not of 4") as caught:
        rotation.apply(Embeddings.dense(np.ones((1, 4), np.float32)))
    assert caught.value.param == "rotation"
    rotation.check_model("vanilla", "1" * 40, 8)
    for model, revision, width in (
        ("gemma", "1" * 40, 8),
        ("vanilla", "2" * 40, 8),
        ("vanilla", "1" * 40, 4),
    ):
        with pytest.raises(InvalidValue, match="is for vectors of vanilla") as caught:
            rotation.check_model(model, revision, width)
        assert caught.value.param == "rotation"
        assert "rotate fit" in caught.value.remedy


def wrong_matrices() -> dict[str, np.ndarray]:
    eye = np.eye(4, dtype=np.float32)
    stretched, holed = eye.copy(), eye.copy()
    stretched[0, 0], holed[1, 1] = 1.0001, np.nan
    return {
        "stretched": stretched,
        "not a number": holed,
        "projection": eye * [1, 1, 1, 0],
        "not square": eye[:, :3],
        "float64": np.eye(4),
        "empty": eye[:0, :0],
    }


@pytest.mark.parametrize("name", wrong_matrices())
def test_a_matrix_that_does_not_rotate_cannot_be_one(name: str) -> None:
    matrix = wrong_matrices()[name]
    with pytest.raises(InvalidValue):
        Rotation(matrix, np.full(len(matrix), 1 / max(len(matrix), 1)), "m", "", 9)


@pytest.mark.parametrize(
    "energy", [[0.5, 0.5, 0.5], [0.2, 0.8, 0.0], [1.5, 0.0, -0.5], [np.nan, 0.5, 0.5], [1.0]]
)
def test_energy_that_is_none_is_refused(energy: list[float]) -> None:
    with pytest.raises(InvalidValue, match="energy"):
        Rotation(np.eye(3, dtype=np.float32), np.array(energy), "m", "", 9)


def test_the_digest_tells_every_part() -> None:
    eye, energy = np.eye(3, dtype=np.float32), np.array([0.5, 0.25, 0.25])
    rotations = [
        Rotation(eye, energy, "m", "r", 9),
        Rotation(-eye, energy, "m", "r", 9),
        Rotation(eye, np.array([0.5, 0.5, 0.0]), "m", "r", 9),
        Rotation(eye, energy, "n", "r", 9),
        Rotation(eye, energy, "m", "s", 9),
        Rotation(eye, energy, "mr", "", 9),
        Rotation(eye, energy, "m", "r", 8),
    ]

    assert len({rotation.digest for rotation in rotations}) == len(rotations)
    assert Rotation(eye.copy(), energy.copy(), "m", "r", 9).digest == rotations[0].digest


def test_arrays_cannot_be_written_to() -> None:
    rotation = Rotation(np.eye(2, dtype=np.float32), np.array([0.5, 0.5]), "m", "", 2)

    for array in (rotation.matrix, rotation.energy):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_energy_of_nothing_is_nothing() -> None:
    assert energy_of(Embeddings.ragged([], 3)).tolist() == [0, 0, 0]
    assert energy_of(Embeddings.dense(np.zeros((2, 3), np.float32))).tolist() == [0, 0, 0]
