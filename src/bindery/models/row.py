"""A TOML table that is read key by key, each with what reads its value."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar, cast

from bindery.errors import InvalidValue

_Value = TypeVar("_Value")
_Default = TypeVar("_Default")


class Row:
    """A table that knows which of its keys nobody asked for; ``where`` is what errors call it."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = values
        self._taken: set[str] = set()
        self.where = where

    def absent(self, key: str) -> bool:
        """Whether the table lacks ``key``."""
        return key not in self._values

    def need(self, key: str, read: Callable[[object], _Value]) -> _Value:
        """The value of ``key``. Raises InvalidValue where it is missing, or ``read`` refuses it."""
        if self.absent(key):
            raise InvalidValue(f"{self.where}: {key} is missing.", param=key)
        self._taken.add(key)
        return checked(self._values[key], read, self.where, key)

    def take(
        self, key: str, read: Callable[[object], _Value], default: _Default
    ) -> _Value | _Default:
        """The value of ``key``, or ``default`` where it is missing."""
        self._taken.add(key)
        return default if self.absent(key) else self.need(key, read)

    def finish(self) -> None:
        """Raise InvalidValue for a key that was neither needed nor taken."""
        unknown = sorted(set(self._values) - self._taken)
        if unknown:
            raise InvalidValue(
                f"{self.where}: {unknown[0]} is no key of a row; known: "
                f"{', '.join(sorted(self._taken))}.",
                param=unknown[0],
            )


def checked(value: object, read: Callable[[object], _Value], where: str, key: str) -> _Value:
    """What ``read`` makes of ``value``. Raises InvalidValue for its TypeError or ValueError."""
    try:
        return read(value)
    except (TypeError, ValueError) as error:
        message = f"{where}: {key}: {error}."
        raise InvalidValue(message, remedy=_known(read), param=key) from error


def _known(read: Callable[[object], object]) -> str:
    """The words that a key may have, where they are few."""
    if not (isinstance(read, type) and issubclass(read, StrEnum)):
        return ""
    return f"Known: {', '.join(read)}."


# What reads a value: each raises TypeError where it is of another kind.


def text(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise TypeError(f"a text is expected, not {value!r}")
    return value


def integer(value: object) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a whole number is expected, not {value!r}")
    return value


def number(value: object) -> float:
    """A number, whole or not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"a number is expected, not {value!r}")
    return float(value)


def boolean(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise TypeError(f"true or false is expected, not {value!r}")
    return value


def scalar(value: object) -> str | int | float | bool:
    """A text, a number, true or false."""
    if not isinstance(value, str | int | float | bool):
        raise TypeError(f"a text, a number, true or false is expected, not {value!r}")
    return value


def table(value: object) -> Mapping[str, object]:
    """A table."""
    if not isinstance(value, dict):
        raise TypeError(f"a table is expected, not {value!r}")
    return cast("dict[str, object]", value)


def items(value: object) -> list[object]:
    """A list of anything."""
    if not isinstance(value, list):
        raise TypeError(f"a list is expected, not {value!r}")
    return cast("list[object]", value)


def integers(value: object) -> tuple[int, ...]:
    """A list of whole numbers."""
    return tuple(integer(item) for item in items(value))


def texts(value: object) -> tuple[str, ...]:
    """A list of strings."""
    return tuple(text(item) for item in items(value))


def texts_by_name(value: object) -> dict[str, str]:
    """A table of strings."""
    return {key: text(item) for key, item in table(value).items()}


def scalars_by_name(value: object) -> dict[str, str | int | float | bool]:
    """A table of texts, numbers, trues and falses."""
    return {key: scalar(item) for key, item in table(value).items()}
