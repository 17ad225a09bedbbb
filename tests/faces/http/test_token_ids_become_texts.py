"""Token ids as input: OpenAI's by default, the model's own, or none; never another text."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from bindery.faces.http.app import create_app
from bindery.faces.http.dialects import token_ids
from bindery.faces.http.dialects.token_ids import decode_cl100k
from bindery.library import Library
from bindery.options import ModelOptions

from .conftest import ADDRESS

GOLDEN = Path(__file__).parents[2] / "golden" / "cl100k.json"
TEXTS = json.loads(GOLDEN.read_text(encoding="utf-8"))["texts"]
MODELS_TEXT = "Bound, it has a place on a shelf: don't lose 3.14 well-kept books!"

Serve = Callable[[str], TestClient]


@pytest.fixture(scope="module")
def serve(home, settings) -> Iterator[Serve]:
    """A server with the setting token_input."""
    clients: dict[str, TestClient] = {}

    def serve(token_input: str) -> TestClient:
        if token_input not in clients:
            app = create_app(
                Library(home, ModelOptions(precision="f32")),
                replace(settings, token_input=token_input),
            )
            clients[token_input] = TestClient(app, base_url=ADDRESS).__enter__()
        return clients[token_input]

    yield serve
    for client in clients.values():
        client.__exit__(None, None, None)


def rows(client: TestClient, given: object, path: str = "/v1/embeddings") -> np.ndarray:
    field = "inputs" if path == "/embed" else "input"
    answer = client.post(path, json={"model": "vanilla", field: given})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return np.float32(found if path == "/embed" else [one["embedding"] for one in found["data"]])


@pytest.mark.parametrize("name", TEXTS)
def test_ids_are_decoded_as_tiktoken_does(name):
    text, ids = TEXTS[name]["text"], TEXTS[name]["ids"]
    assert decode_cl100k(ids) == (text, 0)


@given(name=st.sampled_from(sorted(TEXTS)), data=st.data())
def test_wherever_a_text_is_cut_only_the_character_cut_through_is_left_out(name, data):
    text, ids = TEXTS[name]["text"], TEXTS[name]["ids"]
    place = data.draw(st.integers(0, len(ids)))
    (before, first_cut), (after, last_cut) = (
        decode_cl100k(ids[:place]),
        decode_cl100k(ids[place:]),
    )
    assert text.startswith(before)
    assert text.endswith(after)
    lost = len(text) - len(before) - len(after)
    assert lost == max(first_cut, last_cut) <= 1


def test_a_cut_through_a_character_is_told(client):
    ids = TEXTS["emoji"]["ids"]
    cut = next(n for n in range(1, len(ids)) if decode_cl100k(ids[:n])[1])
    text = decode_cl100k(ids[:cut])[0]
    body = {"model": "vanilla", "input": [ids[:cut], [15339]]}
    answer = client.post("/v1/embeddings", json=body)
    assert answer.headers["x-bindery-cut-characters"] == "1"
    found = np.float32([one["embedding"] for one in answer.json()["data"]])
    assert (found == rows(client, [text, "hello"])).all()
    whole = client.post("/v1/embeddings", json={"model": "vanilla", "input": [ids]})
    assert "x-bindery-cut-characters" not in whole.headers


def test_openais_ids_give_the_vectors_of_their_text(serve):
    client = serve("cl100k")
    texts = [one["text"] for one in TEXTS.values()]
    arrays = [one["ids"] for one in TEXTS.values()]
    expected = rows(client, texts)
    assert (rows(client, arrays) == expected).all()
    assert (rows(client, arrays[1]) == expected[1:2]).all()


def test_the_models_own_ids_give_the_vectors_of_their_text(serve, library):
    tokeniser = library.measure("vanilla").tokeniser
    bare = tokeniser.text_ids(MODELS_TEXT)
    whole = [piece.id for some in tokeniser.pieces(MODELS_TEXT) for piece in some]
    assert len(whole) == len(bare) + 2
    expected = rows(serve("model"), MODELS_TEXT)
    for ids in (bare, whole, [bare], [whole]):
        assert (rows(serve("model"), ids) == expected).all()
        # In the dialect of a server with one model, ids are that model's, whatever the setting is.
        assert (rows(serve("cl100k"), ids, "/embed") == expected).all()


@pytest.mark.parametrize(
    ("token_input", "ids", "why"),
    [
        ("cl100k", [100_256], "100256 is not a token id"),
        ("cl100k", [-1], "-1 is not a token id"),
        ("cl100k", [100_277], "100277 is not a token id"),
        ("cl100k", [2**63], "is not a token id"),
        # A continuation byte between two characters.
        ("cl100k", [64, 222, 64], "not UTF-8"),
        ("model", [2**40], "no token with the id"),
        ("model", [30_522], "no token with the id"),
        # [UNK] stands for any word, and the ids of "##less" alone for no text.
        ("model", [100], "not what the model's tokeniser makes"),
        ("model", [3238], "not what the model's tokeniser makes"),
        ("reject", [15339], "does not accept"),
    ],
)
def test_ids_of_no_text_are_refused(serve, token_input, ids, why):
    if token_input == "cl100k" and len(ids) == 3:
        assert token_ids._table()[222] == b"\x80"  # what the case is about
    for given_ids in (ids, [[1, 2], ids] if token_input == "cl100k" else [ids]):
        body = {"model": "vanilla", "input": given_ids}
        answer = serve(token_input).post("/v1/embeddings", json=body)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("invalid_value", "input")
        assert why in error["message"]
