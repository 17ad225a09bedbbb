"""What Embeddings are made of: every wrong state is refused, and what is taken stays as it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.values.strategies import ANY_VALUE, embeddings, matrices, patient

from bindery.errors import InvalidValue
from bindery.vectors import CodedEmbeddings, Form, code
from bindery.vectors.embeddings import Embeddings, Rows

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)
OFFSETS = np.array([0, 1, 3], dtype=np.int64)


@patient
@given(texts=st.lists(matrices(ANY_VALUE, width=3), max_size=5))
def test_texts_come_back_as_they_went_in(texts: list[Rows]) -> None:
    ragged = Embeddings.ragged(texts, 3)

    assert len(ragged) == len(texts)
    assert ragged.width == 3
    assert ragged.rows.shape == (sum(map(len, texts)), 3)
    for place, rows in enumerate(texts):
        assert (ragged[place] == rows).all()
        assert (ragged[place - len(texts)] == rows).all()
    assert ragged.is_dense == all(len(rows) == 1 for rows in texts)


@patient
@given(rows=matrices(ANY_VALUE))
def test_dense_is_one_row_per_text(rows: Rows) -> None:
    dense = Embeddings.dense(rows)

    assert dense.is_dense
    assert len(dense) == len(rows)
    assert dense.width == rows.shape[1]
    assert dense.offsets.tolist() == list(range(len(rows) + 1))
    assert all((dense[place] == rows[place : place + 1]).all() for place in range(len(rows)))


def test_as_many_rows_as_texts_is_not_yet_dense() -> None:
    assert not Embeddings(ROWS, np.array([0, 0, 2, 3], dtype=np.int64)).is_dense


def test_no_text_at_all_keeps_its_width() -> None:
    for empty in (Embeddings.dense(np.zeros((0, 7), np.float32)), Embeddings.ragged([], 7)):
        assert (len(empty), empty.width, empty.is_dense) == (0, 7, True)
        assert empty.offsets.tolist() == [0]
        assert empty.normalised().cut(3).width == 3
        assert len(code(empty, Form.INT8).decoded()) == len(code(empty, Form.BINARY)) == 0
        assert np.asarray(empty).shape == (0, 7)


def test_no_text_lies_beyond_the_ends() -> None:
    value = Embeddings(ROWS, OFFSETS)

    for place in (2, -3, 100):
        with pytest.raises(IndexError, match=f"text {place} of 2"):
            value[place]


@patient
@given(value=embeddings())
def test_a_text_is_a_view_and_nothing_can_be_written(value: Embeddings) -> None:
    arrays = [value.rows, value.offsets, *(value[place] for place in range(len(value)))]

    assert not any(array.flags.writeable for array in arrays)
    assert all(np.shares_memory(value[i], value.rows) for i in range(len(value)) if len(value[i]))
    assert value.rows.flags.c_contiguous


def test_the_callers_own_arrays_stay_writeable() -> None:
    rows, offsets = ROWS.copy(), OFFSETS.copy()
    value = Embeddings(rows, offsets)
    codes, scales = np.zeros((3, 2), np.int8), np.ones(3, np.float32)
    quantised = CodedEmbeddings(Form.INT8, 2, codes, offsets, scales)
    bits = np.zeros((3, 1), np.uint8)
    packed = CodedEmbeddings(Form.UBINARY, 2, bits, offsets)

    assert all(array.flags.writeable for array in (rows, offsets, codes, scales, bits))
    frozen = (value.rows, quantised.values, quantised.scales, packed.values, packed.offsets)
    assert not any(array.flags.writeable for array in frozen)


def test_an_array_is_the_rows_of_texts_that_have_one_each() -> None:
    dense = Embeddings.dense(ROWS)

    assert np.array_equal(np.asarray(dense), ROWS)
    assert np.shares_memory(np.asarray(dense), dense.rows)
    assert np.array(dense, dtype=np.float64).dtype == np.float64
    np.array(dense)[0] = 9  # a copy may be written to
    assert np.array_equal(dense.rows, ROWS)
    with pytest.raises(InvalidValue, match="several vectors each") as caught:
        np.asarray(Embeddings(ROWS, OFFSETS))
    assert ".offsets" in caught.value.remedy


def test_values_are_shown_on_a_line() -> None:
    assert repr(Embeddings.dense(ROWS)) == "Embeddings(3 texts, 2 dimensions)"
    assert repr(Embeddings(ROWS, OFFSETS)) == "Embeddings(2 texts, 3 rows, 2 dimensions)"
    coded = code(Embeddings.dense(ROWS), Form.INT8)
    assert repr(coded) == "CodedEmbeddings(int8, 3 texts, 2 dimensions)"


def test_strided_rows_are_copied_into_order() -> None:
    wide = np.arange(12, dtype=np.float32).reshape(2, 6)

    assert Embeddings.dense(wide[:, ::2]).rows.tolist() == [[0, 2, 4], [6, 8, 10]]


WRONG_ROWS = {
    "float64": ROWS.astype(np.float64),
    "float16": ROWS.astype(np.float16),
    "the other byte order": ROWS.astype(">f4"),
    "integers": ROWS.astype(np.int32),
    "one dimension": ROWS.ravel(),
    "three dimensions": ROWS[None],
    "Fortran order": np.asfortranarray(ROWS),
    "strided": np.zeros((3, 4), np.float32)[:, ::2],
}


@pytest.mark.parametrize("rows", WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_rows_are_a_float32_matrix_in_order(rows: np.ndarray) -> None:
    with pytest.raises(InvalidValue, match="C-contiguous float32 matrix"):
        Embeddings(rows, OFFSETS)


WRONG_OFFSETS = {
    "int32": OFFSETS.astype(np.int32),
    "floats": OFFSETS.astype(np.float64),
    "a matrix": OFFSETS[None],
    "a scalar": np.array(0, dtype=np.int64),
    "nothing": OFFSETS[:0],
    "not from 0": np.array([1, 3], dtype=np.int64),
    "negative": np.array([-1, 3], dtype=np.int64),
    "short of the end": np.array([0, 2], dtype=np.int64),
    "past the end": np.array([0, 4], dtype=np.int64),
    "falling": np.array([0, 2, 1, 3], dtype=np.int64),
    "out and back": np.array([0, 9, 3], dtype=np.int64),
    "below 0 and back": np.array([0, -1, 3], dtype=np.int64),
}


@pytest.mark.parametrize("offsets", WRONG_OFFSETS.values(), ids=WRONG_OFFSETS)
def test_offsets_run_from_0_to_the_rows(offsets: np.ndarray) -> None:
    with pytest.raises(InvalidValue, match="Offsets"):
        Embeddings(ROWS, offsets)
    with pytest.raises(InvalidValue, match="Offsets"):
        CodedEmbeddings(Form.INT8, 2, np.zeros((3, 2), np.int8), offsets, np.ones(3, np.float32))
    with pytest.raises(InvalidValue, match="Offsets"):
        CodedEmbeddings(Form.UBINARY, 2, np.zeros((3, 1), np.uint8), offsets)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 1), (2, 0)])
def test_every_value_is_finite(value: float, place: tuple[int, int]) -> None:
    rows = ROWS.copy()
    rows[place] = value

    with pytest.raises(InvalidValue, match=f"Row {place[0]} "):
        Embeddings.dense(rows)


@pytest.mark.parametrize("shape", [(2,), (2, 3), (1, 2, 2)])
def test_ragged_texts_are_all_of_one_width(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValue, match="Text 1 has shape"):
        Embeddings.ragged([ROWS, np.zeros(shape, np.float32)], 2)


WRONG_CODES = {
    "codes of another type": (np.zeros((2, 2), np.int16), np.ones(2, np.float32)),
    "codes in a row": (np.zeros(2, np.int8), np.ones(2, np.float32)),
    "a code of -128": (np.array([[0, 0], [0, -128]], np.int8), np.ones(2, np.float32)),
    "too few scales": (np.zeros((2, 2), np.int8), np.ones(1, np.float32)),
    "scales of another type": (np.zeros((2, 2), np.int8), np.ones(2)),
    "a scale of 0": (np.zeros((2, 2), np.int8), np.array([1, 0], np.float32)),
    "a negative scale": (np.zeros((2, 2), np.int8), np.array([1, -1], np.float32)),
    "a scale that is infinite": (np.zeros((2, 2), np.int8), np.array([1, np.inf], np.float32)),
    "a scale that is no number": (np.zeros((2, 2), np.int8), np.array([1, np.nan], np.float32)),
}


@pytest.mark.parametrize(("codes", "scales"), WRONG_CODES.values(), ids=WRONG_CODES)
def test_wrong_int8_values_cannot_be_built(codes: np.ndarray, scales: np.ndarray) -> None:
    with pytest.raises(InvalidValue):
        CodedEmbeddings(Form.INT8, 2, codes, np.arange(3, dtype=np.int64), scales)


WRONG_BITS = {
    "bits of another type": (np.zeros((2, 1), np.int8), 8),
    "bits in a row": (np.zeros(2, np.uint8), 8),
    "too few bytes": (np.zeros((2, 1), np.uint8), 9),
    "too many bytes": (np.zeros((2, 2), np.uint8), 8),
    "a bit in the padding": (np.array([[0], [1]], np.uint8), 7),
    "a negative width": (np.zeros((2, 0), np.uint8), -3),
}


@pytest.mark.parametrize(("bits", "width"), WRONG_BITS.values(), ids=WRONG_BITS)
def test_wrong_binary_values_cannot_be_built(bits: np.ndarray, width: int) -> None:
    with pytest.raises(InvalidValue):
        CodedEmbeddings(Form.UBINARY, width, bits, np.arange(3, dtype=np.int64))
