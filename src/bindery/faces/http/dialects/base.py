"""Dialects, and the neutral requests and answers that they translate."""

from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel

from bindery.encoders.base import Encoded
from bindery.errors import InvalidValue
from bindery.faces.http.bodies import RequestBody
from bindery.faces.http.examples import Variants
from bindery.library.reranking import Reranked
from bindery.models.card import ModelCard
from bindery.options import VectorOptions
from bindery.types import DOCUMENT, Role, Truncate
from bindery.vectors import Form, code, to_wire

MAX_ANSWER_BYTES = 64 << 20
"""The largest answer; 2,048 texts of 2,048 values as lists are 50 MB."""

# Bytes per value in an answer: as a number with its comma, and in base64.
_BYTES: Mapping[Form, tuple[float, float]] = {
    Form.FLOAT32: (12, 16 / 3),
    Form.FLOAT16: (12, 8 / 3),
    Form.INT8: (5, 4 / 3),
    Form.BINARY: (5 / 8, 1 / 6),
    Form.UBINARY: (4 / 8, 1 / 6),
}

# XOR with this maps int8 to uint8 by adding 128.
_SIGN = np.uint8(0x80)

Inputs: TypeAlias = list[str] | list[list[int]]
"""Texts, or the token ids of texts."""

Parameters: TypeAlias = Mapping[str, str]
"""Parameters of the path and the query; those of the path win."""


@dataclass(frozen=True, slots=True)
class Output:
    """How vectors are written: lists of numbers, or their little-endian bytes in base64.

    ``is_unsigned`` adds 128 to each int8 code, as in vendors' uint8.
    """

    form: Form = Form.FLOAT32
    base64: bool = False
    is_unsigned: bool = False

    def __post_init__(self) -> None:
        if self.is_unsigned and self.form is not Form.INT8:
            raise InvalidValue(f"Only int8 can be unsigned, got {self.form}.")

    @property
    def name(self) -> str:
        """The vendors' name of the form."""
        return "uint8" if self.is_unsigned else self.form.value

    def check_size(self, values: int) -> None:
        """Raise InvalidValue if an answer with this many values would be too large."""
        size = values * _BYTES[self.form][self.base64]
        if size > MAX_ANSWER_BYTES:
            raise InvalidValue(
                f"The answer would be about {size / (1 << 20):.0f} MB; the limit is "
                f"{MAX_ANSWER_BYTES >> 20} MB.",
                remedy="Request base64, int8 or binary, or send fewer texts at once.",
                param="output",
            )


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """A dialect-neutral request to embed.

    - ``model``: any name of a model; ``""`` is the server's default.
    - ``roles``: in order of preference, see :func:`.inputs.role_of`.
    - ``options``: all but the role, which depends on the model.
    - ``outputs``: the formats of the vectors; most dialects have one.
    - ``first``: return only the first n values of each vector, or the first n vectors of each text
      if a model gives several.
    - ``is_of_model``: token ids are the model's own, whatever the server's setting is.
    - ``each_token``: return a vector for each token.
    - ``compares``: return similarities to the first text instead of vectors.
    - ``chunks_of``: for late chunking, the number of chunks of each document; ``inputs`` are the
      chunks of all documents, one after another.
    """

    model: str
    inputs: Inputs
    options: VectorOptions
    roles: tuple[Role, ...] = (DOCUMENT,)
    titles: Sequence[str | None] | None = None
    outputs: tuple[Output, ...] = (Output(),)
    first: int | None = None
    is_of_model: bool = False
    each_token: bool = False
    compares: bool = False
    chunks_of: Sequence[int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EmbedAnswer:
    """The vectors, and the model that made them.

    ``texts`` are the inputs, decoded if they were ids. ``is_nested`` means that each text has a
    list of vectors.
    """

    card: ModelCard
    precision: str
    texts: Sequence[str]
    encoded: Encoded
    is_nested: bool

    def wire(self, output: Output, *, first: int | None = None) -> dict[str, Any]:
        """The field ``embeddings``, and ``offsets`` and ``scales`` if the form has them.

        Raises InvalidValue if the answer would be too large.
        """
        embeddings = self.encoded.embeddings
        output.check_size(embeddings.rows.size)
        fields = to_wire(code(embeddings, output.form), nested=self.is_nested, first=first)
        rows = fields["embeddings"]
        if output.is_unsigned:
            rows = [row.view(np.uint8) ^ _SIGN for row in rows]
        if output.base64:
            rows = [b2a_base64(row.data, newline=False).decode("ascii") for row in rows]
        return {**fields, "embeddings": rows}


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """A dialect-neutral request to rerank; ``model`` as in :class:`EmbedRequest`."""

    model: str
    query: str
    documents: list[str]
    top_n: int | None = None
    weight: float | None = None
    truncate: Truncate = Truncate.END
    returns_documents: bool = False
    is_raw: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class RerankAnswer:
    """The ranking, and the model that made it."""

    card: ModelCard
    precision: str
    found: Reranked


_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Translation(Generic[_Asked, _Answer]):
    """One route of a dialect: how its requests are read and its answers written.

    - ``paths``: its path, followed by aliases.
    - ``marks``: fields that only this dialect has. If several dialects share a path, a request
      with any of these is read as this one; a dialect without marks reads all others.
    - ``body``, ``answer``, ``examples``, ``parameters``: the JSON in and out, as /docs shows them.
    - ``names``: the dialect's names of our fields, for error messages.
    - ``to_cut``: what a client sends to have long texts cut, for error messages.
    - ``may_nest``: whether answers can hold several vectors per text.
    - ``dialect``: the name of the dialect, filled in by the table of routes.
    """

    paths: tuple[str, ...]
    name: str
    summary: str
    about: str
    body: type[RequestBody]
    answer: type[BaseModel] | Any
    read: Callable[[Any, Parameters], _Asked]
    write: Callable[[_Asked, _Answer], object]
    examples: Variants
    marks: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    to_cut: str = ""
    may_nest: bool = False
    parameters: tuple[Mapping[str, object], ...] = ()
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The routes of a vendor's or another server's API.

    ``others`` are its routes besides embedding and reranking.
    """

    name: str
    embeds: tuple[Translation[EmbedRequest, EmbedAnswer], ...] = ()
    reranks: tuple[Translation[RerankRequest, RerankAnswer], ...] = ()
    others: APIRouter | None = None
