"""``POST /mcp``: the tools of the Model Context Protocol over streamable HTTP, without sessions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Send
from starlette.types import Scope as AsgiScope

from bindery.errors import BinderyError
from bindery.faces.http.bodies import read_body
from bindery.faces.http.gate.access import identity_of
from bindery.faces.http.observing.timings import note_error
from bindery.faces.http.services import (
    Services,
    collections_of,
    files_of,
    public_address,
    services_of,
)
from bindery.faces.mcp import check_installed
from bindery.faces.mcp.tools import TOOLS, AnyTool, Caller
from bindery.faces.mcp.writing import WRITE_TOOLS, Writer
from bindery.store.keys import Scope

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

router = APIRouter(include_in_schema=False, tags=["MCP"])


@router.post("/mcp")
async def call_mcp(request: Request) -> Response:
    """One message of a client, answered at once. Raises ExtraMissing."""
    services = services_of(request)
    raw = await read_body(request)  # the SDK logs a traceback if the client leaves meanwhile
    server = getattr(request.app.state, "mcp", None)
    if server is None:
        server = request.app.state.mcp = await services.looking.run(_new_server)
        # Start at 0: Prometheus computes no rate for a counter that first appears as 1.
        outcomes = [(tool.name, one) for tool in (*TOOLS, *WRITE_TOOLS) for one in ("ok", "error")]
        services.meters.tool_calls.update(dict.fromkeys(outcomes, 0))
    return _McpResponse(server, raw)


class _McpResponse(Response):
    """The answer of the SDK, which writes it itself."""

    def __init__(self, server: "Server[Any]", raw: bytes) -> None:
        super().__init__()
        self._server = server
        self._unread: Message | None = {"type": "http.request", "body": raw, "more_body": False}

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        from bindery.faces.mcp.server import answer_http  # imported already, see _new_server

        async def receive_again() -> Message:
            unread, self._unread = self._unread, None
            return unread or await receive()

        await answer_http(self._server, scope, receive_again, send)


def _new_server() -> "Server[Any]":
    check_installed()
    # The SDK takes a second to import.
    from bindery.faces.mcp.server import new_server

    return new_server(_call, _offered)


def _offered(request: Request) -> Sequence[AnyTool]:
    """The tools for the key of a request: those that write need the setting and more scopes."""
    allowed = services_of(request).settings.mcp_writes
    can_write = allowed and identity_of(request).scopes >= {Scope.COLLECTIONS, Scope.FILES}
    return (*TOOLS, *(WRITE_TOOLS if can_write else ()))


def _work(request: Request, tool: AnyTool, arguments: dict[str, Any]) -> dict[str, Any]:
    services = services_of(request)
    collections, address = collections_of(request), public_address(request)
    if tool.reads_only:
        return tool.call(Caller(collections, address), arguments)
    writer = Writer(
        collections,
        address,
        files=files_of(request),
        jobs=lambda: services.jobs,
        owner=identity_of(request).key_id,
        limit_bytes=services.settings.upload_limit_bytes,
    )
    return tool.call(writer, arguments)


async def _call(tool: AnyTool, arguments: dict[str, Any], request: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's
    services: Services = services_of(request)
    pool = services.ranking if tool.reads_only else services.adding
    outcome = "error"
    try:
        answer = await pool.run(_work, request, tool, arguments)
        outcome = "ok"
    except BinderyError as error:
        note_error(request.scope, error)
        raise
    finally:
        services.meters.tool_calls[tool.name, outcome] += 1
    return answer
