"""Filters: an expression over the attributes of files and chunks, as a small tree of values.

One tree has three spellings: these values in Python, the JSON that OpenAI's vector stores use
(:func:`filter_from_json`), and a short text (:mod:`.text`).

The rules, the same in all of them:

- A missing attribute and ``null`` are the same: every comparison with it is false.
- ``not`` is the complement. ``ne`` is ``not eq`` and ``nin`` is ``not in``, so both hold for a
  missing attribute; a filter and its ``not`` together hold for everything.
- An empty ``in`` holds for nothing and an empty ``nin`` for everything. An empty ``and`` or ``or``
  is refused: only an absent filter searches everything.
- 2 equals 2.0. ``true`` is not 1, and text is not a number: a value of another type than the
  attribute's is refused.
- A filter has at most 1,000 comparisons, of which each value of ``in`` and ``nin`` is one, and 32
  levels.
- A date is compared as a moment. Without a time it is the beginning of the day, without a zone UTC.
- Names and text are compared in their composed form (NFC), by their exact case; order is that of
  code points.
- A list holds for ``eq`` and ``in`` if any of its items does; ``contains`` on a list is the same as
  ``eq``, on text it finds a part.
"""

import math
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, TypeAlias, cast

from bindery.errors import InvalidValue

Scalar: TypeAlias = str | bool | int | float
"""A value of an attribute. A date is text in ISO 8601; Python's are accepted and become that."""


class Operator(StrEnum):
    """How an attribute is compared with a value."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NIN = "nin"
    CONTAINS = "contains"
    PREFIX = "prefix"
    EXISTS = "exists"


MOST_DEPTH = 32
MOST_PARTS = 1000
"""Comparisons of a filter. Each value of an ``in`` or ``nin`` counts as one."""
_LIKE = 'Write it like {"type": "eq", "key": "language", "value": "en"}.'
_LISTS = (Operator.IN, Operator.NIN)


@dataclass(frozen=True, slots=True)
class Compare:
    """An attribute compared with a value: a tuple for ``in`` and ``nin``, True for ``exists``."""

    key: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...]
    size: int = field(init=False, repr=False, compare=False, default=1)
    depth: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        if isinstance(self.value, tuple) != (self.operator in _LISTS):
            needs = "a list" if self.operator in _LISTS else "a single value"
            raise _invalid(f"{self.operator} on {self.key[:80]!r} needs {needs}.")
        items = self.value if isinstance(self.value, tuple) else (self.value,)
        _limit(self, len(items))
        clean = tuple(_clean(item, self.key) for item in items)
        if self.operator is Operator.EXISTS and not isinstance(clean[0], bool):
            raise _invalid(
                f"exists on {self.key[:80]!r} needs true or false, got {clean[0]!r:.80}."
            )
        object.__setattr__(self, "key", unicodedata.normalize("NFC", self.key))
        object.__setattr__(self, "value", clean if isinstance(self.value, tuple) else clean[0])


@dataclass(frozen=True, slots=True)
class Not:
    """Holds for everything that the expression does not hold for."""

    part: "Filter"
    size: int = field(init=False, repr=False, compare=False, default=1)
    depth: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        _limit(self, self.part.size, 1 + self.part.depth)


@dataclass(frozen=True, slots=True)
class And:
    """Holds if every part does."""

    parts: tuple["Filter", ...]
    size: int = field(init=False, repr=False, compare=False, default=1)
    depth: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        _combine(self, self.parts, "and")


@dataclass(frozen=True, slots=True)
class Or:
    """Holds if any part does."""

    parts: tuple["Filter", ...]
    size: int = field(init=False, repr=False, compare=False, default=1)
    depth: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        _combine(self, self.parts, "or")


Filter: TypeAlias = Compare | Not | And | Or
"""What may be searched."""


def filter_from_json(value: object) -> Filter:
    """The filter of a JSON value. Raises InvalidValue that names what is wrong.

    ``{"type": "eq", "key": "lang", "value": "en"}`` compares, and
    ``{"type": "and", "filters": [...]}``, ``{"type": "or", ...}`` and
    ``{"type": "not", "filter": {...}}`` combine.
    """
    return _Reader().read(value, 0)


class _Reader:
    """Reads one filter, and counts its comparisons, to stop as soon as it is too large."""

    def __init__(self) -> None:
        self._parts = 0

    def read(self, value: object, depth: int) -> Filter:
        check_size(self._parts, depth)
        if not isinstance(value, Mapping):
            raise _invalid(f"A filter must be a JSON object, got {type(value).__name__}.")
        fields = cast("Mapping[str, object]", value)
        kind = fields.get("type")
        if kind in ("and", "or"):
            _check_names(fields, {"type", "filters"})
            parts = fields.get("filters")
            if not isinstance(parts, Sequence) or isinstance(parts, str):
                raise _invalid(f'"filters" of {kind} must be a list.')
            read = tuple(self.read(part, depth + 1) for part in cast("Sequence[object]", parts))
            return And(read) if kind == "and" else Or(read)
        if kind == "not":
            _check_names(fields, {"type", "filter"})
            return Not(self.read(fields.get("filter"), depth + 1))
        found = _compare(fields)
        self._parts += found.size
        return found


def _compare(fields: Mapping[str, object]) -> Compare:
    kind, key = fields.get("type"), fields.get("key")
    if kind not in list(Operator):
        known = ", ".join([*Operator, "and", "or", "not"])
        raise _invalid(f"Unknown filter type {str(kind)[:80]!r}.", remedy=f"Use one of: {known}.")
    operator = Operator(str(kind))
    _check_names(fields, {"type", "key", "value"})
    if not isinstance(key, str) or not key:
        raise _invalid(f'"key" of {operator} must be the name of an attribute.')
    value = fields.get("value", True if operator is Operator.EXISTS else None)
    if isinstance(value, (list, tuple)):
        value = tuple(cast("Sequence[Any]", value))
    return Compare(key, operator, cast("Any", value))


def _check_names(fields: Mapping[str, object], known: set[str]) -> None:
    if unknown := sorted(set(map(str, fields)) - known):
        names = ", ".join(sorted(known))
        raise _invalid(
            f"Unknown field {unknown[0][:80]!r} in a filter.", remedy=f"It has: {names}."
        )


def _combine(one: "And | Or", parts: Sequence[Filter], kind: str) -> None:
    if not parts:
        raise _invalid(
            f"An empty {kind!r} is not a filter.",
            remedy="Leave the filter out to search everything.",
        )
    _limit(one, sum(part.size for part in parts), 1 + max(part.depth for part in parts))


def _limit(one: Filter, size: int, depth: int = 0) -> None:
    check_size(size, depth)
    object.__setattr__(one, "size", max(size, 1))
    object.__setattr__(one, "depth", depth)


def check_size(size: int, depth: int = 0) -> None:
    """Raise InvalidValue for a filter of too many comparisons or levels."""
    if size > MOST_PARTS:
        raise _invalid(
            f"A filter can have at most {MOST_PARTS:,} comparisons and values in lists, "
            f"got {size:,}.",
            remedy="Compare an attribute that all wanted files share, or send several searches.",
        )
    if depth > MOST_DEPTH:
        raise _invalid(
            f"A filter can have at most {MOST_DEPTH} levels, got {depth}.",
            remedy="Combine more parts in one and, or or.",
        )


def _clean(value: object, key: str) -> Scalar:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise _invalid(f"The value of {key[:80]!r} must be finite, got {value}.")
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise _invalid(f"The value of {key[:80]!r} is too large.")
    if not isinstance(value, (bool, int, float)):
        given = "null" if value is None else type(value).__name__
        raise _invalid(
            f"The value of {key[:80]!r} must be text, a number, true or false, got {given}.",
            remedy='A missing one is found by {"type": "exists", "key": ..., "value": false}.',
        )
    return value


def _invalid(message: str, remedy: str = _LIKE) -> InvalidValue:
    return InvalidValue(message, remedy=remedy, param="filter")


def filter_to_json(where: Filter) -> dict[str, Any]:
    """The JSON value that :func:`filter_from_json` reads as this filter."""
    match where:
        case Compare():
            return {"type": str(where.operator), "key": where.key, "value": where.value}
        case Not():
            return {"type": "not", "filter": filter_to_json(where.part)}
        case And() | Or():
            kind = "and" if isinstance(where, And) else "or"
            return {"type": kind, "filters": [filter_to_json(part) for part in where.parts]}
