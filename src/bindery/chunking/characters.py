"""The characters of a text: their classes, the words, and where a cut splits no character."""

import unicodedata
from dataclasses import dataclass
from enum import IntFlag, auto

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
"""Code-point offsets into a text, rising."""

Flags = npt.NDArray[np.bool_]
"""One truth value per code point of a text."""


class CharacterClass(IntFlag):
    """What a character may be; one bit each, so that each character is looked up once."""

    SPACE = auto()
    BLANK = auto()
    NEWLINE = auto()
    STOP = auto()
    WIDE_STOP = auto()
    PAUSE = auto()
    WIDE_PAUSE = auto()
    CLOSING = auto()
    EXTENDS = auto()
    JOINS = auto()
    REGIONAL = auto()
    LEADING = auto()
    SYLLABLE = auto()


# Every tokeniser splits at category Z and at these three. BERT deletes the other control characters
# that str.isspace() accepts (vertical tab, form feed, U+001C to U+001F, U+0085) and so joins the
# words around them.
_BLANK_CONTROLS = "\t\n\r"
_NEWLINES = "\n\v\f\r\x85\u2028\u2029"
# Characters that end sentences and clauses if whitespace follows, those that do so in scripts
# without blanks, and those that still belong to the sentence that has ended.
_STOPS, _WIDE_STOPS = ".!?…", "。！？｡؟۔।॥"
_PAUSES, _WIDE_PAUSES = ";:,—–", "，、；：،؛"
_CLOSING = "\"'”’»›)]}」』）】》〉〕"
_ZERO_WIDTH_JOINER = "\u200d"
# Extending characters that are not combining marks (Unicode Standard Annex 29, Extend and
# SpacingMark): joiners, Thai and Lao AM, halfwidth voicing marks.
_EXTENDING = "\u200c\u200d\u0e33\u0eb3\uff9e\uff9f"


@dataclass(frozen=True, slots=True, eq=False)
class Characters:
    """The characters of a text.

    ``classes`` holds the :class:`CharacterClass` of each character, see :meth:`are`.
    ``space`` marks what ``str.isspace`` accepts, ``blank`` what every tokeniser splits at, and
    ``newline`` the ends of lines (CR LF counts once).
    ``whole[i]`` says that a cut before i splits no grapheme cluster.
    A word is a longest run without space: word i is ``word_starts[i]:word_ends[i]``.
    """

    text: str
    classes: npt.NDArray[np.uint16]
    space: Flags
    blank: Flags
    newline: Flags
    whole: Flags
    word_starts: Positions
    word_ends: Positions

    @property
    def first(self) -> int:
        """Where the first word starts; the length of the text if there is none."""
        return int(self.word_starts[0]) if len(self.word_starts) else len(self.text)

    @property
    def last(self) -> int:
        """Where the last word ends; 0 if there is none."""
        return int(self.word_ends[-1]) if len(self.word_ends) else 0

    def are(self, of: CharacterClass) -> Flags:
        """Which characters are of a class."""
        return (self.classes & of) != 0

    def onwards(self, positions: Positions) -> Positions:
        """Each position moved past whitespace; those with no word after them are dropped."""
        moved = positions[positions < self.last]
        on_space = self.space[moved]
        moved[on_space] = self.word_starts[np.searchsorted(self.word_starts, moved[on_space])]
        return moved

    def cuts(self, positions: Positions) -> Positions:
        """``positions`` at which a chunk may start: no spaces, not inside a cluster, rising."""
        moved = distinct(self.onwards(positions))
        return moved[self.whole[moved]]

    def trimmed_end(self, position: int) -> int:
        """``position`` moved back over whitespace."""
        if not self.space[position - 1]:
            return position
        return int(self.word_ends[np.searchsorted(self.word_ends, position, "right") - 1])

    def are_between_blanks(self, starts: Positions, ends: Positions) -> Flags:
        """Whether each ``start:end`` begins and ends where every tokeniser splits anyway."""
        last = len(self.text) - 1
        free_before = (starts == 0) | self.blank[np.maximum(starts - 1, 0)]
        return free_before & ((ends > last) | self.blank[np.minimum(ends, last)])


def read_characters(text: str) -> Characters:
    """Classify every character of ``text``, in time and memory linear in its length."""
    classes = _classes(text)
    space, newline = (classes & CharacterClass.SPACE) != 0, (classes & CharacterClass.NEWLINE) != 0
    if "\r\n" in text:
        codes = _codes(text)
        newline[:-1] &= ~((codes[:-1] == ord("\r")) & (codes[1:] == ord("\n")))
    starts, ends = runs(~space)
    blank = (classes & CharacterClass.BLANK) != 0
    return Characters(text, classes, space, blank, newline, _whole(classes), starts, ends)


def runs(marked: Flags) -> tuple[Positions, Positions]:
    """Starts and ends (exclusive) of the longest runs of True."""
    edges = np.flatnonzero(np.diff(marked, prepend=False, append=False))
    return edges[::2], edges[1::2]


def distinct(*positions: Positions) -> Positions:
    """All positions in one rising array, each once."""
    # Not numpy.unique, which hashes: this merges sorted arrays in linear time.
    rising = np.sort(np.concatenate(positions), kind="stable")
    return rising[np.diff(rising, prepend=-1) > 0]


def without(positions: Positions, others: Positions) -> Positions:
    """``positions`` without those in ``others``; both rise."""
    kept = np.ones(len(positions) + 1, dtype=np.bool_)
    found = positions.searchsorted(others)
    kept[found[others == np.append(positions, -1)[found]]] = False
    return positions[kept[:-1]]


def _codes(text: str) -> npt.NDArray[np.integer]:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _classes(text: str) -> npt.NDArray[np.uint16]:
    codes = _codes(text)
    highest = int(codes.max(initial=0))
    present = np.zeros(highest + 1, dtype=np.bool_)
    present[codes] = True
    table = np.zeros(highest + 1, dtype=np.uint16)
    for code in np.flatnonzero(present):
        table[code] = _class_of(chr(code))
    return table[codes]


def _class_of(character: str) -> int:
    category = unicodedata.category(character)
    code = ord(character)
    held = {
        CharacterClass.SPACE: character.isspace(),
        CharacterClass.BLANK: category[0] == "Z" or character in _BLANK_CONTROLS,
        CharacterClass.NEWLINE: character in _NEWLINES,
        CharacterClass.STOP: character in _STOPS,
        CharacterClass.WIDE_STOP: character in _WIDE_STOPS,
        CharacterClass.PAUSE: character in _PAUSES,
        CharacterClass.WIDE_PAUSE: character in _WIDE_PAUSES,
        CharacterClass.CLOSING: character in _CLOSING,
        CharacterClass.EXTENDS: category[0] == "M" or character in _EXTENDING or _extends(code),
        CharacterClass.JOINS: character == _ZERO_WIDTH_JOINER,
        CharacterClass.REGIONAL: 0x1F1E6 <= code <= 0x1F1FF,
        CharacterClass.LEADING: 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C,
        CharacterClass.SYLLABLE: 0xAC00 <= code <= 0xD7A3,
    }
    return sum(int(each) for each, holds in held.items() if holds)


def _extends(code: int) -> bool:
    return (
        0x1F3FB <= code <= 0x1F3FF  # skin tones
        or 0xE0020 <= code <= 0xE007F  # the tags that spell regional flags
        or 0x1160 <= code <= 0x11FF  # Hangul vowels and finals
        or 0xD7B0 <= code <= 0xD7FB
    )


def _whole(classes: npt.NDArray[np.uint16]) -> Flags:
    """Where a cut splits no grapheme cluster: Unicode Standard Annex 29, a little stricter."""
    whole = (classes & CharacterClass.EXTENDS) == 0
    whole[1:] &= (classes[:-1] & CharacterClass.JOINS) == 0
    follows = CharacterClass.LEADING | CharacterClass.SYLLABLE
    leads = (classes[:-1] & CharacterClass.LEADING) != 0
    in_hangul = leads & ((classes[1:] & follows) != 0)
    whole[1:] &= ~in_hangul

    # Regional indicators pair up from the start of their run, so no cut before every second one.
    regional = (classes & CharacterClass.REGIONAL) != 0
    starts, ends = runs(regional)
    letters = np.flatnonzero(regional)
    index_in_run = letters - np.repeat(starts, ends - starts)
    whole[letters[index_in_run % 2 == 1]] = False
    return whole
