"""What differs between vendors, as data, and what their answers have in common."""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np

from bindery.models.endpoint import Endpoint
from bindery.types import Role
from bindery.vectors.embeddings import Rows


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request is for: the texts, prompts included, and the role in the vendor's words.

    ``dimensions`` None is the model's own length. ``first`` is the place of the first text among
    those of the caller.
    """

    texts: Sequence[str]
    role: str
    dimensions: int | None = None
    first: int = 0

    def __str__(self) -> str:
        last = self.first + len(self.texts) - 1
        return f"text {last}" if last == self.first else f"texts {self.first} to {last}"


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """The vectors of one request, (n, d) in the order of its texts, and the tokens billed if told.

    They are as the vendor gave them: of any length, and perhaps not finite.
    """

    vectors: Rows
    tokens: int | None


Body: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a vendor is asked, and how it answers.

    ``path`` follows the endpoint's base URL. ``tokens_per_request`` is its limit, by the name of
    the model where that is in the table, else under the empty name. ``roles`` are ours, with the
    vendor's word for each, or None where it has none of its own and takes any name. ``may_cut``
    says that a text too long may be cut without a word. ``write`` makes a request's body; ``read``
    takes an answer's JSON and the number of texts asked for, and raises BadAnswer where they do not
    fit.
    """

    title: str
    path: str
    texts_per_request: int
    tokens_per_request: Mapping[str, int]
    write: Callable[[Endpoint, Ask], Body]
    read: Callable[[object, int], Reply]
    roles: Mapping[Role, str] | None
    takes_empty: bool = True
    may_cut: bool = False

    def most_texts(self, endpoint: Endpoint) -> int:
        """How many texts a request may hold."""
        return endpoint.texts_per_request or self.texts_per_request

    def most_tokens(self, endpoint: Endpoint) -> int:
        """How many tokens the texts of a request may have together."""
        usual = self.tokens_per_request[""]
        return endpoint.tokens_per_request or self.tokens_per_request.get(endpoint.model, usual)


class BadAnswer(Exception):
    """An answer that is not what was asked for; the message says in what."""


def member(value: object, *names: str) -> Any:  # noqa: ANN401 (JSON may hold anything)
    """What lies under ``names`` in nested JSON objects. Raises BadAnswer where nothing does."""
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise BadAnswer(f"it has no {'.'.join(names)}")
        value = cast("dict[str, object]", value)[name]
    return value


def count(value: object, *names: str) -> int | None:
    """The whole number under ``names``, or None: tokens are told by some and not by others."""
    try:
        found = member(value, *names)
    except BadAnswer:
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def listed(value: object, name: str, texts: int) -> list[object]:
    """``value`` as a list of one item for each text."""
    if not isinstance(value, list):
        raise BadAnswer(f"{name} is no list")
    found = cast("list[object]", value)
    if len(found) != texts:
        raise BadAnswer(f"it has {len(found)} vectors for {texts} texts")
    return found


def stacked(vectors: Sequence[object]) -> Rows:
    """Vectors as JSON has them, lists of numbers or base64 of little-endian float32, as (n, d)."""
    rows = [_vector(vector, place) for place, vector in enumerate(vectors)]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise BadAnswer(f"its vectors differ in length: {', '.join(map(str, sorted(widths)))}")
    return np.stack(rows)


def read_data(answer: object, texts: int) -> Reply:
    """``{"data": [{"index", "embedding"}], "usage": {"total_tokens"}}``, in any order."""
    items = listed(member(answer, "data"), "data", texts)
    places = [member(item, "index") for item in items]
    if any(type(place) is not int for place in places) or sorted(places) != list(range(texts)):
        raise BadAnswer(f"the indices of its vectors are not 0 to {texts - 1}, each once")
    by_place = {place: member(item, "embedding") for place, item in zip(places, items, strict=True)}
    vectors = stacked([by_place[place] for place in range(texts)])
    return Reply(vectors, count(answer, "usage", "total_tokens"))


def _vector(value: object, place: int) -> Rows:
    if isinstance(value, str):
        try:
            return np.frombuffer(b64decode(value, validate=True), dtype="<f4").astype(np.float32)
        except ValueError:
            raise BadAnswer(f"vector {place} is no base64 of float32") from None
    if not isinstance(value, list):
        raise BadAnswer(f"vector {place} is neither a list nor base64")
    try:
        row = np.asarray(cast("list[object]", value))
    except ValueError:
        raise BadAnswer(f"vector {place} is nested") from None
    # An array of texts, nulls or lists would be turned into numbers without a word.
    if row.ndim != 1 or row.dtype.kind not in "fiu":
        raise BadAnswer(f"vector {place} holds what is no number")
    # A value beyond float32 becomes infinite here, and is refused with those that are.
    with np.errstate(over="ignore"):
        return row.astype(np.float32)
