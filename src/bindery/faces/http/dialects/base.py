"""What every dialect is translated to and from, and what a dialect is: data and a translation."""

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
from bindery.types import DOCUMENT, Role, Truncate
from bindery.vectors import Form, code, to_wire

MAX_ANSWER_BYTES = 64 << 20
"""How large vectors may be as an answer; 2,048 texts of 2,048 values as lists are 50 MB."""

# What a value of a vector takes in an answer: as a number and its comma, and in base64.
_BYTES: Mapping[Form, tuple[float, float]] = {
    Form.FLOAT32: (12, 16 / 3),
    Form.FLOAT16: (12, 8 / 3),
    Form.INT8: (5, 4 / 3),
    Form.BINARY: (5 / 8, 1 / 6),
    Form.UBINARY: (4 / 8, 1 / 6),
}

# What turns a byte that counts from -128 into the one that counts from 0.
_SIGN = np.uint8(0x80)

Inputs: TypeAlias = list[str] | list[list[int]]
"""Texts, or the token ids of texts."""

Parameters: TypeAlias = Mapping[str, str]
"""What the address of a request says: of its path and, where they do not meet, of its query."""


@dataclass(frozen=True, slots=True)
class Output:
    """What vectors are written as: lists of numbers, or their little-endian bytes in base64.

    ``is_unsigned`` is for int8 that counts from 0: each code plus 128, as vendors' uint8.
    """

    form: Form = Form.FLOAT32
    base64: bool = False
    is_unsigned: bool = False

    def __post_init__(self) -> None:
        if self.is_unsigned and self.form is not Form.INT8:
            raise InvalidValue(f"Only int8 may be unsigned, not {self.form}.")

    @property
    def name(self) -> str:
        """What vendors call the form."""
        return "uint8" if self.is_unsigned else self.form.value

    def check_size(self, values: int) -> None:
        """Raise InvalidValue where so many values of vectors are too many for one answer."""
        size = values * _BYTES[self.form][self.base64]
        if size > MAX_ANSWER_BYTES:
            raise InvalidValue(
                f"The answer would be about {size / (1 << 20):.0f} MB; the most is "
                f"{MAX_ANSWER_BYTES >> 20}.",
                remedy="Ask for base64, for int8 or binary, or send fewer texts at once.",
                param="output",
            )


@dataclass(frozen=True, slots=True)
class EmbedAsk:
    """What a client wants embedded, in no dialect's words.

    ``model`` is a name of a model, empty for the server's default. ``roles`` are tried in order:
    the first that the model knows is taken, the first of all where it knows none. ``outputs`` are
    what the vectors are written as, mostly one. ``first`` shows so many values of each vector, or
    so many vectors of each text where a model gives several. ``is_of_model`` says that token ids
    are the model's own, whatever the server's setting. ``each_token`` asks for a vector of every
    token. ``chunks_of`` says how many inputs, one after the other, are the chunks of each document:
    they are embedded by late chunking.
    """

    model: str
    inputs: Inputs
    roles: tuple[Role, ...] = (DOCUMENT,)
    truncate: Truncate = Truncate.ERROR
    dimensions: int | None = None
    any_dimensions: bool = False
    rotation: str | None = None
    titles: Sequence[str | None] | None = None
    outputs: tuple[Output, ...] = (Output(),)
    first: int | None = None
    is_of_model: bool = False
    each_token: bool = False
    compares: bool = False
    chunks_of: Sequence[int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EmbedAnswer:
    """The vectors, and what made them.

    ``texts`` are the inputs, decoded where they were ids. ``is_nested`` says that a text has a list
    of vectors.
    """

    card: ModelCard
    precision: str
    texts: Sequence[str]
    encoded: Encoded
    is_nested: bool

    def wire(self, output: Output, *, first: int | None = None) -> dict[str, Any]:
        """The fields ``embeddings`` and where they go with them ``offsets`` and ``scales``.

        Raises InvalidValue where they would be larger than an answer may be.
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
class RerankAsk:
    """Documents to put in order, in no dialect's words; ``model`` as in :class:`EmbedAsk`."""

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
    """The order, and what made it."""

    card: ModelCard
    precision: str
    found: Reranked


_Ask = TypeVar("_Ask")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Translation(Generic[_Ask, _Answer]):
    """One way to ask for an operation, there and back.

    ``paths`` are its route and then the aliases. Where several dialects share a path, one is taken
    for a request that has any of its ``marks``, fields that only it knows; one without marks takes
    all others. ``body`` is the JSON that is sent, ``answer`` what comes back, both as /docs shows
    them with ``examples`` and ``example``; ``parameters`` are what it reads in the address.
    ``names`` are the dialect's own, by ours, for the fields that an error names; ``to_cut`` is how
    a client has a text cut that is too long. ``may_nest`` says that the answer has room for several
    vectors of a text. ``dialect`` is the name of its dialect, which the table of routes fills in.
    """

    paths: tuple[str, ...]
    name: str
    summary: str
    about: str
    body: type[RequestBody]
    answer: type[BaseModel] | Any
    read: Callable[[Any, Parameters], _Ask]
    write: Callable[[_Ask, _Answer], object]
    examples: Variants
    marks: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    to_cut: str = ""
    may_nest: bool = False
    parameters: tuple[Mapping[str, object], ...] = ()
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A vendor's or a server's way to be asked: its routes, and what is its own besides.

    ``others`` are routes that list and describe.
    """

    name: str
    embeds: tuple[Translation[EmbedAsk, EmbedAnswer], ...] = ()
    reranks: tuple[Translation[RerankAsk, RerankAnswer], ...] = ()
    others: APIRouter | None = None
