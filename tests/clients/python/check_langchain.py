"""langchain-openai: by default it sends token ids of cl100k, for whatever model."""

import asyncio

import openai
from checking import (
    NOWHERE,
    PROMPTED,
    VANILLA,
    Server,
    check,
    main,
    refused,
    same,
)
from langchain_openai import OpenAIEmbeddings


def embeddings(server: Server, model: str = VANILLA, **options: object) -> OpenAIEmbeddings:
    settings = {"base_url": f"{server.url}/v1", "api_key": server.key, "max_retries": 0}
    return OpenAIEmbeddings(model=model, **{**settings, **options})


def as_text(server: Server, model: str = VANILLA, **options: object) -> OpenAIEmbeddings:
    return embeddings(server, model, check_embedding_ctx_length=False, **options)


@check("vectors", "documents, as token ids, its default")
def _(server: Server) -> None:
    same(embeddings(server).embed_documents(server.texts), server.vectors(server.texts))


@check("vectors", "a query, as token ids")
def _(server: Server) -> None:
    same([embeddings(server).embed_query(server.query)], server.vectors([server.query]))


@check("vectors", "documents and a query, as text")
def _(server: Server) -> None:
    same(as_text(server).embed_documents(server.texts), server.vectors(server.texts))
    same([as_text(server).embed_query(server.query)], server.vectors([server.query]))


@check("vectors", "an empty document among others, in both ways")
def _(server: Server) -> None:
    texts = ["a", "", server.texts[0]]
    for one in (embeddings(server), as_text(server)):
        same(one.embed_documents(texts), server.vectors(texts))


@check("vectors", "asynchronously")
def _(server: Server) -> None:
    got = asyncio.run(embeddings(server).aembed_documents(server.texts))
    same(got, server.vectors(server.texts))


@check("many", "many documents, in batches of 32")
def _(server: Server) -> None:
    got = embeddings(server, chunk_size=32).embed_documents(server.many)
    same(got, server.vectors(server.many))


@check("roles", "input_type query, by model_kwargs")
def _(server: Server) -> None:
    asking = embeddings(server, PROMPTED, model_kwargs={"extra_body": {"input_type": "query"}})
    wanted = server.vectors([server.query], model=PROMPTED, role="query")
    same([asking.embed_query(server.query)], wanted)


@check("shorter", "dimensions")
def _(server: Server) -> None:
    got = embeddings(server, PROMPTED, dimensions=64).embed_documents(server.texts)
    same(got, server.vectors(server.texts, model=PROMPTED, dimensions=64))


@check("tokens", "token_input reject: ids are refused, text is not", on=["reject"])
def _(server: Server) -> None:
    with refused(openai.BadRequestError, "token", param="input"):
        embeddings(server).embed_documents(server.texts)
    same(as_text(server).embed_documents(server.texts), server.vectors(server.texts))


@check("truncation", "truncate end, by model_kwargs")
def _(server: Server) -> None:
    asking = embeddings(server, model_kwargs={"extra_body": {"truncate": "end"}})
    same(asking.embed_documents([server.too_long]), [server.expected["cut"]["end"]])


@check("errors", "unknown model: openai's NotFoundError")
def _(server: Server) -> None:
    with refused(openai.NotFoundError, NOWHERE, code="model_not_found"):
        embeddings(server, NOWHERE).embed_documents(["text"])


@check("errors", "text too long: openai's BadRequestError")
def _(server: Server) -> None:
    for one in (embeddings(server), as_text(server)):
        with refused(openai.BadRequestError, "256", code="context_length_exceeded"):
            one.embed_documents([server.too_long])


@check("errors", "wrong key: openai's AuthenticationError", on=["keyed"])
def _(server: Server) -> None:
    with refused(openai.AuthenticationError, "key"):
        embeddings(server, api_key="wrong").embed_query("text")


if __name__ == "__main__":
    main("langchain-openai")
