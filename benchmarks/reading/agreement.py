"""Word F1: how far two texts hold the same words, whatever their order and marks."""

import html
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

# References write links, images and comments; what is linked to is no word of the page.
_UNSEEN = re.compile(r"<!--.*?-->|(?<=\])\((?:[^()\s]|\([^()\s]*\))*(?: \"[^\"]*\")?\)", re.DOTALL)
# Signs of Chinese and Japanese are words of their own: they are written without blanks.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")


@dataclass(frozen=True, slots=True)
class Agreement:
    """The share of our words that are the other's, the share of the other's that are ours."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def words(text: str) -> Counter[str]:
    """The words of a text in small letters, each with how often it stands there."""
    plain = html.unescape(_UNSEEN.sub(" ", text))
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", plain).lower()))


def agreement(text: str, other: str) -> Agreement:
    """How far ``text`` agrees with ``other``."""
    ours, theirs = words(text), words(other)
    common = (ours & theirs).total()
    return Agreement(common / max(ours.total(), 1), common / max(theirs.total(), 1))
