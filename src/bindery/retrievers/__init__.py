"""Retrievers for LangChain, LlamaIndex and Haystack, over a server or a workspace.

Each module needs the extra of its name: ``pip install "bindery-search[langchain]"``.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx2

from bindery.errors import SourceError, error_from

if TYPE_CHECKING:  # the client of a server needs no models
    from bindery.workspace import Workspace

DEFAULT_ADDRESS = "http://127.0.0.1:8000"
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Searched:
    """A collection to search, on the server at ``address``, or in a ``workspace`` if one is given.

    ``options`` are the fields of :class:`bindery.SearchOptions`; a filter may be JSON or text.
    """

    collection: str
    address: str = DEFAULT_ADDRESS
    api_key: str | None = None
    workspace: "Workspace | None" = None

    def hits(self, query: str, **options: Any) -> list[Mapping[str, Any]]:
        """The hits as they are over HTTP, best first.

        Raises the error of the search, and SourceError if the server does not answer.
        """
        if self.workspace is not None:
            found = self.workspace.search(query, self.collection, **_given(options))
            return [hit.facts(self.address) for hit in found.hits]
        try:
            with httpx2.Client(timeout=_TIMEOUT_S) as client:
                return _hits_of(client.post(**self._request(query, options)))
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error

    async def hits_async(self, query: str, **options: Any) -> list[Mapping[str, Any]]:
        """The same without blocking the event loop."""
        if self.workspace is not None:
            return await asyncio.to_thread(self.hits, query, **options)
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT_S) as client:
                return _hits_of(await client.post(**self._request(query, options)))
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error

    def _request(self, query: str, options: Mapping[str, Any]) -> dict[str, Any]:
        name = quote(self.collection, safe="")
        return {
            "url": f"{self.address.rstrip('/')}/collections/{name}/search",
            "json": {"query": query, **_given(options)},
            "headers": {"authorization": f"Bearer {self.api_key}"} if self.api_key else {},
        }

    def _unreachable(self, error: Exception) -> SourceError:
        return SourceError(
            f"No answer from {self.address}: {error}", remedy="Start it: bindery serve."
        )


def metadata_of(hit: Mapping[str, Any]) -> dict[str, Any]:
    """What documents say of a hit: the attributes of its file, its span, pages, score and url."""
    names = ("file", "file_id", "title", "page", "last_page", "headings", "start", "end", "score")
    about = {name: hit[name] for name in (*names, "url", "text_sha256", "language")}
    return {**hit["attributes"], **about}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _hits_of(answer: httpx2.Response) -> list[Mapping[str, Any]]:
    try:
        body = cast("dict[str, Any]", answer.json())
    except ValueError:
        body = {}
    if answer.is_success and "hits" in body:
        return body["hits"]
    if "error" in body:
        raise error_from(body["error"])
    raise SourceError(f"The server answered with the status {answer.status_code}.")
