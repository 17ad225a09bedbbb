"""A figure and its target, so that a measurement can fail."""
# pyright: basic

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Verdict:
    """``name`` says what was measured and in which unit; ``holds`` follows from the rest."""

    name: str
    value: float
    relation: Literal["at most", "at least"]
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the value meets the target; NaN never does."""
        if self.relation == "at most":
            return self.value <= self.bound
        return self.value >= self.bound

    def shows(self, other: "Verdict") -> bool:
        """Whether this verdict fails because of the fault; ``other`` is measured without it.

        ``other`` holds or, because a small scale may miss the target anyway, is three times better.
        """
        if self.holds:
            return False
        if self.relation == "at most":
            return other.holds or self.value >= 3 * other.value
        return other.holds or 3 * self.value <= other.value

    def __str__(self) -> str:
        word = "holds" if self.holds else "FAILS"
        return f"{word}  {self.name}: {self.value:.4g} ({self.relation} {self.bound:g})"


def at_most(name: str, value: float, bound: float) -> Verdict:
    """The value must be at most the bound."""
    return Verdict(name, value, "at most", bound)


def at_least(name: str, value: float, bound: float) -> Verdict:
    """The value must be at least the bound."""
    return Verdict(name, value, "at least", bound)


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a section: figures to save, and their verdicts."""

    figures: Mapping[str, Any]
    verdicts: Sequence[Verdict]

    def record(self) -> dict[str, Any]:
        """As saved in the results."""
        held = [asdict(verdict) | {"holds": verdict.holds} for verdict in self.verdicts]
        return {**self.figures, "verdicts": held}
