# pyright: basic, reportMissingImports=false
"""A retriever for LlamaIndex."""

from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from bindery.retrievers import DEFAULT_ADDRESS, Searched, metadata_of


class LlamaIndexRetriever(BaseRetriever):
    """Searches a collection on a server, or in a ``workspace`` if one is given.

    ``options`` are the fields of :class:`bindery.SearchOptions`, such as ``filter``. Raises the
    errors of a search.
    """

    def __init__(
        self,
        collection: str = "default",
        *,
        address: str = DEFAULT_ADDRESS,
        api_key: str | None = None,
        workspace: Any = None,
        similarity_top_k: int = 10,
        callback_manager: Any = None,
        **options: Any,
    ) -> None:
        self._searched = Searched(collection, address, api_key, workspace)
        self._options = {"top": similarity_top_k, **options}
        super().__init__(callback_manager=callback_manager)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [*map(_node, self._searched.hits(query_bundle.query_str, **self._options))]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = await self._searched.hits_async(query_bundle.query_str, **self._options)
        return [*map(_node, hits)]


def _node(hit: Any) -> NodeWithScore:
    span = {"start_char_idx": hit["start"], "end_char_idx": hit["end"]}
    node = TextNode(id_=hit["id"], text=hit["text"], metadata=metadata_of(hit), **span)
    return NodeWithScore(node=node, score=hit["score"])
