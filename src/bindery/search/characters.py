"""What single characters are to the analyser: their class, their script, and their folded form.

Every function is cached, since a collection has few different characters.
"""

import unicodedata
from enum import Enum
from functools import lru_cache

_CACHED = 1 << 16


class CharClass(Enum):
    """How the analyser treats a character."""

    LETTER = "letter"
    DIGIT = "digit"
    IDEOGRAPH = "ideograph"
    """Of a script that writes no spaces: every character is a word, and so is every pair."""
    ATTACHED = "attached"
    """A combining mark or an invisible character: part of what stands before it."""
    SYMBOL = "symbol"
    """An emoji or another pictograph: a word by itself."""
    OTHER = "other"


# Soft hyphen, zero-width space, joiners and directional marks: no reader sees them.
INVISIBLE = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u2060\u2061\u2062\u2063\u2064\ufeff\ufe0e\ufe0f"
)

_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR")

# Scripts whose marks are accents or optional vowels. In others (Devanagari, Thai) they are letters.
_FOLDED_SCRIPTS = ("LATIN", "GREEK", "ARABIC", "HEBREW")

# Letters that have no decomposition but a usual spelling without them.
_PLAIN = {
    "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "þ": "th", "ß": "ss",
    "æ": "ae", "œ": "oe", "ё": "е", "ـ": "",
}  # fmt: skip
# The spelling that people use where a keyboard lacks the letter.
_SPELT_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"}


@lru_cache(_CACHED)
def class_of(char: str) -> CharClass:
    """The class of a character."""
    category = unicodedata.category(char)
    # In decomposed Hangul the vowel and the last consonant of a syllable follow its first one.
    if char in INVISIBLE or category in {"Mn", "Mc", "Me", "Cf"} or "\u1160" <= char <= "\u11ff":
        return CharClass.ATTACHED
    if category[0] == "L" or category == "Nl":
        script = script_of(char)
        return CharClass.IDEOGRAPH if script in _UNSPACED else CharClass.LETTER
    if category == "Nd":
        return CharClass.DIGIT
    # Of modifier symbols only the skin tones of emoji are seen; ` ^ ¨ are punctuation.
    if category in {"So", "No"} or (category == "Sk" and ord(char) > 0xFFFF):
        return CharClass.SYMBOL
    return CharClass.OTHER


@lru_cache(_CACHED)
def script_of(char: str) -> str:
    """The script of a letter by its Unicode name, such as ``"LATIN"``; empty without a name."""
    name = unicodedata.name(char, "")
    return name.removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ").partition(" ")[0]


def visible(text: str) -> str:
    """The text without invisible characters."""
    if text.isascii():
        return text
    return "".join(char for char in text if char not in INVISIBLE)


def plain(word: str) -> str:
    """A word in compatibility form (NFKC) and without case or invisible characters."""
    return unicodedata.normalize("NFKC", visible(unicodedata.normalize("NFKC", word)).casefold())


def folded(word: str) -> str:
    """The same as :func:`plain`, without accents: ``Müller`` and ``muller`` become one.

    The digits of every script become those of ASCII.
    """
    return _without_marks(plain(word))


def spelt_out(word: str) -> str:
    """The same as :func:`folded`, with umlauts as two letters: ``Müller`` becomes ``mueller``."""
    given = plain(word)
    return _without_marks("".join(_SPELT_OUT.get(char, char) for char in given))


def _without_marks(word: str) -> str:
    if word.isascii():
        return word
    return unicodedata.normalize("NFC", "".join(_bare(char) for char in word))


@lru_cache(_CACHED)
def _bare(char: str) -> str:
    if char in _PLAIN:
        return _PLAIN[char]
    if unicodedata.category(char) == "Nd":
        return str(unicodedata.decimal(char))
    if unicodedata.category(char) == "Mn":
        # A mark that had no composed form with its letter.
        name = unicodedata.name(char, "")
        foldable = name.startswith(("COMBINING", *_FOLDED_SCRIPTS))
        return "" if foldable else char
    if script_of(char) not in _FOLDED_SCRIPTS:
        return char
    parts = unicodedata.normalize("NFD", char)
    return "".join(part for part in parts if unicodedata.category(part) != "Mn")
