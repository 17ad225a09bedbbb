# pyright: basic, reportMissingImports=false
"""A retriever for Haystack."""

from collections.abc import Mapping
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.utils import Secret

from bindery.errors import InvalidValue
from bindery.retrievers import DEFAULT_ADDRESS, Searched, metadata_of


@component
class HaystackRetriever:
    """Searches a collection on a server, or in a ``workspace`` if one is given.

    ``filters`` are Haystack's, or Bindery's as JSON or text. A pipeline with a workspace cannot be
    saved. Raises the errors of a search.
    """

    def __init__(
        self,
        collection: str = "default",
        *,
        address: str = DEFAULT_ADDRESS,
        api_key: Secret | None = None,
        workspace: Any = None,
        top_k: int = 10,
        filters: Any = None,
        mode: str | None = None,
    ) -> None:
        self.collection = collection
        self.address = address
        self.api_key = api_key
        self.workspace = workspace
        self.top_k = top_k
        self.filters = filters
        self.mode = mode

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """The documents, best first."""
        hits = self._searched.hits(query, **self._options(filters, top_k))
        return {"documents": [*map(_document, hits)]}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """The same without blocking the event loop."""
        hits = await self._searched.hits_async(query, **self._options(filters, top_k))
        return {"documents": [*map(_document, hits)]}

    def to_dict(self) -> dict[str, Any]:
        """What a saved pipeline has of it. Raises InvalidValue with a workspace."""
        if self.workspace is not None:
            raise InvalidValue("A retriever with a workspace cannot be saved.", param="workspace")
        names = ("collection", "address", "top_k", "filters", "mode")
        key = self.api_key.to_dict() if self.api_key else None
        fields = {name: getattr(self, name) for name in names}
        return default_to_dict(self, **fields, api_key=key)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "HaystackRetriever":
        """The inverse of :meth:`to_dict`."""
        fields = data.get("init_parameters", {})
        if isinstance(fields.get("api_key"), dict):
            fields["api_key"] = Secret.from_dict(fields["api_key"])
        return default_from_dict(cls, data)

    @property
    def _searched(self) -> Searched:
        key = self.api_key.resolve_value() if self.api_key else None
        return Searched(self.collection, self.address, key, self.workspace)

    def _options(self, filters: Any, top_k: int | None) -> dict[str, Any]:
        wanted = filters or self.filters
        where = _filter(wanted) if isinstance(wanted, Mapping) else wanted
        top = self.top_k if top_k is None else top_k
        return {"top": top, "filter": where, "mode": self.mode}


_OPERATORS = {"==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_OPERATORS |= {"in": "in", "not in": "nin"}


def _filter(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Haystack's filter as ours; ours as it is. Raises InvalidValue."""
    if "type" in wanted:
        return wanted
    operator = wanted.get("operator")
    if operator in ("AND", "OR", "NOT"):
        parts = [_filter(one) for one in wanted.get("conditions", ())]
        if operator != "NOT":
            return {"type": operator.lower(), "filters": parts}
        return {"type": "not", "filter": {"type": "and", "filters": parts}}
    if operator not in _OPERATORS:
        known = ", ".join([*_OPERATORS, "AND", "OR", "NOT"])
        raise InvalidValue(
            f"Unknown operator {str(operator)[:80]!r} in a filter.",
            remedy=f"Use one of: {known}.",
            param="filters",
        )
    key = str(wanted.get("field", "")).removeprefix("meta.")
    return {"type": _OPERATORS[operator], "key": key, "value": wanted.get("value")}


def _document(hit: Any) -> Document:
    return Document(id=hit["id"], content=hit["text"], meta=metadata_of(hit), score=hit["score"])
