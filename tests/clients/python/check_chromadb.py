"""chromadb: its embedding functions, and a collection that embeds by one."""

import os

import chromadb
import openai
from checking import NOWHERE, VANILLA, Server, check, equal, main, refused, same
from chromadb.utils.embedding_functions import OpenAIEmbeddingFunction
from chromadb.utils.embedding_functions.huggingface_embedding_function import (
    HuggingFaceEmbeddingServer,
)
from chromadb.utils.embedding_functions.ollama_embedding_function import OllamaEmbeddingFunction
from ollama import ResponseError


def by_openai(server: Server, model: str = VANILLA, key: str = "") -> OpenAIEmbeddingFunction:
    # It wants the name of a variable rather than a key.
    os.environ["CHECKED_KEY"] = key or server.key
    return OpenAIEmbeddingFunction(
        api_key_env_var="CHECKED_KEY", model_name=model, api_base=f"{server.url}/v1"
    )


def by_tei(server: Server) -> HuggingFaceEmbeddingServer:
    os.environ["CHECKED_KEY"] = server.key
    return HuggingFaceEmbeddingServer(url=f"{server.url}/embed", api_key_env_var="CHECKED_KEY")


def by_ollama(server: Server, model: str = VANILLA) -> OllamaEmbeddingFunction:
    os.environ["OLLAMA_API_KEY"] = server.key
    return OllamaEmbeddingFunction(url=server.url, model_name=model)


FUNCTIONS = {
    "OpenAIEmbeddingFunction": by_openai,
    "HuggingFaceEmbeddingServer": by_tei,
    "OllamaEmbeddingFunction": by_ollama,
}


def embeds_by(name: str) -> None:
    @check("vectors", name)
    def _(server: Server) -> None:
        got = FUNCTIONS[name](server)(server.texts)
        same([vector.tolist() for vector in got], server.vectors(server.texts))


for name in FUNCTIONS:
    embeds_by(name)


@check("vectors", "a collection finds what it was given")
def _(server: Server) -> None:
    texts = list(dict.fromkeys(server.texts))
    collection = chromadb.EphemeralClient().get_or_create_collection(
        f"checked-{server.kind}", embedding_function=by_openai(server)
    )
    collection.add(ids=texts, documents=texts)
    found = collection.query(query_texts=texts, n_results=1)
    equal("nearest", [ids[0] for ids in found["ids"]], texts)


@check("many", "many texts at once")
def _(server: Server) -> None:
    got = by_openai(server)(server.many)
    same([vector.tolist() for vector in got], server.vectors(server.many))


@check("errors", "unknown model: openai's and ollama's own")
def _(server: Server) -> None:
    with refused(openai.NotFoundError, NOWHERE):
        by_openai(server, NOWHERE)(["text"])
    with refused(ResponseError, NOWHERE, status_code=404):
        by_ollama(server, NOWHERE)(["text"])


@check("errors", "text too long: openai's own; HuggingFaceEmbeddingServer: no vector")
def _(server: Server) -> None:
    with refused(openai.BadRequestError, "256"):
        by_openai(server)([server.too_long])
    # This one does not look at the status; that it takes no error for a vector is all there is.
    with refused(ValueError):
        by_tei(server)([server.too_long])


@check("errors", "wrong key: openai's AuthenticationError", on=["keyed"])
def _(server: Server) -> None:
    with refused(openai.AuthenticationError, "key"):
        by_openai(server, key="wrong")(["text"])


if __name__ == "__main__":
    main("chromadb")
