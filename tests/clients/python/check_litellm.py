"""litellm: one function, a provider for each dialect; it sends null for what is not set."""

import httpx
import litellm
from checking import (
    HUB_NAME,
    NOWHERE,
    PROMPTED,
    VANILLA,
    Server,
    check,
    equal,
    main,
    ranked,
    refused,
    same,
)

# Each provider, and what its api_base is below the server's address.
EMBEDS = {
    "openai": "/v1",
    "hosted_vllm": "/v1",
    "openai_like": "/v1",
    "jina_ai": "/v1",
    "voyage": "/v1",
    "infinity": "",
    "cohere": "/v2/embed",
    "ollama": "",
}
RERANKS = {
    "cohere": "/v2/rerank",
    "hosted_vllm": "/v1/rerank",
    "infinity": "",
    "jina_ai": "",
    "voyage": "/v1/rerank",
    "huggingface": "",
}


def embed(
    server: Server, provider: str, texts: list[str], model: str = VANILLA, **wishes: object
) -> litellm.EmbeddingResponse:
    settings = {"api_base": server.url + EMBEDS[provider], "api_key": server.key, "max_retries": 0}
    return litellm.embedding(f"{provider}/{model}", input=texts, **{**settings, **wishes})


def rows(answer: litellm.EmbeddingResponse) -> list[list[float]]:
    return [item["embedding"] for item in answer.data]


def embeds_by(provider: str) -> None:
    # It has no way to send a key to Ollama.
    @check("vectors", f"{provider}/", on=["open"] if provider == "ollama" else ["keyed", "open"])
    def _(server: Server) -> None:
        same(rows(embed(server, provider, server.texts)), server.vectors(server.texts))


for name in EMBEDS:
    embeds_by(name)


@check("vectors", "openai/ with explicit nulls")
def _(server: Server) -> None:
    nulls = {"encoding_format": None, "dimensions": None, "user": None}
    same(rows(embed(server, "openai", server.texts, **nulls)), server.vectors(server.texts))


@check("vectors", "a model's name with a slash")
def _(server: Server) -> None:
    for provider in ("openai", "cohere", "jina_ai"):
        got = embed(server, provider, server.texts, HUB_NAME)
        same(rows(got), server.vectors(server.texts))


@check("many", "many texts at once")
def _(server: Server) -> None:
    same(rows(embed(server, "openai", server.many)), server.vectors(server.many))


@check("roles", "input_type by openai/ and cohere/")
def _(server: Server) -> None:
    wanted = server.vectors(server.texts, model=PROMPTED, role="query")
    got = embed(server, "openai", server.texts, PROMPTED, extra_body={"input_type": "query"})
    same(rows(got), wanted)
    got = embed(server, "cohere", server.texts, PROMPTED, input_type="search_query")
    same(rows(got), wanted)


@check("shorter", "dimensions by openai/, jina_ai/ and voyage/")
def _(server: Server) -> None:
    wanted = server.vectors(server.texts, model=PROMPTED, dimensions=128)
    allowed = {"dimensions": 128, "allowed_openai_params": ["dimensions"]}
    for provider in ("openai", "jina_ai", "voyage"):
        same(rows(embed(server, provider, server.texts, PROMPTED, **allowed)), wanted)


@check("tokens", "tokens are counted")
def _(server: Server) -> None:
    wanted = server.tokens(server.texts)
    for provider in ("openai", "voyage", "jina_ai", "cohere"):
        usage = embed(server, provider, server.texts).usage
        equal(f"{provider}: tokens", usage.prompt_tokens, wanted)


def reranks_by(provider: str) -> None:
    @check("rerank", f"{provider}/")
    def _(server: Server) -> None:
        answer = litellm.rerank(
            f"{provider}/{VANILLA}",
            query=server.query,
            documents=server.documents,
            top_n=3,
            return_documents=provider != "infinity",  # it wants them as no other does
            api_base=server.url + RERANKS[provider],
            api_key=server.key,
        )
        got = [(one["index"], one["relevance_score"]) for one in answer.results]
        if provider == "huggingface":  # its scores are brought to [0, 1]
            equal("order", [place for place, _ in got], server.order[:3])
        else:
            ranked(got, server, top=3)


for name in RERANKS:
    reranks_by(name)


@check("stores", "pg_vector: search, and a store that is not there")
def _(server: Server) -> None:
    made = httpx.post(
        f"{server.url}/collections",
        json={"name": "litellm"},
        headers={"authorization": f"Bearer {server.key}"} if server.key else {},
    )
    equal("status", made.status_code, 201)
    asked = {
        "query": server.query,
        "custom_llm_provider": "pg_vector",
        "api_base": server.url,
        "api_key": server.key or "none",
    }
    try:
        found = litellm.vector_stores.search(vector_store_id="litellm", **asked)
        equal("object", found["object"], "vector_store.search_results.page")
        equal("results", found["data"], [])
        with refused(litellm.NotFoundError, "nowhere"):
            litellm.vector_stores.search(vector_store_id="nowhere", **asked)
    finally:
        httpx.delete(
            f"{server.url}/collections/litellm",
            headers={"authorization": f"Bearer {server.key}"} if server.key else {},
        )


@check("errors", "unknown model: NotFoundError")
def _(server: Server) -> None:
    with refused(litellm.NotFoundError, NOWHERE):
        embed(server, "openai", ["text"], NOWHERE)


@check("errors", "text too long: ContextWindowExceededError")
def _(server: Server) -> None:
    with refused(litellm.ContextWindowExceededError, "256"):
        embed(server, "openai", [server.too_long])


@check("errors", "wrong key: AuthenticationError", on=["keyed"])
def _(server: Server) -> None:
    for provider in ("openai", "cohere", "voyage", "jina_ai"):
        with refused(litellm.AuthenticationError, "key"):
            embed(server, provider, ["text"], api_key="wrong")


if __name__ == "__main__":
    main("litellm")
