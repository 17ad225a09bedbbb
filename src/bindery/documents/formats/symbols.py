"""Characters whose meaning lies in their type: symbol fonts, superscripts and subscripts."""

import re
from collections.abc import Mapping

# https://www.unicode.org/Public/MAPPINGS/VENDORS/ADOBE/symbol.txt
_SYMBOL_20 = (
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?"
    "≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_"
    "‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
)
_SYMBOL_A0 = (
    "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉"
    "∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\ufffd〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"
)
_WINGDINGS: Mapping[int, str] = dict(
    zip(
        b"\x21\x28\x2a\x36\x3c\x41\x43\x44\x46\x4a\x4b\x4c\x6c\x6d\x6e\x6f\x71\x72\x73\x74\x75\x76"
        b"\x77\x78\x9f\xa0\xa1\xa7\xa8\xab\xd8\xdf\xe0\xe1\xe2\xe8\xf0\xfb\xfc\xfd\xfe",
        "✏☎✉⌛💾✌👍👎☞☺😐☹●❍■□❑❒⬧⧫◆❖⬥⌧•◦○▪◻★➢←→↑↓➔⇨✗✓☒☑",
        strict=True,
    )
)

# Superscripts and subscripts that change what is before them: 10^6, H_2O, but not "1st".
_RAISED = re.compile(r"[-+\u2212]?\d[\d.,]*|[^\W\d_]|(?=\S*[-+\d\u2212])[-+\w\u2212]{2,12}")
_LOWERED = re.compile(r"[-+,\w\u2212]{1,5}")
RAISED, LOWERED, LEVEL = "\x01", "\x02", "\x03"
"""Begin and end superscripts and subscripts in a text for :func:`marked_scripts`."""

_MARKED = re.compile("([\\w)]?)([\x01\x02])([^\x01\x02\x03]*)\x03?|\x03")

REPLACEMENT = "\ufffd"


def symbol(font: str, code: int) -> str:
    """The Unicode text of a character in a symbol font; U+FFFD if it is not known.

    ``code`` may lie in the private use area, as word processors write it.
    """
    code = code - 0xF000 if 0xF000 <= code <= 0xF0FF else code
    if font.lower().startswith("wingdings"):
        return _WINGDINGS.get(code, REPLACEMENT)
    if 0x20 <= code < 0x20 + len(_SYMBOL_20):
        return _SYMBOL_20[code - 0x20]
    if 0xA0 <= code < 0xA0 + len(_SYMBOL_A0):
        return _SYMBOL_A0[code - 0xA0]
    return chr(code) if code > 0xFF and not 0xE000 <= code <= 0xF8FF else REPLACEMENT


def script_sign(before: str, text: str, *, is_raised: bool) -> str:
    """The sign before a superscript or subscript that changes what is before it, else ""."""
    if not (before[-1:].isalnum() or before[-1:] == ")"):
        return ""
    is_sign = (_RAISED if is_raised else _LOWERED).fullmatch(text.strip())
    return ("^" if is_raised else "_") if is_sign else ""


def marked_scripts(text: str) -> str:
    """A text with signs for the superscripts and subscripts that are marked in it."""

    def signed(found: re.Match[str]) -> str:
        if found[2] is None:
            return ""
        is_raised = found[2] == RAISED
        return found[1] + script_sign(found[1], found[3], is_raised=is_raised) + found[3]

    return _MARKED.sub(signed, text)
