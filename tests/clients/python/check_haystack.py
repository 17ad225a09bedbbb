"""haystack: embedders and rankers over five dialects."""

import os

import openai
from checking import NOWHERE, PROMPTED, VANILLA, Server, check, equal, main, refused, same
from haystack import Document
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.utils import Secret
from haystack_integrations.components.embedders.cohere import (
    CohereDocumentEmbedder,
    CohereTextEmbedder,
)
from haystack_integrations.components.embedders.huggingface_api import (
    HuggingFaceAPIDocumentEmbedder,
    HuggingFaceAPITextEmbedder,
)
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.embedders.ollama import (
    OllamaDocumentEmbedder,
    OllamaTextEmbedder,
)
from haystack_integrations.components.rankers.cohere import CohereRanker
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker
from haystack_integrations.components.rankers.jina import JinaRanker


def secret(server: Server) -> Secret:
    return Secret.from_token(server.key)


def documents(texts: list[str]) -> list[Document]:
    return [Document(content=text, id=str(place)) for place, text in enumerate(texts)]


def embedded(embedder: object, texts: list[str]) -> list[list[float]]:
    found = embedder.run(documents=documents(texts))["documents"]
    return [document.embedding for document in found]


def openai_settings(server: Server, model: str = VANILLA) -> dict:
    return {
        "api_key": secret(server),
        "api_base_url": f"{server.url}/v1",
        "model": model,
        "max_retries": 0,
    }


@check("vectors", "OpenAI: documents and a text")
def _(server: Server) -> None:
    settings = openai_settings(server)
    got = embedded(OpenAIDocumentEmbedder(**settings), server.texts)
    same(got, server.vectors(server.texts))
    found = OpenAITextEmbedder(**settings).run(server.query)
    same([found["embedding"]], server.vectors([server.query]))
    tokens = server.tokens([server.query])
    equal("tokens", found["meta"]["usage"]["prompt_tokens"], tokens)


@check("vectors", "HuggingFaceAPI: documents and a text, of TEI")
def _(server: Server) -> None:
    settings = {
        "api_type": "text_embeddings_inference",
        "api_params": {"url": server.url},
        "token": secret(server),
    }
    got = embedded(HuggingFaceAPIDocumentEmbedder(**settings), server.texts)
    same(got, server.vectors(server.texts))
    found = HuggingFaceAPITextEmbedder(**settings).run(server.query)
    same([found["embedding"]], server.vectors([server.query]))


@check("roles", "Cohere: documents and a text, each in its role")
def _(server: Server) -> None:
    settings = {"api_key": secret(server), "api_base_url": server.url, "model": PROMPTED}
    got = embedded(CohereDocumentEmbedder(**settings), server.texts)
    same(got, server.vectors(server.texts, model=PROMPTED, role="document"))
    found = CohereTextEmbedder(**settings).run(server.query)
    same([found["embedding"]], server.vectors([server.query], model=PROMPTED, role="query"))


def jina_settings(server: Server, model: str) -> dict:
    return {"api_key": secret(server), "base_url": f"{server.url}/v1/embeddings", "model": model}


@check("roles", "Jina: documents and a text, each in its role")
def _(server: Server) -> None:
    settings = jina_settings(server, PROMPTED)
    got = embedded(JinaDocumentEmbedder(**settings, task="retrieval.passage"), server.texts)
    same(got, server.vectors(server.texts, model=PROMPTED, role="document"))
    found = JinaTextEmbedder(**settings, task="retrieval.query").run(server.query)
    same([found["embedding"]], server.vectors([server.query], model=PROMPTED, role="query"))


@check("vectors", "Ollama: documents and a text")
def _(server: Server) -> None:
    os.environ["OLLAMA_API_KEY"] = server.key  # it has no other way to be told one
    got = embedded(OllamaDocumentEmbedder(model=VANILLA, url=server.url), server.texts)
    same(got, server.vectors(server.texts))
    found = OllamaTextEmbedder(model=VANILLA, url=server.url).run(server.query)
    same([found["embedding"]], server.vectors([server.query]))


@check("many", "OpenAI: many documents, in batches")
def _(server: Server) -> None:
    got = embedded(OpenAIDocumentEmbedder(**openai_settings(server)), server.many)
    same(got, server.vectors(server.many))


@check("shorter", "dimensions by OpenAI, Jina and Ollama")
def _(server: Server) -> None:
    os.environ["OLLAMA_API_KEY"] = server.key
    wanted = server.vectors(server.texts, model=PROMPTED, dimensions=128)
    for embedder in (
        OpenAIDocumentEmbedder(**openai_settings(server, PROMPTED), dimensions=128),
        JinaDocumentEmbedder(**jina_settings(server, PROMPTED), dimensions=128),
        OllamaDocumentEmbedder(model=PROMPTED, url=server.url, dimensions=128),
    ):
        same(embedded(embedder, server.texts), wanted)


def order(server: Server, ranker: object) -> list[int]:
    found = ranker.run(query=server.query, documents=documents(server.documents))
    return [int(document.id) for document in found["documents"]]


@check("rerank", "HuggingFaceTEIRanker")
def _(server: Server) -> None:
    ranker = HuggingFaceTEIRanker(url=server.url, token=secret(server), top_k=3)
    equal("order", order(server, ranker), server.order[:3])


@check("rerank", "CohereRanker")
def _(server: Server) -> None:
    ranker = CohereRanker(model=VANILLA, api_key=secret(server), api_base_url=server.url, top_k=3)
    equal("order", order(server, ranker), server.order[:3])


@check("rerank", "JinaRanker, all and the best three")
def _(server: Server) -> None:
    for top in (None, 3):
        ranker = JinaRanker(
            model=VANILLA,
            api_key=secret(server),
            base_url=f"{server.url}/v1/rerank",
            top_k=top,
        )
        equal("order", order(server, ranker), server.order[:top])


@check("errors", "OpenAI: unknown model, text too long: openai's own")
def _(server: Server) -> None:
    with refused(openai.NotFoundError, NOWHERE):
        OpenAITextEmbedder(**openai_settings(server, NOWHERE)).run("text")
    with refused(openai.BadRequestError, "256"):
        OpenAITextEmbedder(**openai_settings(server)).run(server.too_long)


@check("errors", "wrong key: openai's AuthenticationError", on=["keyed"])
def _(server: Server) -> None:
    settings = openai_settings(server) | {"api_key": Secret.from_token("wrong")}
    with refused(openai.AuthenticationError, "key"):
        OpenAITextEmbedder(**settings).run("text")


if __name__ == "__main__":
    main("haystack-ai")
