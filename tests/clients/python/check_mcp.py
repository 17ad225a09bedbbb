"""mcp: the official client of the Model Context Protocol, for Python."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from checking import Server, check, contains, equal, main, refused
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

COLLECTION = "assistants"
TEXT = "# Oak\n\nOak lasts for centuries.\n\n# Ink\n\nInk is made of galls."
REVISIONS = {"2025-11-25": "legacy", "2026-07-28": "2026-07-28", "negotiated": "auto"}


def asked(server: Server, path: str, body: object = None, method: str = "POST") -> Any:
    """The answer of one of our own routes, by which the collection is made."""
    headers = {"authorization": f"Bearer {server.key}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def fill(server: Server) -> None:
    """Make the collection, unless another check has."""
    listed = asked(server, "/collections", method="GET")["collections"]
    if any(one["name"] == COLLECTION for one in listed):
        return
    asked(server, "/collections", {"name": COLLECTION})
    boundary = "b0undary"
    body = (
        f"--{boundary}\r\ncontent-disposition: form-data; name=file; filename=oak.md\r\n\r\n"
        f"{TEXT}\r\n--{boundary}--\r\n"
    ).encode()
    headers = {
        "authorization": f"Bearer {server.key}",
        "content-type": f"multipart/form-data; boundary={boundary}",
    }
    path = f"{server.url}/collections/{COLLECTION}/files"
    with urllib.request.urlopen(urllib.request.Request(path, body, headers)) as answer:
        job = json.load(answer)["job_id"]
    while asked(server, f"/jobs/{job}", method="GET")["state"] not in ("done", "failed"):
        time.sleep(0.1)


def using(
    server: Server, work: Callable[[Client], Awaitable[None]], *, mode: str = "auto", key: str = ""
) -> None:
    """Connect, and do the work."""

    async def run() -> None:
        headers = {"authorization": f"Bearer {key or server.key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                await work(client)

    asyncio.run(run())


@check("search", "search and fetch, with both revisions")
def _(server: Server) -> None:
    fill(server)

    async def work(client: Client) -> None:
        found = await client.call_tool("search", {"query": "How long does oak last?"})
        first = found.structured_content["results"][0]
        contains(first["url"], f"/view/{COLLECTION}/")
        fetched = await client.call_tool("fetch", {"id": first["id"]})
        contains(fetched.structured_content["text"], "centuries", "galls")
        equal("as text", json.loads(fetched.content[0].text), fetched.structured_content)

    for mode in REVISIONS.values():
        using(server, work, mode=mode)


@check("search", "search_documents with a filter, and open_context")
def _(server: Server) -> None:
    fill(server)

    async def work(client: Client) -> None:
        given = {"query": "oak", "collection": COLLECTION, "filter": 'kind = "markdown"'}
        found = (await client.call_tool("search_documents", given)).structured_content
        equal("the file", found["passages"][0]["file"], "oak.md")
        opened = await client.call_tool("open_context", {"id": found["passages"][0]["id"]})
        contains(opened.structured_content["passages"][0]["text"], "Oak")

    using(server, work)


@check("errors", "a wrong argument is an answer that says what to do")
def _(server: Server) -> None:
    fill(server)

    async def work(client: Client) -> None:
        wrong = await client.call_tool("search", {"query": "oak", "limit": 3})
        equal("an error", wrong.is_error, True)
        contains(wrong.content[0].text, "Unknown argument 'limit'")
        with refused(MCPError, "Unknown tool"):
            await client.call_tool("nothing", {})

    using(server, work)


@check("errors", "wrong key: it does not connect", on=["keyed"])
def _(server: Server) -> None:
    async def work(client: Client) -> None:
        await client.list_tools()

    with refused(BaseException):
        using(server, work, key="wrong")


if __name__ == "__main__":
    main("mcp")
