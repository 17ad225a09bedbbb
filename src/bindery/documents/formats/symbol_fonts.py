"""The characters of the fonts Symbol and Wingdings, which have no Unicode of their own."""

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
