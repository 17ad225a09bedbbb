"""OpenAI's embeddings, and every server that speaks like it.

https://platform.openai.com/docs/api-reference/embeddings
"""

from bindery.encoders.vendors.base import Ask, Body, Dialect, read_data
from bindery.models.endpoint import Endpoint


def _write(endpoint: Endpoint, ask: Ask) -> Body:
    body: Body = {
        "model": endpoint.model,
        "input": ask.texts,
        "encoding_format": endpoint.encoding_format.value,
    }
    if ask.dimensions is not None:
        body["dimensions"] = ask.dimensions
    if endpoint.sends_role:
        body["input_type"] = ask.role
    return body


OPENAI = Dialect(
    title="OpenAI",
    path="/embeddings",
    texts_per_request=2048,
    tokens_per_request={"": 300_000},
    write=_write,
    read=read_data,
    roles=None,
    # OpenAI refuses a text that is too long, but some servers that speak like it cut it.
    may_cut=True,
)
