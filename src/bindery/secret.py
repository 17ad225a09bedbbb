"""Values that must never be shown: tokens and API keys."""

from typing import final

from bindery.errors import InvalidValue


@final
class Secret:
    """A token or API key that no message, log or traceback shows by accident.

    ``name`` appears in errors (``"HF_TOKEN"``). Whitespace around the value is removed. A value
    that cannot be sent as a header raises :class:`InvalidValue`, which does not quote it.
    """

    __slots__ = ("_value", "name")

    def __init__(self, value: str, *, name: str = "secret") -> None:
        stripped = value.strip()
        if not stripped or not all("!" <= character <= "~" for character in stripped):
            raise InvalidValue(
                f"{name} is empty, or contains spaces or characters outside ASCII.", param=name
            )
        self.name = name
        self._value = stripped

    def reveal(self) -> str:
        """The value. Call this only where it is sent, and do not store the result."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name}, hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError(
            f"{self.name} cannot be pickled, because that would write it in plain text."
        )
