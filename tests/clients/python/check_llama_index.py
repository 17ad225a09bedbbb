"""llama-index: five of its integrations, over four dialects."""

import asyncio

import openai
from checking import (
    NOWHERE,
    PROMPTED,
    VANILLA,
    Server,
    check,
    equal,
    main,
    refused,
    same,
)
from cohere.errors import BadRequestError, NotFoundError, UnauthorizedError
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.cohere import CohereEmbedding
from llama_index.embeddings.ollama import OllamaEmbedding
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from llama_index.postprocessor.cohere_rerank import CohereRerank
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference as TEIRerank
from ollama import ResponseError


def openai_like(server: Server, model: str = VANILLA, **options: object) -> BaseEmbedding:
    settings = {"api_base": f"{server.url}/v1", "api_key": server.key, "max_retries": 0}
    return OpenAILikeEmbedding(model_name=model, **{**settings, **options})


def tei(server: Server, **options: object) -> BaseEmbedding:
    settings = {"base_url": server.url, "auth_token": server.key}
    return TextEmbeddingsInference(model_name=VANILLA, **{**settings, **options})


def cohere(server: Server, **options: object) -> BaseEmbedding:
    settings = {"api_key": server.key, "base_url": server.url, "max_retries": 1}
    return CohereEmbedding(model_name=PROMPTED, **{**settings, **options})


def ollama(server: Server, model: str = VANILLA, key: str = "") -> BaseEmbedding:
    headers = {"authorization": f"Bearer {key or server.key}"}
    kwargs = {"headers": headers}
    return OllamaEmbedding(model_name=model, base_url=server.url, client_kwargs=kwargs)


def embeds_by(name: str, make: object, model: str = VANILLA) -> None:
    @check("vectors", f"{name}: texts and a text")
    def _(server: Server) -> None:
        asking = make(server)
        wanted = server.vectors(server.texts, model=model)
        same(asking.get_text_embedding_batch(server.texts), wanted)
        same([asking.get_text_embedding(server.texts[0])], wanted[:1])

    @check("vectors", f"{name}: asynchronously")
    def _(server: Server) -> None:
        async def ask() -> list:
            return await make(server).aget_text_embedding_batch(server.texts)

        same(asyncio.run(ask()), server.vectors(server.texts, model=model))

    @check("many", f"{name}: many texts, in batches")
    def _(server: Server) -> None:
        got = make(server, embed_batch_size=50) if make is not ollama else make(server)
        wanted = server.vectors(server.many, model=model)
        same(got.get_text_embedding_batch(server.many), wanted)


embeds_by("OpenAILike", openai_like)
embeds_by("TextEmbeddingsInference", tei)
embeds_by("Cohere", cohere, PROMPTED)
embeds_by("Ollama", ollama)


@check("vectors", "OpenAILike, TextEmbeddingsInference and Ollama: a query")
def _(server: Server) -> None:
    for asking in (openai_like(server), tei(server), ollama(server)):
        same([asking.get_query_embedding(server.query)], server.vectors([server.query]))


@check("roles", "Cohere: a query is embedded as one")
def _(server: Server) -> None:
    got = cohere(server).get_query_embedding(server.query)
    same([got], server.vectors([server.query], model=PROMPTED, role="query"))


@check("vectors", "TextEmbeddingsInference: another model by ?model=")
def _(server: Server) -> None:
    got = tei(server, endpoint=f"/embed?model={PROMPTED}").get_text_embedding_batch(server.texts)
    same(got, server.vectors(server.texts, model=PROMPTED))


@check("shorter", "OpenAILike: dimensions")
def _(server: Server) -> None:
    got = openai_like(server, PROMPTED, dimensions=64).get_text_embedding_batch(server.texts)
    same(got, server.vectors(server.texts, model=PROMPTED, dimensions=64))


def order(server: Server, ranker: BaseNodePostprocessor) -> list[int]:
    nodes = [
        NodeWithScore(node=TextNode(text=text, id_=str(place)))
        for place, text in enumerate(server.documents)
    ]
    return [int(one.node_id) for one in ranker.postprocess_nodes(nodes, query_str=server.query)]


@check("rerank", "tei-rerank")
def _(server: Server) -> None:
    # It sends the token as it is, without the word Bearer.
    ranker = TEIRerank(base_url=server.url, top_n=3, auth_token=f"Bearer {server.key}")
    equal("order", order(server, ranker), server.order[:3])


@check("rerank", "CohereRerank")
def _(server: Server) -> None:
    ranker = CohereRerank(api_key=server.key, base_url=server.url, model=VANILLA, top_n=3)
    equal("order", order(server, ranker), server.order[:3])


@check("errors", "OpenAILike: unknown model, text too long: openai's own")
def _(server: Server) -> None:
    with refused(openai.NotFoundError, NOWHERE):
        openai_like(server, NOWHERE).get_text_embedding("text")
    with refused(openai.BadRequestError, "256", code="context_length_exceeded"):
        openai_like(server).get_text_embedding(server.too_long)


@check("errors", "Ollama: unknown model: ResponseError")
def _(server: Server) -> None:
    with refused(ResponseError, NOWHERE, status_code=404):
        ollama(server, NOWHERE).get_text_embedding("text")


@check("errors", "Cohere: text too long: BadRequestError; CohereRerank: NotFoundError")
def _(server: Server) -> None:
    with refused(BadRequestError, "256"):
        cohere(server, truncate="NONE").get_text_embedding(server.too_long)
    with refused(NotFoundError, NOWHERE):
        order(server, CohereRerank(api_key=server.key, base_url=server.url, model=NOWHERE))


@check("errors", "TextEmbeddingsInference: text too long: no vector")
def _(server: Server) -> None:
    # This client does not look at the status; that it takes no error for a vector is all there is.
    with refused(KeyError):
        tei(server, truncate_text=False).get_text_embedding(server.too_long)


@check("errors", "wrong key: each client's own", on=["keyed"])
def _(server: Server) -> None:
    with refused(openai.AuthenticationError, "key"):
        openai_like(server, api_key="wrong").get_text_embedding("text")
    with refused(UnauthorizedError, "key"):
        cohere(server, api_key="wrong").get_text_embedding("text")
    with refused(ResponseError, "key", status_code=401):
        ollama(server, key="wrong").get_text_embedding("text")


if __name__ == "__main__":
    main("llama-index-core")
