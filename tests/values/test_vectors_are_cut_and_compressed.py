"""Cutting, normalising, quantising and packing, against their definitions in float64."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.values.strategies import ANY_VALUE, LARGEST, TAME_VALUE, embeddings, patient

from bindery.errors import InvalidValue
from bindery.vectors import Form, code
from bindery.vectors.embeddings import Embeddings

# Rows have at most 20 values, so float32 is off by some units in its last place (1.2e-7).
CLOSE = 2e-6


def exact_unit(rows: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(length > 0, length, 1)


@patient
@given(value=embeddings(ANY_VALUE))
def test_normalised_rows_have_length_1_or_0_and_their_direction(value: Embeddings) -> None:
    found = value.normalised()

    assert np.abs(found.rows - exact_unit(value.rows)).max(initial=0) <= CLOSE
    lengths = np.linalg.norm(found.rows.astype(np.float64), axis=1)
    assert np.abs(lengths - value.rows.any(axis=1)).max(initial=0) <= CLOSE
    assert (found.offsets == value.offsets).all()


@patient
@given(value=embeddings(ANY_VALUE))
def test_normalising_twice_changes_nothing_more(value: Embeddings) -> None:
    once = value.normalised()

    assert np.abs(once.normalised().rows - once.rows).max(initial=0) <= CLOSE


@pytest.mark.parametrize("scale", [1e-45, 1e-38, 1e-20, 1.0, 1e20, 1e38, LARGEST])
def test_tiny_and_huge_rows_are_normalised_too(scale: float) -> None:
    rows = np.array([[scale, 0], [-scale, 0], [0, 0], [scale, scale]], dtype=np.float32)
    half = 0.5**0.5

    found = Embeddings.dense(rows).normalised().rows

    assert np.abs(found - [[1, 0], [-1, 0], [0, 0], [half, half]]).max() <= CLOSE


@patient
@given(value=embeddings(ANY_VALUE), data=st.data())
def test_a_cut_row_is_its_prefix_at_length_1(value: Embeddings, data: st.DataObject) -> None:
    dimensions = data.draw(st.integers(1, value.width))

    found = value.cut(dimensions)

    assert found.rows.shape == (len(value.rows), dimensions)
    assert (found.offsets == value.offsets).all()
    assert np.abs(found.rows - exact_unit(value.rows[:, :dimensions])).max(initial=0) <= CLOSE


@patient
@given(value=embeddings(), data=st.data())
def test_cutting_in_steps_is_cutting_at_once(value: Embeddings, data: st.DataObject) -> None:
    longer = data.draw(st.integers(1, value.width))
    shorter = data.draw(st.integers(1, longer))

    in_steps = value.cut(longer).cut(shorter).rows

    assert np.abs(in_steps - value.cut(shorter).rows).max(initial=0) <= CLOSE


@patient
@given(value=embeddings(ANY_VALUE))
def test_cutting_to_the_full_width_normalises(value: Embeddings) -> None:
    assert (value.cut(value.width).rows == value.normalised().rows).all()


@patient
@given(value=embeddings(), beyond=st.integers(0, 100), below=st.integers(-100, 0))
def test_no_cut_outside_the_width(value: Embeddings, beyond: int, below: int) -> None:
    for dimensions in (value.width + 1 + beyond, below):
        with pytest.raises(InvalidValue, match=f"cannot be cut to {dimensions}") as caught:
            value.cut(dimensions)
        assert caught.value.param == "dimensions"
        assert str(value.width) in caught.value.remedy


@patient
@given(value=embeddings(ANY_VALUE))
def test_quantising_is_off_by_at_most_half_a_scale(value: Embeddings) -> None:
    quantised = code(value, Form.INT8)
    restored = quantised.decoded()

    assert restored.rows.shape == value.rows.shape
    assert (restored.offsets == value.offsets).all()
    assert np.abs(quantised.values.astype(int)).max(initial=0) <= 127
    off = np.abs(restored.rows.astype(np.float64) - value.rows)
    # Beside the half scale, scale and product are each rounded to float32 once.
    rounding = np.abs(value.rows.astype(np.float64)) * 2**-22
    assert (off <= quantised.scales[:, None].astype(np.float64) / 2 + rounding).all()


@patient
@given(value=embeddings(TAME_VALUE))
def test_quantising_uses_the_whole_range_and_keeps_zeros(value: Embeddings) -> None:
    quantised = code(value, Form.INT8)
    largest = np.abs(quantised.values.astype(int)).max(axis=1, initial=0)

    assert (largest == np.where(value.rows.any(axis=1), 127, 0)).all()
    assert not quantised.values[value.rows == 0].any()
    assert not quantised.decoded().rows[value.rows == 0].any()


@patient
@given(value=embeddings(TAME_VALUE))
def test_quantising_what_was_restored_changes_nothing_more(value: Embeddings) -> None:
    once = code(value, Form.INT8)

    assert (code(once.decoded(), Form.INT8).values == once.values).all()


@patient
@given(value=embeddings(ANY_VALUE))
def test_bits_are_the_signs_and_padding_is_0(value: Embeddings) -> None:
    packed = code(value, Form.UBINARY)

    assert packed.bits.shape == (len(value.rows), (value.width + 7) // 8)
    for bits, row in zip(packed.bits, value.rows, strict=True):
        written = "".join(f"{byte:08b}" for byte in bits)
        expected = "".join("1" if one > 0 else "0" for one in row)
        assert written == expected.ljust(len(written), "0")
    assert packed.dimensions == value.width
    assert len(packed) == len(value)
    assert packed.is_dense == value.is_dense


def test_the_first_value_is_the_highest_bit() -> None:
    row = np.array([[1, -1, 1, 0, -0.0, 1e-45, -2, 3, 5]], dtype=np.float32)

    assert code(Embeddings.dense(row), Form.UBINARY).bits.tolist() == [[0b10100101, 0b10000000]]


@patient
@given(value=embeddings())
def test_other_values_keep_the_texts(value: Embeddings) -> None:
    assume(len(value))

    assert all(len(code(value, form)) == len(value) for form in Form)
    assert len(value.normalised()) == len(value)
