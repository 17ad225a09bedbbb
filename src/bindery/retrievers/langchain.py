# pyright: basic, reportMissingImports=false
"""A retriever for LangChain."""

from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, SecretStr

from bindery.retrievers import DEFAULT_ADDRESS, Searched, metadata_of


class LangChainRetriever(BaseRetriever):
    """Searches a collection on a server, or in a ``workspace`` if one is given.

    ``k`` is the most documents; ``filter`` and ``mode`` are as in :class:`bindery.SearchOptions`.
    All three may also be given to ``invoke``. Raises the errors of a search.
    """

    collection: str = "default"
    address: str = DEFAULT_ADDRESS
    api_key: SecretStr | None = None
    workspace: Any = Field(None, exclude=True, repr=False)
    k: int = 10
    filter: Any = None
    mode: str | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        del run_manager
        return [*map(_document, self._searched.hits(query, **self._options(kwargs)))]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        del run_manager
        hits = await self._searched.hits_async(query, **self._options(kwargs))
        return [*map(_document, hits)]

    @property
    def _searched(self) -> Searched:
        key = self.api_key.get_secret_value() if self.api_key else None
        return Searched(self.collection, self.address, key, self.workspace)

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        chosen = {"k": self.k, "filter": self.filter, "mode": self.mode} | given
        return {"top": chosen.pop("k"), **chosen}


def _document(hit: Any) -> Document:
    return Document(id=hit["id"], page_content=hit["text"], metadata=metadata_of(hit))
