"""openai: the client that most others are built on."""

import asyncio

import openai
from checking import (
    HUB_NAME,
    NOWHERE,
    PROMPTED,
    VANILLA,
    Server,
    begins,
    check,
    contains,
    equal,
    exact,
    main,
    packed,
    quantised,
    refused,
    same,
)

# As cl100k has it.
HELLO_WORLD = [15339, 1917]


def client(server: Server, key: str = "", **options: object) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=key or server.key, max_retries=0, **options
    )


def embed(server: Server, texts: object, model: str = VANILLA, **wishes: object) -> list:
    answer = client(server).embeddings.create(model=model, input=texts, **wishes)
    equal("places", [item.index for item in answer.data], list(range(len(answer.data))))
    return [item.embedding for item in answer.data]


@check("vectors", "base64, its default, exactly")
def _(server: Server) -> None:
    exact(embed(server, server.texts), server.vectors(server.texts))


@check("vectors", "encoding_format float")
def _(server: Server) -> None:
    got = embed(server, server.texts, encoding_format="float")
    exact(got, server.vectors(server.texts))


@check("vectors", "a single text; an empty one")
def _(server: Server) -> None:
    for text in (server.texts[0], ""):
        exact(embed(server, text), server.vectors([text]))


@check("vectors", "asynchronously, several at once")
def _(server: Server) -> None:
    async def ask() -> list:
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key=server.key, max_retries=0
        ) as client:
            answers = [client.embeddings.create(model=VANILLA, input=one) for one in server.many]
            return [answer.data[0].embedding for answer in await asyncio.gather(*answers)]

    same(asyncio.run(ask()), server.vectors(server.many))


@check("many", "many texts at once, in order")
def _(server: Server) -> None:
    same(embed(server, server.many), server.vectors(server.many))


@check("roles", "input_type query and document, by extra_body")
def _(server: Server) -> None:
    for role in ("query", "document"):
        got = embed(server, server.texts, PROMPTED, extra_body={"input_type": role})
        same(got, server.vectors(server.texts, model=PROMPTED, role=role))


@check("shorter", "dimensions")
def _(server: Server) -> None:
    got = embed(server, server.texts, PROMPTED, dimensions=128)
    same(got, server.vectors(server.texts, model=PROMPTED, dimensions=128))


@check("shorter", "dimensions that the model does not have are refused")
def _(server: Server) -> None:
    with refused(openai.BadRequestError, "100", param="dimensions"):
        embed(server, server.texts, dimensions=100)


@check("forms", "int8 and bits, by extra_body")
def _(server: Server) -> None:
    def form(name: str) -> list:
        wish = {"output_dtype": name}
        return embed(server, server.texts, encoding_format="float", extra_body=wish)

    wanted = server.vectors(server.texts)
    quantised(form("int8"), wanted)
    packed(form("ubinary"), wanted, low=0)
    packed(form("binary"), wanted, low=-128)


@check("tokens", "tokens are counted")
def _(server: Server) -> None:
    usage = client(server).embeddings.create(model=VANILLA, input=server.texts).usage
    wanted = server.tokens(server.texts)
    equal("usage", (usage.prompt_tokens, usage.total_tokens), (wanted, wanted))


@check("tokens", "token ids of cl100k are read as text")
def _(server: Server) -> None:
    for ids in (HELLO_WORLD, [HELLO_WORLD]):
        exact(embed(server, ids), server.vectors(["hello world"]))


@check("tokens", "token_input model: ids are the model's own", on=["model"])
def _(server: Server) -> None:
    texts = [text for text in server.texts if text.isascii()]
    ids = [server.expected["token_ids"][text] for text in texts]
    same(embed(server, ids), server.vectors(texts))


@check("tokens", "token_input reject: ids are refused", on=["reject"])
def _(server: Server) -> None:
    with refused(openai.BadRequestError, "token", param="input"):
        embed(server, [HELLO_WORLD])


@check("models", "list and retrieve")
def _(server: Server) -> None:
    models = client(server).models
    names = {model.id for model in models.list()}
    equal("both are listed", {VANILLA, PROMPTED} <= names, True)
    for name in (VANILLA, PROMPTED):
        equal("name", models.retrieve(name).id, name)


@check("models", "a name with a slash")
def _(server: Server) -> None:
    equal("max_tokens", client(server).models.retrieve(HUB_NAME).max_tokens, 256)
    exact(embed(server, server.texts, HUB_NAME), server.vectors(server.texts))


@check("errors", "unknown model: NotFoundError, model_not_found")
def _(server: Server) -> None:
    facts = {"code": "model_not_found", "param": "model"}
    with refused(openai.NotFoundError, NOWHERE, **facts) as refusal:
        embed(server, "text", NOWHERE)
    begins(refusal.error.body["message"], server.unknown_model)
    with refused(openai.NotFoundError, NOWHERE, code="model_not_found"):
        client(server).models.retrieve(NOWHERE)


@check("errors", "text too long: BadRequestError, context_length_exceeded")
def _(server: Server) -> None:
    with refused(openai.BadRequestError, "256", code="context_length_exceeded"):
        embed(server, server.too_long)


@check("errors", "wrong input: BadRequestError that names the field")
def _(server: Server) -> None:
    for wrong in ([], ["text", 1], {"text": 1}, [["nested"]]):
        with refused(openai.BadRequestError, "input", type="invalid_request_error"):
            embed(server, wrong)


@check("errors", "wrong key: AuthenticationError", on=["keyed"])
def _(server: Server) -> None:
    wrong = client(server, key="wrong").embeddings
    with refused(openai.AuthenticationError, "key", code="invalid_api_key"):
        wrong.create(model=VANILLA, input="text")


@check("truncation", "truncate end and start, and the answer says so")
def _(server: Server) -> None:
    for side in ("end", "start"):
        raw = client(server).embeddings.with_raw_response.create(
            model=VANILLA, input=server.too_long, extra_body={"truncate": side}
        )
        same([raw.parse().data[0].embedding], [server.expected["cut"][side]])
        cut_tokens = server.tokens([server.too_long]) - 256
        equal("tokens cut", raw.headers["x-bindery-truncated-tokens"], str(cut_tokens))


@check("files", "upload, list, retrieve, content, delete")
def _(server: Server) -> None:
    files = client(server).files
    content = "# Köln\n\nLoose paper gets lost. 北京".encode()
    made = files.create(file=("Bücher.md", content), purpose="user_data")
    facts = (made.object, made.bytes, made.filename, made.purpose)
    equal("the file", facts, ("file", len(content), "Bücher.md", "user_data"))
    equal("retrieved", files.retrieve(made.id), made)
    equal("its content", files.content(made.id).read(), content)
    second = files.create(file=content, purpose="assistants")
    listed = [file.id for file in files.list(limit=1)]
    equal("newest first, page by page", listed[:2], [second.id, made.id])
    equal("by purpose", second.id in [one.id for one in files.list(purpose="user_data")], False)
    for one in (made, second):
        equal("deleted", files.delete(one.id).deleted, True)
        with refused(openai.NotFoundError, one.id, code="unknown_file"):
            files.retrieve(one.id)


@check("files", "an unknown purpose: BadRequestError that names the field")
def _(server: Server) -> None:
    with refused(openai.BadRequestError, "fun", param="purpose"):
        client(server).files.create(file=b"text", purpose="fun")


@check("stores", "create, upload and poll, filter, search, page and delete")
def _(server: Server) -> None:
    stores = client(server).vector_stores
    store = stores.create(name="clients")
    for n, text in enumerate(server.documents):
        file = (f"{n}.txt", text.encode())
        kept = stores.files.upload_and_poll(
            vector_store_id=store.id, file=file, attributes={"n": n}
        )
        equal("status", kept.status, "completed")
    found = stores.search(store.id, query=server.query, max_num_results=2).data
    equal("results", len(found), 2)
    contains(found[0].content[0].text, "ound")
    where = {"type": "eq", "key": "n", "value": 4}
    (train,) = stores.search(store.id, query=server.query, filters=where).data
    equal("text", train.content[0].text, server.documents[4])
    listed = list(stores.files.list(store.id, limit=2))
    equal("files", len(listed), len(server.documents))
    for file in listed:
        client(server).files.delete(file.id)
    equal("left", stores.retrieve(store.id).file_counts.total, 0)
    equal("deleted", stores.delete(store.id).deleted, True)
    with refused(openai.NotFoundError, store.id):
        stores.search(store.id, query=server.query)


@check("request id", "on answers and on errors; one's own comes back")
def _(server: Server) -> None:
    embeddings = client(server).embeddings
    answer = embeddings.create(
        model=VANILLA, input="text", extra_headers={"x-request-id": "mine-7"}
    )
    equal("request id", answer._request_id, "mine-7")
    try:
        embeddings.create(model=NOWHERE, input="text")
    except openai.NotFoundError as error:
        contains(error.request_id, "req_")


if __name__ == "__main__":
    main("openai")
