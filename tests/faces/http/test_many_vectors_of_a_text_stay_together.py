"""Late interaction on the wire: ragged answers, previews and ranks by MaxSim."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.values.test_codec_forms_are_exact import same

from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.models.card import CatalogEntry, Release
from bindery.models.layouts import read_layout
from bindery.models.sources import FolderSource
from bindery.options import ModelOptions
from bindery.settings import Settings
from bindery.vectors import Form, code
from bindery.vectors.scoring import maxsim

from .conftest import ADDRESS
from .test_vectors_come_in_every_form import openais, ours, read

SOURCE = Path(__file__).parents[2] / "golden" / "late" / "stanford"
MODEL = "tiny-late"
TEXTS = ["paper is kept on a shelf", "", "a code", "..."]


def entry() -> CatalogEntry:
    """A row of the catalog for the tiny checkpoint."""
    revision = "0123456789abcdef0123456789abcdef01234567"
    card = replace(read_layout(SOURCE).card, id=MODEL, repository="no/body", revision=revision)
    files = sorted(str(p.relative_to(SOURCE)) for p in SOURCE.rglob("*") if p.is_file())
    return CatalogEntry(card, Release("no/body", revision, dict.fromkeys(files)))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(
        tmp_path_factory.mktemp("home"),
        ModelOptions(precision="f32", threads=1),
        catalog={MODEL: entry()},
    )
    [outcome] = library.preload([MODEL], [FolderSource(SOURCE)], progress=lambda *_: None)
    assert outcome.error is None
    return library


@pytest.fixture(scope="module")
def client(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(home=tmp_path_factory.mktemp("unused"), precision="f32")
    with TestClient(create_app(library, settings), base_url=ADDRESS) as client:
        yield client


@pytest.mark.parametrize("ask", [ours, openais])
@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("form", Form)
def test_every_form_comes_with_offsets(client, library, ask, encoding, form):
    answer = ask(client, TEXTS, MODEL, output_dtype=form, encoding_format=encoding)

    _, encoded = library.embed(MODEL, TEXTS)
    assert same(read(answer), code(encoded.embeddings, form))
    assert answer["offsets"] == encoded.embeddings.offsets.tolist()
    assert len(answer["embeddings"]) == len(TEXTS)
    assert len(answer.get("scales", [])) == (answer["offsets"][-1] if form is Form.INT8 else 0)


def test_a_preview_shows_the_first_vectors(client):
    whole = ours(client, TEXTS, MODEL)
    shown = client.post(f"/embedding/{MODEL}/generate?preview=2", json={"chunks": TEXTS}).json()
    assert shown["embeddings"] == [vectors[:2] for vectors in whole["embeddings"]]
    assert shown["offsets"] == [0, 2, 4, 6, 8]
    assert shown["tokens_used"] == whole["tokens_used"]


def test_documents_are_ordered_by_maxsim(client, library):
    body = {"model": MODEL, "query": "a shelf", "documents": TEXTS}
    answer = client.post("/v1/rerank", json=body)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]

    encoder = library.encoder(MODEL)
    asked = encoder.encode(["a shelf"], "query")
    scores = maxsim(asked, encoder.encode(TEXTS, "document"))[0]
    assert [one["index"] for one in results] == np.argsort(-scores, kind="stable").tolist()
    found = [one["relevance_score"] for one in results]
    np.testing.assert_allclose(found, np.sort(scores)[::-1], atol=1e-5)
    means = [one["normalised_score"] for one in results]
    np.testing.assert_allclose(means, np.array(found) / len(asked.rows), atol=1e-6)
