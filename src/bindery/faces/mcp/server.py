"""The tools as a server of the Model Context Protocol, by its SDK (the extra ``mcp``).

The SDK speaks both eras of the protocol: 2025-11-25 and before, which shake hands, and 2026-07-28,
in which each request stands alone. A server has no state of its own.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import anyio
import orjson
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as ListedTool
from starlette.types import Receive, Scope, Send

from bindery import __version__
from bindery.errors import BinderyError
from bindery.faces.mcp.shapes import NOTE
from bindery.faces.mcp.tools import TOOLS, AnyTool, Caller
from bindery.faces.mcp.writing import WRITE_TOOLS, Writer

_log = logging.getLogger(__name__)

# The guard has its own limit, which is lower.
_MOST_BODY_BYTES = 1 << 31

_Context: TypeAlias = ServerRequestContext[Any, Any]
CallTool: TypeAlias = Callable[[AnyTool, dict[str, Any], Any], Awaitable[dict[str, Any]]]
"""Calls a tool with arguments, for the HTTP request that asks for it, if one does."""

OfferTools: TypeAlias = Callable[[Any], Sequence[AnyTool]]
"""The tools for the client of an HTTP request, or of standard input."""

_INSTRUCTIONS = f"""\
Searches the user's own documents. Use `search` to find passages and `fetch` to read them, or \
`search_documents` to search one collection with a filter. Cite a passage by its `url`. {NOTE}"""


def new_server(call: CallTool, offered: OfferTools) -> Server[Any]:
    """A server of the tools. Errors of a tool are answers, which the assistant can read."""

    async def list_tools(context: _Context, _: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_listed(tool) for tool in offered(context.request)])

    async def call_tool(context: _Context, params: CallToolRequestParams) -> CallToolResult:
        tools = {tool.name: tool for tool in offered(context.request)}
        tool = tools.get(params.name)
        if tool is None:
            known = ", ".join(tools)
            raise MCPError(INVALID_PARAMS, f"Unknown tool {params.name[:80]!r}. Known: {known}.")
        try:
            answer = await call(tool, params.arguments or {}, context.request)
        except BinderyError as error:
            return _result(str(error), is_error=True)
        except Exception:  # noqa: BLE001 - a bug: the log gets the traceback, the assistant an answer
            _log.exception("The tool %s failed.", tool.name)
            return _result("Internal error. See the log of Bindery.", is_error=True)
        return _result(orjson.dumps(answer).decode(), structured=answer)

    return Server(
        "bindery",
        version=__version__,
        title="Bindery",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def serve_stdio(caller: Caller) -> None:
    """Answer on standard output what comes on standard input, until it ends."""

    async def call(tool: AnyTool, arguments: dict[str, Any], _: object) -> dict[str, Any]:
        return await anyio.to_thread.run_sync(tool.call, caller, arguments)

    async def serve() -> None:
        tools = (*TOOLS, *(WRITE_TOOLS if isinstance(caller, Writer) else ()))
        server = new_server(call, lambda _: tools)
        async with stdio_server() as (requests, answers):
            await server.run(requests, answers, server.create_initialization_options())

    anyio.run(serve)


async def answer_http(server: Server[Any], scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one HTTP request, without a session."""
    manager = StreamableHTTPSessionManager(
        server, json_response=True, stateless=True, max_request_body_size=_MOST_BODY_BYTES
    )
    async with manager.run():
        await manager.handle_request(scope, receive, send)


def _listed(tool: AnyTool) -> ListedTool:
    return ListedTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.takes.model_json_schema(),
        output_schema=tool.gives.model_json_schema(mode="serialization"),
        annotations=ToolAnnotations(
            read_only_hint=tool.reads_only, destructive_hint=False, open_world_hint=False
        ),
    )


def _result(text: str, *, structured: object = None, is_error: bool = False) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=structured,
        is_error=is_error,
    )
