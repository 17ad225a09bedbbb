"""pydantic-ai: its Embedder over an OpenAI provider."""

from checking import (
    NOWHERE,
    PROMPTED,
    VANILLA,
    Server,
    begins,
    check,
    equal,
    exact,
    main,
    refused,
    same,
)
from pydantic_ai import Embedder
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.providers.openai import OpenAIProvider


def embedder(server: Server, model: str = VANILLA, key: str = "") -> Embedder:
    provider = OpenAIProvider(base_url=f"{server.url}/v1", api_key=key or server.key)
    return Embedder(OpenAIEmbeddingModel(model, provider=provider))


@check("vectors", "documents and a query")
def _(server: Server) -> None:
    got = embedder(server).embed_documents_sync(server.texts)
    exact(got.embeddings, server.vectors(server.texts))
    got = embedder(server).embed_query_sync(server.query)
    same(got.embeddings, server.vectors([server.query]))


@check("many", "many documents at once")
def _(server: Server) -> None:
    got = embedder(server).embed_documents_sync(server.many)
    same(got.embeddings, server.vectors(server.many))


@check("roles", "input_type query, by extra_body")
def _(server: Server) -> None:
    asking = embedder(server, PROMPTED)
    settings = {"extra_body": {"input_type": "query"}}
    got = asking.embed_query_sync(server.query, settings=settings)
    same(got.embeddings, server.vectors([server.query], model=PROMPTED, role="query"))


@check("shorter", "dimensions")
def _(server: Server) -> None:
    asking = embedder(server, PROMPTED)
    got = asking.embed_documents_sync(server.texts, settings={"dimensions": 256})
    same(got.embeddings, server.vectors(server.texts, model=PROMPTED, dimensions=256))


@check("tokens", "tokens are counted")
def _(server: Server) -> None:
    usage = embedder(server).embed_documents_sync(server.texts).usage
    equal("input tokens", usage.input_tokens, server.tokens(server.texts))


@check("errors", "unknown model: ModelHTTPError 404")
def _(server: Server) -> None:
    with refused(ModelHTTPError, NOWHERE, status_code=404) as refusal:
        embedder(server, NOWHERE).embed_query_sync("text")
    begins(refusal.error.body["message"], server.unknown_model)


@check("errors", "text too long: ModelHTTPError 400")
def _(server: Server) -> None:
    with refused(ModelHTTPError, "256", status_code=400):
        embedder(server).embed_query_sync(server.too_long)


@check("errors", "wrong key: ModelHTTPError 401", on=["keyed"])
def _(server: Server) -> None:
    with refused(ModelHTTPError, "key", status_code=401):
        embedder(server, key="wrong").embed_query_sync("text")


if __name__ == "__main__":
    main("pydantic-ai-slim")
