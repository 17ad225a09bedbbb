"""Voyage's embeddings: https://docs.voyageai.com/reference/embeddings-api."""

from bindery.encoders.vendors.base import Ask, Body, Dialect, read_data
from bindery.models.endpoint import Endpoint


def _write(endpoint: Endpoint, ask: Ask) -> Body:
    body: Body = {
        "model": endpoint.model,
        "input": ask.texts,
        "input_type": ask.role,
        "truncation": False,
        "output_dtype": "float",
    }
    if ask.dimensions is not None:
        body["output_dimension"] = ask.dimensions
    return body


VOYAGE = Dialect(
    title="Voyage",
    path="/embeddings",
    texts_per_request=1000,
    tokens_per_request={
        # What the others have, voyage-4-large and voyage-code-3 among them.
        "": 120_000,
        "voyage-4-lite": 1_000_000,
        "voyage-3.5-lite": 1_000_000,
        "voyage-4": 320_000,
        "voyage-3.5": 320_000,
        "voyage-2": 320_000,
    },
    write=_write,
    read=read_data,
    roles={"query": "query", "document": "document"},
    takes_empty=False,
)
