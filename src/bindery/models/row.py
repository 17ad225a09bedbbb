"""Read a TOML table key by key, each with a function that checks its value."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar, cast

from bindery.errors import InvalidValue

_Value = TypeVar("_Value")
_Default = TypeVar("_Default")


class Row:
    """A table that tracks which keys were read; ``where`` is its name in errors."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = values
        self._taken: set[str] = set()
        self.where = where

    def absent(self, key: str) -> bool:
        """Whether the table lacks ``key``."""
        return key not in self._values

    def need(self, key: str, read: Callable[[object], _Value]) -> _Value:
        """The value of ``key``. Raises InvalidValue if it is missing or ``read`` rejects it."""
        if self.absent(key):
            raise InvalidValue(f"{self.where}: {key} is missing.", param=key)
        self._taken.add(key)
        return checked(self._values[key], read, self.where, key)

    def take(
        self, key: str, read: Callable[[object], _Value], default: _Default
    ) -> _Value | _Default:
        """The value of ``key``, or ``default`` if it is missing."""
        self._taken.add(key)
        return default if self.absent(key) else self.need(key, read)

    def finish(self) -> None:
        """Raise InvalidValue if a key of the table was never read."""
        unknown = sorted(set(self._values) - self._taken)
        if unknown:
            raise InvalidValue(
                f"{self.where}: unknown key {unknown[0]}. Known: {', '.join(sorted(self._taken))}.",
                param=unknown[0],
            )


def checked(value: object, read: Callable[[object], _Value], where: str, key: str) -> _Value:
    """``read(value)``. Turns its TypeError or ValueError into InvalidValue."""
    try:
        return read(value)
    except (TypeError, ValueError) as error:
        message = f"{where}: {key}: {error}."
        raise InvalidValue(message, remedy=_known(read), param=key) from error


def _known(read: Callable[[object], object]) -> str:
    """A reader for one of a few words."""
    if not (isinstance(read, type) and issubclass(read, StrEnum)):
        return ""
    return f"Known: {', '.join(read)}."


# Readers of values; each raises TypeError for a value of another type.


def text(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise TypeError(f"must be a string, got {value!r}")
    return value


def integer(value: object) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"must be a whole number, got {value!r}")
    return value


def number(value: object) -> float:
    """A number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"must be a number, got {value!r}")
    return float(value)


def boolean(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise TypeError(f"must be true or false, got {value!r}")
    return value


def scalar(value: object) -> str | int | float | bool:
    """A string, a number, true or false."""
    if not isinstance(value, str | int | float | bool):
        raise TypeError(f"must be a string, a number, true or false, got {value!r}")
    return value


def table(value: object) -> Mapping[str, object]:
    """A table."""
    if not isinstance(value, dict):
        raise TypeError(f"must be a table, got {value!r}")
    return cast("dict[str, object]", value)


def items(value: object) -> list[object]:
    """A list of anything."""
    if not isinstance(value, list):
        raise TypeError(f"must be a list, got {value!r}")
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
    """A table of strings, numbers and booleans."""
    return {key: scalar(item) for key, item in table(value).items()}
