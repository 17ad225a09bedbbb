"""The vendors' APIs as data, and how requests are written and answers read."""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np

from bindery.models.endpoint import Endpoint, Vendor
from bindery.types import Role
from bindery.vectors.embeddings import Rows


@dataclass(frozen=True, slots=True)
class VendorRequest:
    """The content of one request: texts with their prompts, and the role in the vendor's terms.

    ``dimensions`` None is the model's default. ``first`` is the index of the first text among the
    caller's texts.
    """

    texts: Sequence[str]
    role: str
    dimensions: int | None = None
    first: int = 0

    def __str__(self) -> str:
        last = self.first + len(self.texts) - 1
        return f"text {last}" if last == self.first else f"texts {self.first} to {last}"


@dataclass(frozen=True, slots=True, eq=False)
class VendorReply:
    """The vectors of one request, (n, d) in the order of its texts, and the billed tokens if given.

    The vectors are not checked: they may have any length, and may not be finite.
    """

    vectors: Rows
    tokens: int | None


Body: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class VendorApi:
    """A vendor's API.

    ``path`` is relative to the endpoint's base URL. ``tokens_per_request`` is the limit by model,
    with ``""`` for all others. ``roles`` maps our roles to the vendor's terms; None means that any
    name is sent as it is. ``may_cut``: texts that are too long may be cut silently. ``fields``
    makes the fields of a request beside the model, and ``dimensions`` is the vendor's name of that
    field. ``read`` takes the JSON of an answer and the number of texts, and raises BadAnswer if
    they do not match.
    """

    title: str
    path: str
    texts_per_request: int
    tokens_per_request: Mapping[str, int]
    dimensions: str
    fields: Callable[[Endpoint, VendorRequest], Body]
    read: Callable[[object, int], VendorReply]
    roles: Mapping[Role, str] | None
    takes_empty: bool = True
    may_cut: bool = False

    def body(self, endpoint: Endpoint, request: VendorRequest) -> Body:
        """The body of a request."""
        size = request.dimensions
        shorter: Body = {} if size is None else {self.dimensions: size}
        return {"model": endpoint.model, **self.fields(endpoint, request), **shorter}

    def most_texts(self, endpoint: Endpoint) -> int:
        """How many texts a request may hold."""
        return endpoint.texts_per_request or self.texts_per_request

    def most_tokens(self, endpoint: Endpoint) -> int:
        """How many tokens a request may hold."""
        usual = self.tokens_per_request[""]
        return endpoint.tokens_per_request or self.tokens_per_request.get(endpoint.model, usual)


class BadAnswer(Exception):
    """An answer does not match its request; the message says why."""


def member(value: object, *names: str) -> Any:  # noqa: ANN401 - JSON may hold anything
    """The value at a path of ``names`` in nested JSON objects, or BadAnswer if there is none."""
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise BadAnswer(f"it has no {'.'.join(names)}")
        value = cast("dict[str, object]", value)[name]
    return value


def _count(value: object, *names: str) -> int | None:
    """The integer at a path of ``names``, or None: not every vendor reports tokens."""
    try:
        found = member(value, *names)
    except BadAnswer:
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _listed(value: object, name: str, texts: int) -> list[object]:
    """``value`` as a list with one item for each text."""
    if not isinstance(value, list):
        raise BadAnswer(f"{name} is not a list")
    found = cast("list[object]", value)
    if len(found) != texts:
        raise BadAnswer(f"it has {len(found)} vectors for {texts} texts")
    return found


def _stacked(vectors: Sequence[object]) -> Rows:
    """Vectors in JSON, as lists of numbers or base64 of little-endian float32, as (n, d)."""
    rows = [_vector(vector, index) for index, vector in enumerate(vectors)]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise BadAnswer(f"its vectors differ in length: {', '.join(map(str, sorted(widths)))}")
    return np.stack(rows)


def _read_data(answer: object, texts: int) -> VendorReply:
    """``{"data": [{"index", "embedding"}], "usage": {"total_tokens"}}``, in any order."""
    items = _listed(member(answer, "data"), "data", texts)
    indices = [member(item, "index") for item in items]
    if any(type(index) is not int for index in indices) or sorted(indices) != list(range(texts)):
        raise BadAnswer(f"the indices of its vectors are not 0 to {texts - 1}, each once")
    found = {index: member(item, "embedding") for index, item in zip(indices, items, strict=True)}
    vectors = _stacked([found[index] for index in range(texts)])
    return VendorReply(vectors, _count(answer, "usage", "total_tokens"))


def _vector(value: object, index: int) -> Rows:
    if isinstance(value, str):
        try:
            return np.frombuffer(b64decode(value, validate=True), dtype="<f4").astype(np.float32)
        except ValueError:
            raise BadAnswer(f"vector {index} is not base64 of float32") from None
    if not isinstance(value, list):
        raise BadAnswer(f"vector {index} is neither a list nor base64")
    try:
        row = np.asarray(cast("list[object]", value))
    except ValueError:
        raise BadAnswer(f"vector {index} is nested") from None
    # An array of strings, nulls or lists would silently be converted to numbers.
    if row.ndim != 1 or row.dtype.kind not in "fiu":
        raise BadAnswer(f"vector {index} holds a value that is not a number")
    # A value beyond float32 becomes infinite here, and is refused later.
    with np.errstate(over="ignore"):
        return row.astype(np.float32)


# https://platform.openai.com/docs/api-reference/embeddings, and every compatible server.


def _openai_fields(endpoint: Endpoint, request: VendorRequest) -> Body:
    role: Body = {"input_type": request.role} if endpoint.sends_role else {}
    return {"input": request.texts, "encoding_format": endpoint.encoding_format.value, **role}


_OPENAI = VendorApi(
    title="OpenAI",
    path="/embeddings",
    texts_per_request=2048,
    tokens_per_request={"": 300_000},
    dimensions="dimensions",
    fields=_openai_fields,
    read=_read_data,
    roles=None,
    # OpenAI refuses a text that is too long, but some compatible servers cut it.
    may_cut=True,
)


# Version 2: https://docs.cohere.com/reference/embed


def _read_cohere(answer: object, texts: int) -> VendorReply:
    vectors = _listed(member(answer, "embeddings", "float"), "embeddings.float", texts)
    return VendorReply(_stacked(vectors), _count(answer, "meta", "billed_units", "input_tokens"))


_COHERE = VendorApi(
    title="Cohere",
    path="/v2/embed",
    texts_per_request=96,
    # No limit is documented. This one keeps what is repeated after a fault small.
    tokens_per_request={"": 1_000_000},
    dimensions="output_dimension",
    fields=lambda _, request: {
        "texts": request.texts,
        "input_type": request.role,
        "embedding_types": ["float"],
        "truncate": "NONE",
    },
    read=_read_cohere,
    roles={
        "query": "search_query",
        "document": "search_document",
        "classification": "classification",
        "clustering": "clustering",
    },
)


# https://docs.voyageai.com/reference/embeddings-api


_VOYAGE = VendorApi(
    title="Voyage",
    path="/embeddings",
    texts_per_request=1000,
    tokens_per_request={
        # All others, such as voyage-4-large and voyage-code-3.
        "": 120_000,
        "voyage-4-lite": 1_000_000,
        "voyage-3.5-lite": 1_000_000,
        "voyage-4": 320_000,
        "voyage-3.5": 320_000,
        "voyage-2": 320_000,
    },
    dimensions="output_dimension",
    fields=lambda _, request: {
        "input": request.texts,
        "input_type": request.role,
        "truncation": False,
        "output_dtype": "float",
    },
    read=_read_data,
    roles={"query": "query", "document": "document"},
    takes_empty=False,
)


VENDOR_APIS: Mapping[Vendor, VendorApi] = {
    Vendor.OPENAI: _OPENAI,
    Vendor.COHERE: _COHERE,
    Vendor.VOYAGE: _VOYAGE,
}
"""Another vendor is a row here."""
