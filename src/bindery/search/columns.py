"""Attributes as columns, and filters over them as masks.

An attribute has one type, which its first value fixes: later values of another type are refused.
Text that is written as a date, such as ``2024-12-31``, is a date, because JSON and the command line
have no other way to give one.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import reduce
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from bindery.errors import InvalidValue, did_you_mean
from bindery.filters import And, Compare, Filter, Not, Operator, Or, Scalar

Mask: TypeAlias = npt.NDArray[np.bool_]
AttributeValue: TypeAlias = Scalar | tuple[str, ...]
"""A value of an attribute as it is kept: text, number, boolean, or a list of text."""

# Above this a float64 no longer holds every integer.
_MOST_INTEGER = 1 << 53
_MOST_KEY = 200
_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}(:?\d{2})?)?)?"
)


class AttributeType(StrEnum):
    """What values an attribute has."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TEXTS = "list of text"


def type_of(value: AttributeValue) -> AttributeType:
    """The type of a value."""
    if isinstance(value, str):
        return AttributeType.DATE if is_date(value) else AttributeType.TEXT
    if isinstance(value, bool):
        return AttributeType.BOOLEAN
    if isinstance(value, (int, float)):
        return AttributeType.NUMBER
    return AttributeType.TEXTS


def check_attribute(key: str, value: object, schema: Mapping[str, AttributeType]) -> AttributeValue:
    """A value as it is kept. Raises InvalidValue for one that the attribute cannot have."""
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        if not all(isinstance(item, str) for item in items):
            raise _wrong(key, "a list may only contain text", param="attributes")
        clean: AttributeValue = tuple(_composed(str(item)) for item in items)
    elif isinstance(value, (str, date)):
        clean = _composed(value if isinstance(value, str) else value.isoformat())
    elif isinstance(value, bool):
        clean = value
    elif isinstance(value, (int, float)):
        if abs(value) > _MOST_INTEGER if isinstance(value, int) else not np.isfinite(value):
            raise _wrong(
                key,
                f"a number must be finite and exact in 64 bits, got {value}",
                param="attributes",
            )
        clean = value
    else:
        raise _wrong(
            key,
            f"values are text, numbers, dates, booleans or lists of text, got {value!r:.80}",
            param="attributes",
        )
    expected = schema.get(key, type_of(clean))
    is_text = isinstance(clean, str)
    if expected is AttributeType.DATE and is_text:
        seconds_of(clean, key, param="attributes")
    elif type_of(clean) is not expected and not (is_text and expected is AttributeType.TEXT):
        raise _wrong(
            key,
            f"it is a {expected}, got a {type_of(clean)}: {clean!r:.80}",
            param="attributes",
        )
    return clean


def is_date(text: str) -> bool:
    """Whether a text is written as a date, with or without a time and a zone."""
    if not _DATE.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:  # such as month 13
        return False
    return True


def check_key(key: str) -> str:
    """The name of an attribute in composed form (NFC). Raises InvalidValue for an empty one."""
    clean = _composed(key).strip()
    if not clean or len(clean) > _MOST_KEY or not clean.isprintable():
        raise InvalidValue(
            f"{key[:80]!r} cannot be the name of an attribute.",
            remedy=f"Choose 1 to {_MOST_KEY} printable characters.",
            param="attributes",
        )
    return clean


def seconds_of(text: str, key: str, *, param: str = "filter") -> float:
    """A date in ISO 8601 as seconds since 1970; without a zone it is UTC.

    Raises InvalidValue about ``param``.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(
            key,
            f"a date is written like 2024-12-31 or 2024-12-31T23:59:00Z, got {text!r:.80}",
            param=param,
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class AttributeColumn(Protocol):
    """The values of one attribute for n rows."""

    @property
    def type(self) -> AttributeType:
        """What values it has."""
        ...

    @property
    def present(self) -> Mask:
        """Which rows (n,) have a value."""
        ...

    def compare(self, operator: Operator, value: Scalar | tuple[Scalar, ...]) -> Mask:
        """Which rows (n,) hold for eq, in, gt, gte, lt, lte, contains or prefix.

        Never those without a value. For ``in``, the value is a tuple.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class NumberColumn:
    """Numbers, booleans (0 and 1) or dates (seconds) as (n,) float64; NaN is missing."""

    key: str
    type: AttributeType
    values: npt.NDArray[np.float64]

    @property
    def present(self) -> Mask:
        """Which rows have a value."""
        return ~np.isnan(self.values)

    def compare(self, operator: Operator, value: Scalar | tuple[Scalar, ...]) -> Mask:
        """Which rows hold."""
        if isinstance(value, tuple):
            return np.isin(self.values, [self._number(item) for item in value])
        number = self._number(value)
        compare = _ORDERS.get(operator)
        if compare is None or (self.type is AttributeType.BOOLEAN and operator is not Operator.EQ):
            raise _wrong(self.key, f"{operator} does not apply to a {self.type}")
        return compare(self.values, number)

    def _number(self, value: Scalar) -> float:
        if self.type is AttributeType.DATE and isinstance(value, str):
            return seconds_of(value, self.key)
        if self.type is type_of(value):
            return float(cast("float", value))
        raise _wrong(self.key, f"it is a {self.type}, compared with {value!r:.80}")


_ORDERS: Mapping[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQ: np.equal,
    Operator.GT: np.greater,
    Operator.GTE: np.greater_equal,
    Operator.LT: np.less,
    Operator.LTE: np.less_equal,
}


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """Texts, or lists of texts, as codes into ``distinct``, which is sorted.

    IndexRow r has the codes ``codes[starts[r]:starts[r + 1]]``: none if the value is missing.
    """

    key: str
    type: AttributeType
    distinct: Sequence[str]
    codes: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]

    @property
    def present(self) -> Mask:
        """Which rows have a value."""
        return np.diff(self.starts) > 0

    def compare(self, operator: Operator, value: Scalar | tuple[Scalar, ...]) -> Mask:
        """Which rows hold: in a list, any item."""
        texts = [self._text(item) for item in (value if isinstance(value, tuple) else (value,))]
        text, chosen = texts[0] if texts else "", frozenset(texts)
        tests: Mapping[Operator, Callable[[str], bool]] = {
            Operator.EQ: lambda one: one == text,
            Operator.IN: lambda one: one in chosen,
            Operator.GT: lambda one: one > text,
            Operator.GTE: lambda one: one >= text,
            Operator.LT: lambda one: one < text,
            Operator.LTE: lambda one: one <= text,
            Operator.PREFIX: lambda one: one.startswith(text),
            Operator.CONTAINS: (
                (lambda one: one == text)
                if self.type is AttributeType.TEXTS
                else (lambda one: text in one)
            ),
        }
        holds = np.fromiter(map(tests[operator], self.distinct), np.bool_, len(self.distinct))
        found = np.zeros(len(self.starts) - 1, dtype=np.bool_)
        rows = np.repeat(np.arange(len(found)), np.diff(self.starts))
        found[rows[holds[self.codes]]] = True
        return found

    def _text(self, value: Scalar) -> str:
        if not isinstance(value, str):
            raise _wrong(self.key, f"it is a {self.type}, compared with {value!r:.80}")
        return value


def column_of(
    key: str, values: Sequence[AttributeValue | None], type_: AttributeType
) -> NumberColumn | TextColumn:
    """The column of values, None for missing ones."""
    if type_ is AttributeType.DATE:
        seconds = [np.nan if one is None else seconds_of(str(one), key) for one in values]
        return NumberColumn(key, type_, np.array(seconds, dtype=np.float64))
    if type_ in (AttributeType.NUMBER, AttributeType.BOOLEAN):
        numbers = [np.nan if one is None else float(cast("float", one)) for one in values]
        return NumberColumn(key, type_, np.array(numbers, dtype=np.float64))
    lists = [
        () if one is None else one if isinstance(one, tuple) else (str(one),) for one in values
    ]
    # Names of files, titles and headings are kept as they were written.
    lists = [tuple(map(_composed, items)) for items in lists]
    distinct = sorted({item for items in lists for item in items})
    numbers_of = {text: number for number, text in enumerate(distinct)}
    codes = np.array([numbers_of[item] for items in lists for item in items], dtype=np.int32)
    starts = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum([len(items) for items in lists], out=starts[1:])
    return TextColumn(key, type_, distinct, codes, starts)


def mask_of(one: Filter, column: Callable[[str], AttributeColumn]) -> Mask:
    """Which rows (n,) a filter holds for; ``column`` gives the column of a key, or raises."""
    match one:
        case Not(part):
            return ~mask_of(part, column)
        case And(parts):
            return reduce(np.logical_and, (mask_of(part, column) for part in parts))
        case Or(parts):
            return reduce(np.logical_or, (mask_of(part, column) for part in parts))
        case Compare(key, operator, value):
            return _compared(column(key), operator, value)


def _compared(
    column: AttributeColumn, operator: Operator, value: Scalar | tuple[Scalar, ...]
) -> Mask:
    if operator is Operator.EXISTS:
        return column.present if value else ~column.present
    if operator in _COMPLEMENTS:
        return ~column.compare(_COMPLEMENTS[operator], value)
    return column.compare(operator, value)


_COMPLEMENTS: Mapping[Operator, Operator] = {
    Operator.NE: Operator.EQ,
    Operator.NIN: Operator.IN,
}


def unknown_key(key: str, known: Sequence[str]) -> InvalidValue:
    """The error for an attribute that the collection does not have."""
    hint = did_you_mean(key, known, f"Known: {', '.join(sorted(known))}.")
    return InvalidValue(
        f"Unknown attribute {key[:80]!r} in the filter.", remedy=hint, param="filter"
    )


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _wrong(key: str, why: str, *, param: str = "filter") -> InvalidValue:
    remedy = {
        "filter": "Compare it with a value of its type, by an operator that the type has.",
        "attributes": "Change the value, or give the attribute another name.",
    }[param]
    return InvalidValue(f"Attribute {key[:80]!r}: {why}.", remedy=remedy, param=param)
