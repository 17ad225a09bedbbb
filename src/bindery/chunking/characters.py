"""What kind of character stands where in a text: blanks, words, and where a cut is harmless."""

import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
"""Code-point offsets into a text, rising."""

Flags = npt.NDArray[np.bool_]
"""One truth value per code point of a text."""

# One bit each, so that a text is looked up once, in a table of bytes.
_SPACE, _BLANK, _NEWLINE, _EXTENDS, _JOINS, _REGIONAL, _LEADING, _SYLLABLE = (
    np.uint8(1 << bit) for bit in range(8)
)

# Category Z and these three are where every tokeniser sees a blank. BERT deletes the other control
# characters that str.isspace() accepts (vertical tab, form feed, U+001C to U+001F, U+0085) and so
# joins the words around them.
_BLANK_CONTROLS = "\t\n\r"
_NEWLINES = "\n\v\f\r\x85\u2028\u2029"
_ZERO_WIDTH_JOINER = "\u200d"
# Extending characters that are no combining marks (Unicode Standard Annex 29, Extend and
# SpacingMark): joiners, Thai and Lao AM, halfwidth voicing marks.
_EXTENDING = "\u200c\u200d\u0e33\u0eb3\uff9e\uff9f"


@dataclass(frozen=True, slots=True, eq=False)
class Characters:
    """A text read character by character, once.

    ``space`` marks what ``str.isspace`` accepts, ``blank`` what every tokeniser splits at,
    ``newline`` the ends of lines (a carriage return before a line feed is not one more).
    ``whole[i]`` says that no grapheme cluster is cut by a cut before i.
    A word is a longest run without space: word i is ``word_starts[i]:word_ends[i]``.
    """

    text: str
    space: Flags
    blank: Flags
    newline: Flags
    whole: Flags
    word_starts: Positions
    word_ends: Positions

    @property
    def first(self) -> int:
        """Where the first word starts; the length of the text where there is none."""
        return int(self.word_starts[0]) if len(self.word_starts) else len(self.text)

    @property
    def last(self) -> int:
        """Where the last word ends; 0 where there is none."""
        return int(self.word_ends[-1]) if len(self.word_ends) else 0

    def onwards(self, positions: Positions) -> Positions:
        """Each position moved on over whitespace; those with nothing behind them are dropped."""
        moved = positions[positions < self.last]
        on_space = self.space[moved]
        moved[on_space] = self.word_starts[np.searchsorted(self.word_starts, moved[on_space])]
        return moved

    def cuts(self, positions: Positions) -> Positions:
        """``positions`` as places for a chunk to start: on no space and in no cluster, rising."""
        moved = distinct(self.onwards(positions))
        return moved[self.whole[moved]]

    def trimmed_end(self, position: int) -> int:
        """``position`` moved back over whitespace."""
        if not self.space[position - 1]:
            return position
        return int(self.word_ends[np.searchsorted(self.word_ends, position, "right") - 1])

    def between_blanks(self, start: int, end: int) -> bool:
        """Whether ``start:end`` is cut out where every tokeniser splits anyway."""
        return bool(
            (start == 0 or self.blank[start - 1]) and (end == len(self.text) or self.blank[end])
        )


def read_characters(text: str) -> Characters:
    """Classify every character of ``text``, in time and memory linear in its length."""
    flags = _flags(text)
    space = (flags & _SPACE) != 0
    newline = (flags & _NEWLINE) != 0
    if "\r\n" in text:
        codes = _codes(text)
        newline[:-1] &= ~((codes[:-1] == ord("\r")) & (codes[1:] == ord("\n")))
    starts, ends = runs(~space)
    return Characters(text, space, (flags & _BLANK) != 0, newline, _whole(flags), starts, ends)


def runs(marked: Flags) -> tuple[Positions, Positions]:
    """Starts and ends (exclusive) of the longest runs of True."""
    edges = np.flatnonzero(np.diff(marked, prepend=False, append=False))
    return edges[::2], edges[1::2]


def distinct(*positions: Positions) -> Positions:
    """All of them in one rising row, each once."""
    # Not numpy.unique: it hashes, and this merges rows that rise already in linear time.
    rising = np.sort(np.concatenate(positions), kind="stable")
    return rising[np.diff(rising, prepend=-1) > 0]


def _codes(text: str) -> npt.NDArray[np.integer]:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _flags(text: str) -> npt.NDArray[np.uint8]:
    codes = _codes(text)
    highest = int(codes.max(initial=0))
    present = np.zeros(highest + 1, dtype=np.bool_)
    present[codes] = True
    table = np.zeros(highest + 1, dtype=np.uint8)
    for code in np.flatnonzero(present):
        table[code] = _flags_of(chr(code))
    return table[codes]


def _flags_of(character: str) -> int:
    category = unicodedata.category(character)
    code = ord(character)
    held = {
        _SPACE: character.isspace(),
        _BLANK: category[0] == "Z" or character in _BLANK_CONTROLS,
        _NEWLINE: character in _NEWLINES,
        _EXTENDS: category[0] == "M" or character in _EXTENDING or _extends(code),
        _JOINS: character == _ZERO_WIDTH_JOINER,
        _REGIONAL: 0x1F1E6 <= code <= 0x1F1FF,
        _LEADING: 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C,
        _SYLLABLE: 0xAC00 <= code <= 0xD7A3,
    }
    return sum(int(flag) for flag, holds in held.items() if holds)


def _extends(code: int) -> bool:
    return (
        0x1F3FB <= code <= 0x1F3FF  # skin tones
        or 0xE0020 <= code <= 0xE007F  # the tags that spell regional flags
        or 0x1160 <= code <= 0x11FF  # Hangul vowels and finals
        or 0xD7B0 <= code <= 0xD7FB
    )


def _whole(flags: npt.NDArray[np.uint8]) -> Flags:
    """Where a cut leaves grapheme clusters whole: Unicode Standard Annex 29, a little stricter."""
    whole = (flags & _EXTENDS) == 0
    whole[1:] &= (flags[:-1] & _JOINS) == 0
    in_hangul = (flags[:-1] & _LEADING != 0) & (flags[1:] & (_LEADING | _SYLLABLE) != 0)
    whole[1:] &= ~in_hangul

    # Regional indicators pair up from the start of their run: no cut before every second one.
    regional = (flags & _REGIONAL) != 0
    starts, ends = runs(regional)
    letters = np.flatnonzero(regional)
    place_in_run = letters - np.repeat(starts, ends - starts)
    whole[letters[place_in_run % 2 == 1]] = False
    return whole
