"""Each form against its definition, and the way back from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.values.strategies import ANY_VALUE, TAME_VALUE, embeddings, patient

from bindery.errors import InvalidValue
from bindery.vectors import CodedEmbeddings, Form, code
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.forms import joined

FORMS = st.sampled_from(Form)
DTYPES = {
    Form.FLOAT32: "<f4",
    Form.FLOAT16: "<f2",
    Form.INT8: "int8",
    Form.BINARY: "int8",
    Form.UBINARY: "uint8",
}


def same(one: object, other: object) -> bool:
    """Whether two values of vectors are of one kind and hold the same arrays."""
    names = type(one).__slots__
    return type(one) is type(other) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in names
    )


@patient
@given(value=embeddings(TAME_VALUE), form=FORMS)
def test_a_form_is_little_endian_and_keeps_texts_and_width(value: Embeddings, form: Form) -> None:
    coded = code(value, form)

    assert coded.values.dtype == DTYPES[form] == form.dtype
    assert coded.values.shape == (len(value.rows), form.columns(value.width))
    assert np.array_equal(coded.offsets, value.offsets)
    assert (len(coded), coded.dimensions) == (len(value), value.width)
    assert not coded.values.flags.writeable


@patient
@given(value=embeddings(ANY_VALUE))
def test_float32_is_exact(value: Embeddings) -> None:
    assert same(code(value, Form.FLOAT32).decoded(), value)


@patient
@given(value=embeddings(TAME_VALUE))
def test_float16_is_the_nearest(value: Embeddings) -> None:
    half = code(value, Form.FLOAT16)

    assert np.array_equal(half.values, value.rows.astype(np.float16))
    # 11 significant bits: off by half of the last.
    assert (np.abs(half.decoded().rows - value.rows) <= np.abs(value.rows) * 2**-11).all()
    assert same(code(half.decoded(), Form.FLOAT16), half)


@patient
@given(value=embeddings(ANY_VALUE))
def test_int8_decodes_to_its_codes_times_its_scales(value: Embeddings) -> None:
    coded = code(value, Form.INT8)

    assert coded.scales is not None
    expected = coded.values.astype(np.float32) * coded.scales[:, None]
    assert same(coded.decoded(), Embeddings(expected, value.offsets))


@patient
@given(value=embeddings(ANY_VALUE))
def test_binary_is_ubinary_less_128_and_both_are_the_signs(value: Embeddings) -> None:
    signed, unsigned = code(value, Form.BINARY), code(value, Form.UBINARY)

    assert np.array_equal(signed.values.astype(int), unsigned.values.astype(int) - 128)
    signs = np.packbits(value.rows > 0, axis=1)
    assert np.array_equal(signed.bits, signs)
    assert np.array_equal(unsigned.bits, signs)
    for coded in (signed, unsigned):
        with pytest.raises(InvalidValue, match="Bits cannot be turned back"):
            coded.decoded()
    with pytest.raises(InvalidValue, match="int8 have no bits"):
        _ = code(value, Form.INT8).bits


def test_bytes_are_as_vendors_write_them() -> None:
    # 10 values: 10110000 and 11, padded with zeros.
    row = np.array([[0.5, -1, 2, 0.1, 0, -0.1, -3, -4, 5, 6]], dtype=np.float32)
    value = Embeddings.dense(row)

    assert code(value, Form.UBINARY).values.tolist() == [[0b10110000, 0b11000000]]
    assert code(value, Form.BINARY).values.tolist() == [[176 - 128, 192 - 128]]
    assert code(value, Form.INT8).values.tolist() == [[11, -21, 42, 2, 0, -2, -64, -85, 106, 127]]
    assert code(value, Form.FLOAT16).values[:, :2].tobytes() == bytes.fromhex("0038 00bc")
    assert code(value, Form.FLOAT32).values[:, :1].tobytes() == bytes.fromhex("0000003f")


@pytest.mark.parametrize("beyond", [65_520.0, -1e30])
def test_what_float16_cannot_hold_is_refused(beyond: float) -> None:
    rows = np.array([[1, 2], [beyond, 0]], dtype=np.float32)

    with pytest.raises(InvalidValue, match=r"Row 1 .* 65,504") as caught:
        code(Embeddings.dense(rows), Form.FLOAT16)
    assert "int8" in caught.value.remedy


@patient
@given(form=FORMS, data=st.data())
def test_joining_is_coding_what_is_joined(form: Form, data: st.DataObject) -> None:
    parts = [data.draw(embeddings(width=11)) for _ in range(data.draw(st.integers(0, 3)))]
    whole = Embeddings.ragged([part[i] for part in parts for i in range(len(part))], 11)

    found = joined([code(part, form) for part in parts], form, 11)

    assert same(found, code(whole, form))


VALUES = np.zeros((2, 16), dtype=np.int8)
OFFSETS = np.array([0, 1, 2])
SCALES = np.ones(2, dtype=np.float32)


@pytest.mark.parametrize(
    ("form", "dimensions", "values", "offsets", "scales", "said"),
    [
        (Form.INT8, 16, VALUES, OFFSETS, None, "Scales belong to int8"),
        (Form.BINARY, 128, VALUES, OFFSETS, SCALES, "Scales belong to int8"),
        (Form.INT8, 16, VALUES, OFFSETS, SCALES[:1], "need 2 float32 scales"),
        (Form.INT8, 15, VALUES, OFFSETS, SCALES, "15 numbers"),
        (Form.INT8, 16, VALUES.astype(np.int16), OFFSETS, SCALES, "int16"),
        (Form.UBINARY, 128, VALUES, OFFSETS, None, "uint8"),
        (Form.UBINARY, 120, VALUES.view(np.uint8), OFFSETS, None, "15 numbers"),
        (Form.INT8, 16, VALUES, np.array([0, 2, 1]), SCALES, "Offsets"),
        (Form.INT8, 8, VALUES[:, ::2], OFFSETS, SCALES, "C-contiguous"),
        (Form.INT8, 16, VALUES[0], OFFSETS, SCALES, "numbers"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    form: Form, dimensions: int, values: object, offsets: object, scales: object, said: str
) -> None:
    with pytest.raises(InvalidValue, match=said):
        CodedEmbeddings(form, dimensions, values, offsets, scales)


@pytest.mark.parametrize(
    ("form", "dimensions", "value", "scale"),
    [
        (Form.INT8, 1, np.int8(-128), 1.0),
        (Form.INT8, 1, np.int8(1), -1.0),
        (Form.INT8, 1, np.int8(1), 0.0),
        (Form.INT8, 1, np.int8(1), np.nan),
        (Form.UBINARY, 7, np.uint8(1), None),
        (Form.BINARY, 7, np.int8(-127), None),
        (Form.FLOAT32, 1, np.float32(np.nan), None),
        (Form.FLOAT16, 1, np.float16(np.inf), None),
    ],
)
def test_numbers_that_a_form_does_not_allow_are_refused(
    form: Form, dimensions: int, value: np.generic, scale: float | None
) -> None:
    scales = None if scale is None else np.array([scale], dtype=np.float32)
    with pytest.raises(InvalidValue):
        CodedEmbeddings(form, dimensions, np.array([[value]]), OFFSETS[:2], scales)
