"""Every form, length, rotation and encoding, on both routes: the library's own vectors."""

from base64 import b64decode
from collections.abc import Callable

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.values.test_codec_forms_are_exact import same

from bindery.encoders.pending import Cancellation
from bindery.errors import InvalidValue
from bindery.faces.http.calls import ApiCall, answer_headers
from bindery.faces.http.dialects.vectors import known
from bindery.faces.http.examples import ROTATION
from bindery.faces.http.observing.timings import RequestTimings
from bindery.library import Library
from bindery.options import VectorOptions
from bindery.vectors import CodedEmbeddings, Form, code, from_wire

TEXTS = ["Loose paper is lost.", "", "装丁 🙂 ـكتاب"]

Ask = Callable[..., dict]


def ours(client: TestClient, texts: list[str], model: str = "vanilla", **body: object) -> dict:
    answer = client.post(f"/embedding/{model}/generate", json={"chunks": texts, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def openais(client: TestClient, texts: list[str], model: str = "vanilla", **body: object) -> dict:
    answer = client.post("/v1/embeddings", json={"model": model, "input": texts, **body})
    assert answer.status_code == 200, answer.text
    fields = answer.json()
    assert [row["index"] for row in fields["data"]] == list(range(len(texts)))
    return fields | {"embeddings": [row["embedding"] for row in fields["data"]]}


def read(answer: dict) -> CodedEmbeddings:
    """The vectors that a client reads, using only the answer itself."""
    return from_wire(
        answer["embeddings"],
        Form(answer["output_dtype"]),
        answer["dimensions"],
        offsets=answer.get("offsets"),
        scales=answer.get("scales"),
    )


@pytest.mark.parametrize("ask", [ours, openais])
@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("form", Form)
def test_the_answer_says_all_that_is_needed_to_read_it(
    client: TestClient, library: Library, ask: Ask, encoding: str, form: Form
):
    answer = ask(client, TEXTS, output_dtype=form, encoding_format=encoding)

    _, encoded = library.embed("vanilla", TEXTS)
    assert same(read(answer), code(encoded.embeddings, form))
    assert ("scales" in answer) == (form is Form.INT8)
    assert "offsets" not in answer
    facts = {name: answer[name] for name in ("dimensions", "output_dtype", "rotation", "precision")}
    assert facts == {
        "dimensions": 384, "output_dtype": form, "rotation": None, "precision": "f32"
    }  # fmt: skip
    assert len(answer["revision"]) == 40


@pytest.mark.parametrize("ask", [ours, openais])
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_unsigned_bytes_count_from_0(client, library, ask, encoding):
    signed = ask(client, TEXTS, output_dtype="int8")
    answer = ask(client, TEXTS, output_dtype="uint8", encoding_format=encoding)
    rows = answer["embeddings"]
    if encoding == "base64":
        rows = [list(b64decode(row)) for row in rows]
    assert rows == [[value + 128 for value in row] for row in signed["embeddings"]]
    assert (answer["output_dtype"], answer["scales"]) == ("uint8", signed["scales"])


def test_float_is_float32(client):
    assert ours(client, TEXTS, output_dtype="float") == ours(client, TEXTS)


@pytest.mark.parametrize("ask", [ours, openais])
def test_other_lengths_need_a_word(client, library, ask):
    answer = ask(client, TEXTS, dimensions=100, any_dimensions=True, output_dtype="ubinary")

    expected = library.encoder("vanilla").encode(TEXTS, "document").cut(100)
    assert answer["dimensions"] == 100
    assert same(read(answer), code(expected, Form.UBINARY))


@pytest.mark.parametrize("dimensions", [-1, 0, 385, 10**12])
@pytest.mark.parametrize(
    ("wish", "remedy"),
    [
        ({}, 'Allowed: 384. Or send "any_dimensions": true to allow any shorter length.'),
        ({"any_dimensions": True}, "Choose 1 to 384."),
        ({"rotation": ROTATION}, "Choose 1 to 384."),
    ],
)
def test_a_length_that_cannot_be_is_told_those_that_can(client, dimensions, wish, remedy):
    body = {"chunks": TEXTS, "dimensions": dimensions, **wish}
    answer = client.post("/embedding/vanilla/generate", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["remedy"]) == (400, "dimensions", remedy)


@pytest.mark.usefixtures("client")  # which keeps the rotation
def test_a_length_is_refused_before_a_text_is_looked_at(library):
    with pytest.raises(InvalidValue) as caught:
        library.embed("vanilla", [7], VectorOptions(rotation=ROTATION, dimensions=385))
    assert caught.value.param == "dimensions"


@pytest.mark.parametrize("ask", [ours, openais])
def test_vectors_are_turned_and_then_cut(client, library, ask):
    answer = ask(client, TEXTS, rotation=ROTATION, dimensions=96)

    rotation = library.rotations.get(ROTATION)
    expected = rotation.apply(library.encoder("vanilla").encode(TEXTS, "document")).cut(96)
    assert (answer["rotation"], answer["dimensions"]) == (ROTATION, 96)
    assert np.abs(read(answer).values - expected.rows).max() < 1e-6


@pytest.mark.parametrize("name", [None, ROTATION])
def test_queries_and_documents_are_turned_alike(client, library, name):
    """Full-length dot products stay the same, which requires that both sides are rotated."""
    body = {} if name is None else {"rotation": name}
    queries, documents = (
        read(ours(client, TEXTS, role=role, **body)).values for role in ("query", "document")
    )

    encoder = library.encoder("vanilla")
    expected = encoder.encode(TEXTS, "query").rows @ encoder.encode(TEXTS, "document").rows.T
    assert np.abs(queries @ documents.T - expected).max() <= 1e-5


@pytest.mark.parametrize("form", [Form.FLOAT32, Form.INT8, Form.BINARY])
def test_a_preview_shows_the_first_numbers_and_changes_nothing_else(client, form):
    body = {"chunks": TEXTS, "output_dtype": form}
    whole = client.post("/embedding/vanilla/generate", json=body).json()
    shown = client.post("/embedding/vanilla/generate?preview=5", json=body).json()
    assert [row[:5] for row in whole["embeddings"]] == shown["embeddings"]
    assert {**whole, "embeddings": None} == {**shown, "embeddings": None}


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"output_dtype": "int4"}, 400, "invalid_value", "output_dtype"),
        ({"output_dtype": 8}, 400, "invalid_value", "output_dtype"),
        ({"any_dimensions": "yes"}, 400, "invalid_value", "any_dimensions"),
        ({"any_dimensions": True, "dimensions": 385}, 400, "invalid_value", "dimensions"),
        ({"rotation": 7}, 400, "invalid_value", "rotation"),
        ({"rotation": "nowhere"}, 404, "unknown_rotation", "rotation"),
        ({"rotation": "../papers"}, 404, "unknown_rotation", "rotation"),
        ({"rotation": ROTATION, "dimensions": 385}, 400, "invalid_value", "dimensions"),
        ({"titles": "On paper"}, 400, "invalid_value", "titles"),
        ({"titles": ["On paper"] * 2}, 400, "invalid_value", "titles"),
        ({"titles": ["On paper", None, 7]}, 400, "invalid_value", "titles"),
        ({"titles": ["On paper", None, None]}, 400, "invalid_value", "titles"),
    ],
)
def test_a_field_at_fault_is_named(client, body, status, code, param):
    for path, rest in (
        ("/embedding/vanilla/generate", {"chunks": TEXTS}),
        ("/v1/embeddings", {"model": "vanilla", "input": TEXTS}),
    ):
        answer = client.post(path, json=rest | body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (status, code, param), path


def test_nulls_are_absent(client):
    nulls = dict.fromkeys(("output_dtype", "any_dimensions", "rotation", "titles"))
    assert ours(client, TEXTS, **nulls) == ours(client, TEXTS)
    assert ours(client, TEXTS, titles=[None] * 3) == ours(client, TEXTS)
    chunks = [{"text": text, "title": None} for text in TEXTS]
    assert ours(client, chunks) == ours(client, TEXTS)


def test_titles_come_in_one_place(client):
    chunks = [{"text": "x", "title": "On paper"}]
    body = {"chunks": chunks, "titles": ["On shelves"]}
    error = client.post("/embedding/vanilla/generate", json=body).json()["error"]
    assert (error["param"], error["remedy"]) == ("titles", "Leave one of them out.")
    # The one title reaches the model, which refuses titles.
    error = client.post("/embedding/vanilla/generate", json={"chunks": chunks}).json()["error"]
    assert error["param"] == "titles"
    assert "vanilla" in error["message"]


def test_counts_that_nobody_knows_are_null(client):
    counts = np.array([3, -1])
    assert known(counts) == [3, None]
    assert known(np.array([3, 0])).tolist() == [3, 0]
    call = ApiCall(client.app.state.services, b"", {}, Cancellation(), "", RequestTimings())
    assert answer_headers(call, -1, counts) == {}
    assert answer_headers(call, 9, counts) == {"x-bindery-tokens": "9"}
    told = {"x-bindery-tokens": "9", "x-bindery-truncated-tokens": "7"}
    assert answer_headers(call, 9, np.array([3, 4])) == told
