"""Titles on both routes, for a model that takes them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.engines.checkpoints import TINY

from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.models.card import CatalogEntry, Release
from bindery.models.layouts import read_layout
from bindery.models.sources import FolderSource
from bindery.options import ModelOptions
from bindery.settings import Settings

from .conftest import ADDRESS
from .test_vectors_come_in_every_form import openais, ours

SOURCE = TINY / "e5"
MODEL = "titled"
TEXTS = ["paper is kept", "a code on the spine"]
TITLES = ["Shelves {title}", None]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    revision = "0123456789abcdef0123456789abcdef01234567"
    card = replace(
        read_layout(SOURCE).card,
        id=MODEL,
        repository="no/body",
        revision=revision,
        title_prompt="title: {title} | text: ",
    )
    files = sorted(str(p.relative_to(SOURCE)) for p in Path(SOURCE).rglob("*") if p.is_file())
    entry = CatalogEntry(card, Release("no/body", revision, dict.fromkeys(files)))
    home = tmp_path_factory.mktemp("home")
    library = Library(home, ModelOptions(precision="f32", threads=1), catalog={MODEL: entry})
    [outcome] = library.preload([MODEL], [FolderSource(SOURCE)], progress=lambda *_: None)
    assert outcome.error is None
    return library


@pytest.fixture(scope="module")
def client(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(home=tmp_path_factory.mktemp("unused"), precision="f32")
    with TestClient(create_app(library, settings), base_url=ADDRESS) as client:
        yield client


def test_titles_come_beside_texts_or_with_chunks(client, library):
    encoder = library.encoder(MODEL)
    expected = encoder.encode(TEXTS, "document", titles=TITLES).rows
    plain = encoder.encode(TEXTS, "document").rows
    assert np.abs(expected[0] - plain[0]).max() > 1e-3

    chunks = [{"text": text, "title": title} for text, title in zip(TEXTS, TITLES, strict=True)]
    for answer in (
        ours(client, TEXTS, MODEL, titles=TITLES),
        ours(client, chunks, MODEL),
        openais(client, TEXTS, MODEL, titles=TITLES),
    ):
        assert np.abs(np.float32(answer["embeddings"]) - expected).max() < 1e-6
    rows = {row["id"]: row["takes_titles"] for row in client.get("/models").json()["models"]}
    assert (rows[MODEL], rows["vanilla"]) == (True, False)


def test_a_question_has_no_title(client):
    body = {"chunks": TEXTS, "titles": TITLES, "role": "query"}
    answer = client.post(f"/embedding/{MODEL}/generate", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "titles")
