"""Cohere's embeddings, version 2 of its API: https://docs.cohere.com/reference/embed."""

from bindery.encoders.vendors.base import Ask, Body, Dialect, Reply, count, listed, member, stacked
from bindery.models.endpoint import Endpoint


def _write(endpoint: Endpoint, ask: Ask) -> Body:
    body: Body = {
        "model": endpoint.model,
        "texts": ask.texts,
        "input_type": ask.role,
        "embedding_types": ["float"],
        "truncate": "NONE",
    }
    if ask.dimensions is not None:
        body["output_dimension"] = ask.dimensions
    return body


def _read(answer: object, texts: int) -> Reply:
    vectors = listed(member(answer, "embeddings", "float"), "embeddings.float", texts)
    return Reply(stacked(vectors), count(answer, "meta", "billed_units", "input_tokens"))


COHERE = Dialect(
    title="Cohere",
    path="/v2/embed",
    texts_per_request=96,
    # No limit is documented. This one keeps what is sent again after a fault small.
    tokens_per_request={"": 1_000_000},
    write=_write,
    read=_read,
    roles={
        "query": "search_query",
        "document": "search_document",
        "classification": "classification",
        "clustering": "clustering",
    },
)
