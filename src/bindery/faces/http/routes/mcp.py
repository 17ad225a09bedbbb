"""``POST /mcp``: the tools of the Model Context Protocol over streamable HTTP, without sessions."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bindery.errors import BinderyError
from bindery.faces.http.observing.timings import note_error, timings_of
from bindery.faces.http.services import (
    Services,
    collections_of,
    public_address,
    services_of,
)
from bindery.faces.mcp import check_installed
from bindery.faces.mcp.tools import Caller, Tool

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

router = APIRouter(include_in_schema=False)


@router.post("/mcp")
async def call_mcp(request: Request) -> Response:
    """One message of a client, answered at once. Raises ExtraMissing."""
    services = services_of(request)
    timings_of(request).dialect = "mcp"
    server = getattr(request.app.state, "mcp", None)
    if server is None:
        server = request.app.state.mcp = await services.looking.run(_new_server)
    return _McpResponse(server)


class _McpResponse(Response):
    """The answer of the SDK, which writes it itself."""

    def __init__(self, server: "Server[Any]") -> None:
        super().__init__()
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from bindery.faces.mcp.server import answer_http  # imported already, see _new_server

        await answer_http(self._server, scope, receive, send)


def _new_server() -> "Server[Any]":
    check_installed()
    # The SDK takes a second to import.
    from bindery.faces.mcp.server import new_server

    return new_server(_call)


async def _call(tool: Tool[Any, Any], arguments: dict[str, Any], request: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's
    services: Services = services_of(request)
    caller = Caller(collections_of(request), public_address(request))
    try:
        return await services.ranking.run(tool.call, caller, arguments)
    except BinderyError as error:
        note_error(request.scope, error)
        raise
