"""cohere: version 1 of its interface and version 2, by its own client of each."""

from collections.abc import Callable, Sequence
from functools import partial

import cohere
from checking import (
    NOWHERE,
    PROMPTED,
    VANILLA,
    Server,
    begins,
    check,
    equal,
    main,
    packed,
    quantised,
    ranked,
    refused,
    same,
)
from cohere.errors import BadRequestError, NotFoundError, UnauthorizedError

CLIENTS = {"v1": cohere.Client, "v2": cohere.ClientV2}


def client(server: Server, version: str = "v2", key: str = "") -> cohere.ClientV2:
    return CLIENTS[version](api_key=key or server.key, base_url=server.url)


def embed(
    server: Server,
    texts: list[str],
    *,
    version: str = "v2",
    model: str = VANILLA,
    input_type: str = "search_document",
    types: tuple[str, ...] = ("float",),
    **wishes: object,
) -> cohere.EmbedResponse:
    return client(server, version).embed(
        texts=texts, model=model, input_type=input_type, embedding_types=list(types), **wishes
    )


def both(topic: str, what: str, *, on: Sequence[str] = ("keyed", "open")) -> Callable:
    """Make a function a check of each version."""

    def register(run: Callable[[Server, str], None]) -> None:
        for version in CLIENTS:
            check(topic, f"{version}: {what}", on=on)(partial(run, version=version))

    return register


@both("vectors", "floats, and the texts come back")
def _(server: Server, version: str) -> None:
    answer = embed(server, server.texts, version=version)
    same(answer.embeddings.float_, server.vectors(server.texts))
    equal("texts", answer.texts, server.texts)


@both("many", "more than 96 texts, in several requests")
def _(server: Server, version: str) -> None:
    answer = embed(server, server.many, version=version)
    same(answer.embeddings.float_, server.vectors(server.many))


@both("roles", "search_query and search_document")
def _(server: Server, version: str) -> None:
    for role in ("query", "document"):
        kind = f"search_{role}"
        got = embed(server, server.texts, version=version, model=PROMPTED, input_type=kind)
        same(got.embeddings.float_, server.vectors(server.texts, model=PROMPTED, role=role))


@both("forms", "several types at once")
def _(server: Server, version: str) -> None:
    types = ("float", "int8", "uint8", "binary", "ubinary")
    got = embed(server, server.texts, version=version, types=types).embeddings
    wanted = server.vectors(server.texts)
    same(got.float_, wanted)
    quantised(got.int8, wanted)
    equal("uint8 is int8 from 0", got.uint8, [[v + 128 for v in row] for row in got.int8])
    packed(got.ubinary, wanted, low=0)
    packed(got.binary, wanted, low=-128)


@both("tokens", "billed tokens")
def _(server: Server, version: str) -> None:
    units = embed(server, server.texts, version=version).meta.billed_units
    equal("input tokens", units.input_tokens, server.tokens(server.texts))


@both("rerank", "all, and the best two")
def _(server: Server, version: str) -> None:
    for top in (None, 2):
        answer = client(server, version).rerank(
            model=VANILLA, query=server.query, documents=server.documents, top_n=top
        )
        got = [(one.index, one.relevance_score) for one in answer.results]
        ranked(got, server, top=top)


@both("truncation", "END by default, START")
def _(server: Server, version: str) -> None:
    for wish, side in (({}, "end"), ({"truncate": "START"}, "start")):
        got = embed(server, [server.too_long], version=version, **wish)
        same(got.embeddings.float_, [server.expected["cut"][side]])


@both("errors", "unknown model: NotFoundError")
def _(server: Server, version: str) -> None:
    with refused(NotFoundError, NOWHERE, status_code=404) as refusal:
        embed(server, ["text"], version=version, model=NOWHERE)
    begins(refusal.error.body["message"], server.unknown_model)
    with refused(NotFoundError, NOWHERE, status_code=404) as refusal:
        client(server, version).rerank(model=NOWHERE, query="q", documents=["d"])
    begins(refusal.error.body["message"], server.unknown_model)


@both("errors", "truncate NONE and too long: BadRequestError")
def _(server: Server, version: str) -> None:
    with refused(BadRequestError, "256", status_code=400):
        embed(server, [server.too_long], version=version, truncate="NONE")


@both("errors", "wrong key: UnauthorizedError", on=["keyed"])
def _(server: Server, version: str) -> None:
    with refused(UnauthorizedError, "key", status_code=401):
        client(server, version, key="wrong").embed(
            texts=["text"], model=VANILLA, input_type="search_document"
        )


@check("vectors", "v1: without embedding_types, a plain list")
def _(server: Server) -> None:
    answer = client(server, "v1").embed(
        texts=server.texts, model=VANILLA, input_type="search_document"
    )
    equal("type", answer.response_type, "embeddings_floats")
    same(answer.embeddings, server.vectors(server.texts))


@check("shorter", "v2: output_dimension")
def _(server: Server) -> None:
    got = embed(server, server.texts, model=PROMPTED, output_dimension=128)
    wanted = server.vectors(server.texts, model=PROMPTED, dimensions=128)
    same(got.embeddings.float_, wanted)


if __name__ == "__main__":
    main("cohere")
