"""A value that must never be shown: a token, a key."""

from typing import final

from bindery.errors import InvalidValue


@final
class Secret:
    """A token or key that no message, log or traceback shows by accident.

    ``name`` says what it is and appears in errors (``"HF_TOKEN"``). Blanks around the value, such
    as the line end of the file it was read from, are dropped; a value that could not be sent as a
    header raises :class:`InvalidValue`, which does not quote it.
    """

    __slots__ = ("_value", "name")

    def __init__(self, value: str, *, name: str = "secret") -> None:
        stripped = value.strip()
        if not stripped or not all("!" <= character <= "~" for character in stripped):
            raise InvalidValue(
                f"{name} is empty, or holds blanks or characters outside ASCII.", param=name
            )
        self.name = name
        self._value = stripped

    def reveal(self) -> str:
        """The value itself. Call it where it is sent, and keep the answer in no variable."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name}, hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError(f"{self.name} is not pickled: it would be written in the clear.")
