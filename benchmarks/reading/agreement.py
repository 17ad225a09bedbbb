"""Word F1: how far two texts contain the same words, ignoring order and punctuation."""

import html
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

# References contain links, images and comments; link targets are not words of the page.
_UNSEEN = re.compile(r"<!--.*?-->|(?<=\])\((?:[^()\s]|\([^()\s]*\))*(?: \"[^\"]*\")?\)", re.DOTALL)
# Each Chinese or Japanese character counts as a word: they are written without spaces.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Precision and recall of words."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def words(text: str) -> Counter[str]:
    """The lower-case words of a text, with their counts."""
    plain = html.unescape(_UNSEEN.sub(" ", text))
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", plain).lower()))


def agreement(text: str, other: str) -> Agreement:
    """The agreement of ``text`` with ``other``."""
    ours, theirs = words(text), words(other)
    common = (ours & theirs).total()
    return Agreement(common / max(ours.total(), 1), common / max(theirs.total(), 1))
