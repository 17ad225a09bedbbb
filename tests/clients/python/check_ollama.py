"""ollama: its client for Python."""

import asyncio

import ollama
from checking import (
    NOWHERE,
    PROMPTED,
    VANILLA,
    Server,
    begins,
    check,
    equal,
    main,
    refused,
    same,
)


def client(server: Server, key: str = "") -> ollama.Client:
    headers = {"authorization": f"Bearer {key or server.key}"}
    return ollama.Client(host=server.url, headers=headers)


@check("vectors", "embed, a list and one text")
def _(server: Server) -> None:
    got = client(server).embed(model=VANILLA, input=server.texts)
    same(got.embeddings, server.vectors(server.texts))
    got = client(server).embed(model=VANILLA, input=server.query)
    same(got.embeddings, server.vectors([server.query]))


@check("vectors", "embeddings, the older route")
def _(server: Server) -> None:
    got = client(server).embeddings(model=VANILLA, prompt=server.query)
    same([got.embedding], server.vectors([server.query]))


@check("vectors", "asynchronously, named with a tag")
def _(server: Server) -> None:
    headers = {"authorization": f"Bearer {server.key}"}
    asking = ollama.AsyncClient(host=server.url, headers=headers)
    got = asyncio.run(asking.embed(model=f"{VANILLA}:latest", input=server.texts))
    same(got.embeddings, server.vectors(server.texts))


@check("many", "many texts at once")
def _(server: Server) -> None:
    got = client(server).embed(model=VANILLA, input=server.many)
    same(got.embeddings, server.vectors(server.many))


@check("shorter", "dimensions")
def _(server: Server) -> None:
    got = client(server).embed(model=PROMPTED, input=server.texts, dimensions=128)
    same(got.embeddings, server.vectors(server.texts, model=PROMPTED, dimensions=128))


@check("tokens", "tokens are counted")
def _(server: Server) -> None:
    got = client(server).embed(model=VANILLA, input=server.texts)
    equal("tokens", got.prompt_eval_count, server.tokens(server.texts))


@check("models", "list and show")
def _(server: Server) -> None:
    names = {model.model.removesuffix(":latest") for model in client(server).list().models}
    equal("both are listed", {VANILLA, PROMPTED} <= names, True)
    shown = client(server).show(VANILLA)
    equal("capabilities", "embedding" in (shown.capabilities or []), True)


@check("truncation", "truncate true, its default, cuts the end")
def _(server: Server) -> None:
    got = client(server).embed(model=VANILLA, input=server.too_long)
    same(got.embeddings, [server.expected["cut"]["end"]])


@check("errors", "unknown model: ResponseError 404")
def _(server: Server) -> None:
    with refused(ollama.ResponseError, NOWHERE, status_code=404) as refusal:
        client(server).embed(model=NOWHERE, input="text")
    begins(refusal.error.error, server.unknown_model)
    with refused(ollama.ResponseError, NOWHERE, status_code=404):
        client(server).show(NOWHERE)


@check("errors", "truncate false and too long: ResponseError 400")
def _(server: Server) -> None:
    with refused(ollama.ResponseError, "256", status_code=400):
        client(server).embed(model=VANILLA, input=server.too_long, truncate=False)


@check("errors", "wrong key: ResponseError 401", on=["keyed"])
def _(server: Server) -> None:
    with refused(ollama.ResponseError, "key", status_code=401):
        client(server, key="wrong").embed(model=VANILLA, input="text")


if __name__ == "__main__":
    main("ollama")
