"""What clients must get: the answers of the server's own routes to the same texts.

Those are first held against the library's, so that no fault of the server becomes what is expected.
"""

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from tests.clients.serving import PROMPTED, Served
from tokenizers import Tokenizer

from bindery.errors import UnknownModel
from bindery.library import Library
from bindery.options import VectorOptions

TEXTS = [
    "Loose paper is fragile.",
    "Bound, it has a place on a shelf, and a code on its spine that says where the shelf stands.",
    "Grüße aus Köln 🙂 und 北京",
    "Loose paper is fragile.",
    "a",
    "The chunk is the paper, its embedding the binding, the index the shelf code. " * 8,
]
"""Short and long, in several scripts, one of them twice."""

MANY = [f"Shelf {place} holds volume {place * 7 % 131}." for place in range(130)]
TOO_LONG = "Every word of this sentence counts. " * 60
QUERY = "Where do bound books stand?"
ROLES = ("document", "query")
DOCUMENTS = [
    "Rain fell on the harbour all night.",
    "Bound, a book has a place on a shelf.",
    "Loose paper gets lost.",
    "Books are bound so that they can stand.",
    "The train to Köln leaves at nine.",
]

_NEAR = 1e-4


def expect(served: Served, library: Library, tokeniser: Tokenizer) -> dict[str, Any]:
    """Ask the server's own routes for everything that checks compare with."""
    texts = [*TEXTS, *MANY, QUERY, *DOCUMENTS, "", "text", "hello world"]
    vectors = {
        model: {role: _vectors(served, library, model, role, texts) for role in ROLES}
        for model in ("vanilla", PROMPTED)
    }
    cut = {
        side: _embed(served, "vanilla", [TOO_LONG], truncate=side)[0] for side in ("end", "start")
    }
    return {
        "texts": TEXTS,
        "many": MANY,
        "too_long": TOO_LONG,
        "query": QUERY,
        "documents": DOCUMENTS,
        "vectors": vectors,
        "cut": cut,
        "token_ids": {text: tokeniser.encode(text).ids for text in [*texts, TOO_LONG]},
        "ranking": _ranking(served, library),
        "unknown_model": _message_for_unknown(library),
    }


def _vectors(
    served: Served, library: Library, model: str, role: str, texts: list[str]
) -> dict[str, list[float]]:
    found = _embed(served, model, texts, role=role)
    _, encoded = library.embed(model, texts, VectorOptions(role))
    if np.abs(np.array(found) - encoded.embeddings.rows).max() > _NEAR:
        raise RuntimeError(f"The server's own route gives other {role} vectors than {model} does.")
    return dict(zip(texts, found, strict=True))


def _ranking(served: Served, library: Library) -> list[tuple[int, float]]:
    body = {"model": "vanilla", "query": QUERY, "documents": DOCUMENTS}
    found = [
        (one["index"], one["relevance_score"])
        for one in _ask(served, "/v1/rerank", body)["results"]
    ]
    _, wanted = library.rerank("vanilla", QUERY, DOCUMENTS)
    same_order = [place for place, _ in found] == [one.index for one in wanted.ranked]
    if not same_order or any(
        abs(score - one.score) > _NEAR for (_, score), one in zip(found, wanted.ranked, strict=True)
    ):
        raise RuntimeError("/v1/rerank gives another order, or other scores, than the library.")
    return found


def load_tokeniser(home: Path) -> Tokenizer:
    """The model's own, cutting nothing."""
    tokeniser = Tokenizer.from_file(str(next((home / "models/vanilla").rglob("tokenizer.json"))))
    tokeniser.no_truncation()
    tokeniser.no_padding()
    return tokeniser


def _embed(served: Served, model: str, texts: list[str], **wishes: str) -> list[list[float]]:
    body = {"chunks": texts, "encoding_format": "float", **wishes}
    return _ask(served, f"/embedding/{model}/generate", body)["embeddings"]


def _ask(served: Served, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    if served.key:
        headers["authorization"] = f"Bearer {served.key}"
    try:
        with urlopen(Request(served.url + path, json.dumps(body).encode(), headers)) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise RuntimeError(f"{path}: {error.code} {error.read().decode()}") from None


def _message_for_unknown(library: Library) -> str:
    try:
        library.status("no-such-model")
    except UnknownModel as error:
        return error.message.partition(";")[0]  # what was tried differs over HTTP
    raise RuntimeError("There is a model 'no-such-model'.")
