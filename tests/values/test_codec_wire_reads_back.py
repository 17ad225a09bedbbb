"""What goes out as JSON comes back the same: every form, lists and base64, one vector or many."""

import base64

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.values.strategies import ANY_VALUE, TAME_VALUE, embeddings, matrices, patient
from tests.values.test_codec_forms_are_exact import FORMS, same

from bindery.errors import InvalidValue
from bindery.vectors import CodedEmbeddings, Form, code, from_wire, to_wire
from bindery.vectors.embeddings import Embeddings


def sent(fields: dict[str, object]) -> dict[str, list]:
    """The fields as a client gets them."""
    return orjson.loads(orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY))


def read(answer: dict[str, list], coded: CodedEmbeddings) -> CodedEmbeddings:
    return from_wire(
        answer["embeddings"],
        coded.form,
        coded.dimensions,
        offsets=answer.get("offsets"),
        scales=answer.get("scales"),
    )


@patient
@given(rows=matrices(), form=FORMS, in_base64=st.booleans())
def test_one_vector_a_text(rows: np.ndarray, form: Form, in_base64: bool) -> None:
    coded = code(Embeddings.dense(rows), form)
    answer = sent(to_wire(coded, nested=False, base64=in_base64))

    assert len(answer["embeddings"]) == len(rows)
    assert set(answer) == {"embeddings"} | ({"scales"} if form is Form.INT8 else set())
    assert same(read(answer, coded), coded)


@patient
@given(value=embeddings(TAME_VALUE, most_rows=4), form=FORMS, in_base64=st.booleans())
def test_many_vectors_a_text(value: Embeddings, form: Form, in_base64: bool) -> None:
    coded = code(value, form)
    answer = sent(to_wire(coded, nested=True, base64=in_base64))

    assert len(answer["embeddings"]) == len(value)
    assert answer["offsets"] == value.offsets.tolist()
    assert same(read(answer, coded), coded)


@patient
@given(value=embeddings(ANY_VALUE), in_base64=st.booleans())
def test_float32_loses_no_bit(value: Embeddings, in_base64: bool) -> None:
    coded = code(value, Form.FLOAT32)
    answer = sent(to_wire(coded, nested=True, base64=in_base64))

    assert read(answer, coded).values.tobytes() == value.rows.astype("<f4").tobytes()


@patient
@given(rows=matrices(), form=FORMS, first=st.integers(0, 25))
def test_a_preview_of_one_vector_is_its_first_numbers(
    rows: np.ndarray, form: Form, first: int
) -> None:
    coded = code(Embeddings.dense(rows), form)
    whole = sent(to_wire(coded, nested=False))
    shown = sent(to_wire(coded, nested=False, first=first))
    packed = sent(to_wire(coded, nested=False, first=first, base64=True))

    assert shown["embeddings"] == [numbers[:first] for numbers in whole["embeddings"]]
    assert shown.get("scales") == whole.get("scales")
    for numbers, text in zip(shown["embeddings"], packed["embeddings"], strict=True):
        assert np.frombuffer(base64.b64decode(text), form.dtype).tolist() == pytest.approx(numbers)


@patient
@given(value=embeddings(most_rows=4), form=FORMS, first=st.integers(0, 5))
def test_a_preview_of_many_vectors_is_the_first_of_them(
    value: Embeddings, form: Form, first: int
) -> None:
    shorter = Embeddings.ragged([value[i][:first] for i in range(len(value))], value.width)
    expected = sent(to_wire(code(shorter, form), nested=True))

    assert sent(to_wire(code(value, form), nested=True, first=first)) == expected


def test_several_vectors_are_not_written_as_one() -> None:
    value = Embeddings(np.ones((2, 3), dtype=np.float32), np.array([0, 2, 2]))

    with pytest.raises(InvalidValue, match="not have exactly one vector"):
        to_wire(code(value, Form.FLOAT32), nested=False)


def test_a_late_texts_base64_is_its_vectors_one_after_the_other() -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    value = Embeddings(rows, np.array([0, 2, 2, 3]))

    answer = sent(to_wire(code(value, Form.FLOAT32), nested=True, base64=True))

    first, last = (base64.b64encode(part.tobytes()).decode() for part in (rows[:2], rows[2:]))
    assert answer == {"embeddings": [first, "", last], "offsets": [0, 2, 2, 3]}


EIGHT_BYTES = base64.b64encode(bytes(8)).decode()


@pytest.mark.parametrize(
    ("texts", "form", "width", "more"),
    [
        ([[1.0, 2.0], [1.0]], Form.FLOAT32, 2, {}),
        ([[1.0, 2.0, 3.0]], Form.FLOAT32, 2, {}),
        ([[[1.0, 2.0]]], Form.FLOAT32, 2, {}),
        ([[[1.0, 2.0], [1.0]]], Form.FLOAT32, 2, {"offsets": [0, 2]}),
        ([[1.0, 2.0]], Form.FLOAT32, 2, {"offsets": [0, 1]}),
        ([[[1.0, 2.0]]], Form.FLOAT32, 2, {"offsets": [0, 2]}),
        ([["a", "b"]], Form.FLOAT32, 2, {}),
        ([[None, 1.0]], Form.FLOAT32, 2, {}),
        ([[True, False]], Form.INT8, 2, {"scales": [1.0]}),
        ([{"a": 1}], Form.FLOAT32, 2, {}),
        ([7], Form.FLOAT32, 2, {}),
        ([[1.5, 2]], Form.INT8, 2, {"scales": [1.0]}),
        ([[128, 2]], Form.INT8, 2, {"scales": [1.0]}),
        ([[-1]], Form.UBINARY, 8, {}),
        ([[1, 2]], Form.INT8, 2, {}),
        ([[1, 2]], Form.INT8, 2, {"scales": [1.0, 1.0]}),
        ([[1, 2]], Form.INT8, 2, {"scales": ["x"]}),
        (["?"], Form.FLOAT32, 2, {}),
        ([EIGHT_BYTES], Form.FLOAT32, 3, {}),
        ([EIGHT_BYTES], Form.FLOAT32, 1, {}),
        ([EIGHT_BYTES], Form.FLOAT32, 1, {"offsets": [0, 1]}),
        ([EIGHT_BYTES[:-1]], Form.FLOAT32, 2, {}),
    ],
)
def test_what_does_not_fit_together_is_refused(
    texts: list, form: Form, width: int, more: dict
) -> None:
    with pytest.raises(InvalidValue):
        from_wire(texts, form, width, **more)
