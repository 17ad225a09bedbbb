"""How clients of each dialect send and read, so that one test covers all of them."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bindery.faces.http.dialects.base import Translation
from bindery.faces.http.dialects.table import DIALECTS

Json = Any


def _base64(rows: list[str]) -> Json:
    return [np.frombuffer(b64decode(row), "<f4").tolist() for row in rows]


def _data(answer: Json) -> Json:
    assert [row["index"] for row in answer["data"]] == list(range(len(answer["data"])))
    return [row["embedding"] for row in answer["data"]]


@dataclass(frozen=True)
class Speaker:
    """One translation from a client's side.

    ``texts`` is the field of the texts; ``as_query`` and ``cut`` are what is sent for a question
    and for long texts to be cut, ``refuse`` for them to be refused; ``cuts`` says what happens
    where nothing is sent. ``base64`` asks for it, ``read`` reads the vectors of any answer.
    ``dimensions`` names that field. ``tokens`` reads the tokens used, where the answer tells.
    """

    texts: str
    read: Callable[[Json], Json]
    beside: Mapping[str, Json] = field(default_factory=dict)
    as_query: Mapping[str, Json] | None = None
    cut: Mapping[str, Json] | None = None
    refuse: Mapping[str, Json] | None = None
    cuts: bool = False
    base64: Mapping[str, Json] | None = None
    dimensions: str | None = None
    tokens: Callable[[Json], int] | None = None
    takes_one: bool = False
    names_model: bool = True

    def body(self, texts: list[str], model: str = "vanilla", **how: Json) -> dict[str, Json]:
        """What is sent."""
        sent = texts[0] if self.takes_one else texts
        named = {"model": model} if self.names_model else {}
        return {**named, self.texts: sent, **self.beside, **how}

    def rows(self, answer: Json) -> np.ndarray:
        """The vectors of an answer."""
        rows = self.read(answer)
        return np.float32(_base64(rows) if rows and isinstance(rows[0], str) else rows)


def _usage(answer: Json) -> int:
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"]
    return answer["usage"]["total_tokens"]


def _billed(answer: Json) -> int:
    return answer["meta"]["billed_units"]["input_tokens"]


def _by_type(answer: Json) -> Json:
    assert answer["response_type"] == "embeddings_by_type"
    [rows] = answer["embeddings"].values()
    return rows


_WORDS = {"cut": {"truncate": "end"}, "refuse": {"truncate": "error"}}
_FLAGS = {"cut": {"truncate": True}, "refuse": {"truncate": False}}
_COHERE = {
    "as_query": {"input_type": "search_query"},
    "cut": {"truncate": "END"},
    "refuse": {"truncate": "NONE"},
    "cuts": True,
    "dimensions": "output_dimension",
    "tokens": _billed,
}
_TEI = {"as_query": {"prompt_name": "query"}, "dimensions": "dimensions", **_FLAGS}

SPEAKERS: Mapping[str, Speaker] = {
    "generate": Speaker(
        "chunks",
        lambda answer: answer["embeddings"],
        as_query={"role": "query"},
        base64={"encoding_format": "base64"},
        dimensions="dimensions",
        tokens=lambda answer: sum(answer["tokens_used"]),
        names_model=False,
        **_WORDS,
    ),
    "create_embeddings": Speaker(
        "input",
        _data,
        as_query={"input_type": "query"},
        base64={"encoding_format": "base64"},
        dimensions="dimensions",
        tokens=_usage,
        **_WORDS,
    ),
    "create_embeddings_voyage": Speaker(
        "input",
        _data,
        {"output_dimension": 384},
        as_query={"input_type": "query"},
        cut={"truncation": True},
        refuse={"truncation": False},
        cuts=True,
        base64={"encoding_format": "base64"},
        dimensions="output_dimension",
        tokens=_usage,
    ),
    "create_embeddings_jina": Speaker(
        "input",
        _data,
        {"normalized": True},
        as_query={"task": "retrieval.query"},
        base64={"embedding_type": "base64"},
        dimensions="dimensions",
        tokens=_usage,
        **_FLAGS,
    ),
    "cohere_embed": Speaker("texts", _by_type, base64={"embedding_types": ["base64"]}, **_COHERE),
    "cohere_embed_1": Speaker("texts", lambda answer: answer["embeddings"], **_COHERE),
    "cohere_embed_1_by_type": Speaker("texts", _by_type, {"embedding_types": ["float"]}, **_COHERE),
    "tei_embed": Speaker(
        "inputs", lambda answer: answer, base64={"encoding_format": "base64"}, **_TEI
    ),
    "hugging_face": Speaker(
        "inputs", lambda answer: answer, base64={"encoding_format": "base64"}, **_TEI
    ),
    "ollama_embed": Speaker(
        "input",
        lambda answer: answer["embeddings"],
        cuts=True,
        dimensions="dimensions",
        tokens=lambda answer: answer["prompt_eval_count"],
        **_FLAGS,
    ),
    "ollama_embeddings": Speaker(
        "prompt", lambda answer: [answer["embedding"]], cuts=True, takes_one=True
    ),
}
"""By the name of the translation. Those that compare texts or embed each token are not here."""

ELSEWHERE = {"tei_embed_all", "tei_similarity", "create_contextualized_embeddings"}
"""Translations with tests of their own."""

EMBEDS: Mapping[str, Translation] = {
    one.name: one for dialect in DIALECTS for one in dialect.embeds
}
PATHS = [(name, path) for name in SPEAKERS for path in EMBEDS[name].paths]


def address(path: str, model: str) -> str:
    """The path, with the model if it belongs there."""
    return path.replace("{model_id:path}", model)
