"""One field of an options class, as the faces need it."""

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import Any

from bindery.errors import InvalidValue, UnknownStrategy, did_you_mean


@dataclass(frozen=True, slots=True)
class Option:
    """One field of an options class, as a face needs it.

    ``choices`` are all values that are allowed, empty if any is. ``least`` and ``most`` bound a
    number. ``given_as`` is the type that a face has a value in, if it is not the field's own.
    """

    name: str
    annotation: Any
    default: Any
    help: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    given_as: Any = None

    @property
    def is_number(self) -> bool:
        """Whether the value is a number."""
        return self.is_whole or self.annotation in (float, float | None)

    @property
    def is_whole(self) -> bool:
        """Whether the value is a whole number."""
        return self.annotation in (int, int | None)

    def check(self, value: object) -> None:
        """Raise InvalidValue if the field cannot have this value."""
        if value is None and self.default is None:
            return
        if self.is_number:
            self._check_number(value)
        elif self.choices and value not in self.choices:
            kind = UnknownStrategy if self.name == "strategy" else InvalidValue
            raise kind(
                f"Unknown {self.name} {str(value)[:80]!r}.",
                remedy=f"{did_you_mean(str(value), self.choices)} Choose one of: "
                f"{', '.join(self.choices)}.".lstrip(),
                param=self.name,
            )

    def _check_number(self, value: object) -> None:
        kinds = int if self.is_whole else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool):
            what = "a whole number" if self.is_whole else "a number"
            raise InvalidValue(
                f"{self.name} must be {what}, got {str(value)[:80]!r}.",
                remedy=f"Choose {what}, or leave it out.",
                param=self.name,
            )
        # Written so that NaN fails.
        if self.least is not None and not value >= self.least:
            raise InvalidValue(
                f"{self.name} must be at least {self.least}, got {value}.",
                remedy=f"Choose {self.least} or more.",
                param=self.name,
            )
        if self.most is not None and not value <= self.most:
            raise InvalidValue(
                f"{self.name} must be at most {self.most}, got {value}.",
                remedy=f"Choose {self.most} or less.",
                param=self.name,
            )


def option(
    default: object,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    given_as: Any = None,  # noqa: ANN401 - a type
) -> Any:  # noqa: ANN401 - as dataclasses.field, which pyright reads as the field's own type
    """A field of an options class: its default, its help and its bounds."""
    bounds = {"least": least, "most": most, "choices": choices, "given_as": given_as}
    return dataclasses.field(default=default, metadata={"help": help, **bounds})


@cache
def options_of(kind: type) -> tuple[Option, ...]:
    """The fields of an options class, in order."""
    return tuple(
        Option(field.name, field.type, field.default, **field.metadata)
        for field in dataclasses.fields(kind)
    )


def names_of(kind: type) -> tuple[str, ...]:
    """The names of the fields of an options class, in order."""
    return tuple(option.name for option in options_of(kind))


def check_options(options: object) -> None:
    """Raise InvalidValue for the first field with a value that it cannot have."""
    for option in options_of(type(options)):
        option.check(getattr(options, option.name))
