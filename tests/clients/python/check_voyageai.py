"""voyageai: it asks for base64 and wants the ranking under ``data``."""

import voyageai
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
    packed,
    quantised,
    ranked,
    refused,
    same,
)
from voyageai.error import APIError, AuthenticationError, InvalidRequestError


def client(server: Server, key: str = "") -> voyageai.Client:
    return voyageai.Client(api_key=key or server.key, base_url=f"{server.url}/v1")


def embed(server: Server, texts: list[str], model: str = VANILLA, **wishes: object) -> list:
    return client(server).embed(texts, model=model, **wishes).embeddings


@check("vectors", "base64, exactly")
def _(server: Server) -> None:
    exact(embed(server, server.texts), server.vectors(server.texts))


@check("many", "many texts at once")
def _(server: Server) -> None:
    same(embed(server, server.many), server.vectors(server.many))


@check("roles", "input_type query and document")
def _(server: Server) -> None:
    for role in ("query", "document"):
        got = embed(server, server.texts, PROMPTED, input_type=role)
        same(got, server.vectors(server.texts, model=PROMPTED, role=role))


@check("shorter", "output_dimension")
def _(server: Server) -> None:
    got = embed(server, server.texts, PROMPTED, input_type="document", output_dimension=128)
    same(got, server.vectors(server.texts, model=PROMPTED, dimensions=128))


@check("forms", "output_dtype int8, uint8, binary and ubinary")
def _(server: Server) -> None:
    wanted = server.vectors(server.texts)
    form = {
        name: [
            [int(value) for value in row] for row in embed(server, server.texts, output_dtype=name)
        ]
        for name in ("int8", "uint8", "binary", "ubinary")
    }
    quantised(form["int8"], wanted)
    equal("uint8 is int8 from 0", form["uint8"], [[v + 128 for v in r] for r in form["int8"]])
    packed(form["binary"], wanted, low=-128)
    packed(form["ubinary"], wanted, low=0)


@check("tokens", "tokens are counted")
def _(server: Server) -> None:
    answer = client(server).embed(server.texts, model=VANILLA)
    equal("tokens", answer.total_tokens, server.tokens(server.texts))


@check("rerank", "all, and the best two")
def _(server: Server) -> None:
    for top in (None, 2):
        answer = client(server).rerank(server.query, server.documents, model=VANILLA, top_k=top)
        ranked([(one.index, one.relevance_score) for one in answer.results], server, top=top)
        equal("tokens are counted", answer.total_tokens > 0, True)


@check("chunks", "contextualized_embed")
def _(server: Server) -> None:
    def rows(documents: list[list[str]], **wishes: object) -> list[list]:
        answer = client(server).contextualized_embed(documents, VANILLA, "document", **wishes)
        equal(
            "documents are in order",
            [one.index for one in answer.results],
            [*range(len(documents))],
        )
        return [one.embeddings for one in answer.results]

    alone = server.vectors(server.texts)
    exact([row for [row] in rows([[text] for text in server.texts])], alone)
    [together] = rows([server.texts])
    equal("a vector for each chunk", len(together), len(server.texts))
    equal("read with the others", together[0] != alone[0], True)
    [packed] = rows([server.texts], output_dtype="ubinary")
    equal("bits", [len(row) for row in packed], [len(alone[0]) // 8] * len(server.texts))


@check("truncation", "truncation true, its default, cuts the end")
def _(server: Server) -> None:
    same(embed(server, [server.too_long]), [server.expected["cut"]["end"]])


@check("errors", "unknown model: APIError 404")
def _(server: Server) -> None:
    with refused(APIError, NOWHERE, http_status=404) as refusal:
        embed(server, ["text"], NOWHERE)
    begins(refusal.error.user_message, server.unknown_model)
    with refused(APIError, NOWHERE, http_status=404) as refusal:
        client(server).rerank("query", ["document"], model=NOWHERE)
    begins(refusal.error.user_message, server.unknown_model)


@check("errors", "truncation false and too long: InvalidRequestError")
def _(server: Server) -> None:
    with refused(InvalidRequestError, "256"):
        embed(server, [server.too_long], truncation=False)


@check("errors", "wrong key: AuthenticationError", on=["keyed"])
def _(server: Server) -> None:
    with refused(AuthenticationError, "key"):
        client(server, key="wrong").embed(["text"], model=VANILLA)


if __name__ == "__main__":
    main("voyageai")
