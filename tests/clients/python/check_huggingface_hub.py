"""huggingface_hub: its InferenceClient, which posts to the server's own address."""

import asyncio

from checking import NOWHERE, PROMPTED, Server, begins, check, cosine, equal, main, refused, same
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError


def client(server: Server, key: str = "", model: str = "") -> InferenceClient:
    address = f"{server.url}/?model={model}" if model else server.url
    return InferenceClient(model=address, token=key or server.key)


@check("vectors", "feature_extraction, a list")
def _(server: Server) -> None:
    got = client(server).feature_extraction(server.texts)
    equal("type", str(got.dtype), "float32")
    same(got.tolist(), server.vectors(server.texts))


@check("vectors", "feature_extraction, one text")
def _(server: Server) -> None:
    got = client(server).feature_extraction(server.texts[0])
    same(got.tolist(), server.vectors(server.texts[:1]))


@check("vectors", "asynchronously")
def _(server: Server) -> None:
    asking = AsyncInferenceClient(model=server.url, token=server.key)
    got = asyncio.run(asking.feature_extraction(server.texts, normalize=True))
    same(got.tolist(), server.vectors(server.texts))


@check("vectors", "sentence_similarity")
def _(server: Server) -> None:
    got = client(server).sentence_similarity(server.query, server.documents)
    query, *documents = server.vectors([server.query, *server.documents])
    for one, vector in zip(got, documents, strict=True):
        equal("similarity", abs(one - cosine(query, vector)) < 1e-3, True)


@check("many", "many texts at once")
def _(server: Server) -> None:
    got = client(server).feature_extraction(server.many)
    same(got.tolist(), server.vectors(server.many))


@check("roles", "another model by ?model=, and prompt_name")
def _(server: Server) -> None:
    for role in ("query", "document"):
        got = client(server, model=PROMPTED).feature_extraction(server.texts, prompt_name=role)
        same(got.tolist(), server.vectors(server.texts, model=PROMPTED, role=role))


@check("truncation", "truncate, at the end and at the start")
def _(server: Server) -> None:
    for direction, side in (("right", "end"), ("left", "start")):
        got = client(server).feature_extraction(
            server.too_long, truncate=True, truncation_direction=direction
        )
        same(got.tolist(), [server.expected["cut"][side]])


@check("errors", "text too long: HfHubHTTPError 413")
def _(server: Server) -> None:
    with refused(HfHubHTTPError, "256") as refusal:
        client(server).feature_extraction(server.too_long)
    equal("status", refusal.error.response.status_code, 413)


@check("errors", "unknown model: HfHubHTTPError 404")
def _(server: Server) -> None:
    with refused(HfHubHTTPError, NOWHERE) as refusal:
        client(server, model=NOWHERE).feature_extraction("text")
    equal("status", refusal.error.response.status_code, 404)
    begins(refusal.error.server_message, server.unknown_model)


@check("errors", "unknown prompt: HfHubHTTPError")
def _(server: Server) -> None:
    with refused(HfHubHTTPError, "no-such-role"):
        client(server).feature_extraction("text", prompt_name="no-such-role")


@check("errors", "wrong key: HfHubHTTPError 401", on=["keyed"])
def _(server: Server) -> None:
    with refused(HfHubHTTPError, "key") as refusal:
        client(server, key="wrong").feature_extraction("text")
    equal("status", refusal.error.response.status_code, 401)


if __name__ == "__main__":
    main("huggingface_hub")
