"""Bytes to text, whatever the encoding and whatever the document claims about it."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from charset_normalizer import from_bytes

_SAMPLE_BYTES = 65_536
"""Enough text to guess from (a few hundred bytes mostly do) at a bounded cost."""

_HEAD_BYTES = 8_192

_BYTE_ORDER_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# What a document may declare, as Python's codec -> the codec browsers use for it
# (https://encoding.spec.whatwg.org/#names-and-labels). Python has codecs that are no encodings of
# text, or slow ones (idna), so nothing else is looked up by a name out of a document.
_DECLARABLE: Mapping[str, str] = {
    "utf-8": "utf_8",
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
} | {
    name: name.replace("iso8859-", "iso8859_").replace("-", "_")
    for name in (
        *(f"cp125{n}" for n in range(9)),
        *(f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
        *("koi8-r", "koi8-u", "cp866", "cp874", "mac-roman", "mac-cyrillic"),
        *("gb18030", "big5hkscs", "euc_jp", "iso2022_jp", "cp932", "cp949"),
    )
}

_DECLARATION = re.compile(
    rb"""<\?xml[^>]{0,100}?\sencoding\s*=\s*["']([\w.:-]{1,40})"""
    rb"""|<meta\s[^>]{0,500}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""",
    re.IGNORECASE,
)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b")) + b"\x7f"
_REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A decoded text without NUL, surrogate or carriage return; ``encoding`` as Python calls it.

    ``warnings`` says what was guessed, overruled or replaced; it is empty where nothing was.
    """

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def decode(data: bytes) -> DecodedText:
    r"""Decode a textual document.

    In this order: byte order mark; the zero bytes of UTF-16; UTF-8 where valid; the charset that
    the document declares (HTML, XML) where its bytes allow it and the outcome looks like language;
    else the likeliest. Line ends become ``\n``.
    """
    declared = _declared(data)
    codec, guessed = _marked(data), False
    if codec is None:
        codec = _wide(data) or _escaped(data) or ("utf_8" if _is_utf8(data) else None)
    if codec is None and declared is not None and _is_plausible(data, declared):
        codec = declared
    if codec is None:
        codec, guessed = _likeliest(data), True

    body = data[_mark_length(data) :]
    text = body.decode(codec, "replace")
    warnings: list[str] = []
    if declared not in (None, codec) and not data.isascii() and _marked(data) is None:
        warnings.append(f"The document declares {declared} but was read as {codec}.")
    elif guessed:
        warnings.append(f"The document does not say its encoding; it was read as {codec}.")
    if not _decodes(body, codec):
        warnings.append(f"{text.count(_REPLACEMENT)} places that are not {codec} became U+FFFD.")
    if "\0" in text:
        warnings.append("Zero characters were removed.")
    text = clean(text.replace("\r\n", "\n").replace("\r", "\n"))
    return DecodedText(text, codec, tuple(warnings))


def decode_head(data: bytes) -> str:
    """The beginning of a textual document, roughly: enough to tell its kind."""
    codec = _marked(data) or _wide(data) or "utf_8"
    return data[_mark_length(data) : _HEAD_BYTES].decode(codec, "replace")


def is_text(data: bytes) -> bool:
    """Whether the bytes are a text in some encoding rather than a binary format.

    Of binary data a tenth are control characters, of text almost none: 2 % divide them.
    """
    if _marked(data) is not None or _wide(data) is not None:
        return True
    head = data[:_HEAD_BYTES]
    return (len(head) - len(head.translate(None, _CONTROL))) * 50 <= len(head)


def clean(text: str) -> str:
    """The text without NUL; pairs of surrogates joined, lone ones replaced by U+FFFD."""
    text = text.replace("\0", "")
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _marked(data: bytes) -> str | None:
    return next((codec for mark, codec in _BYTE_ORDER_MARKS if data.startswith(mark)), None)


def _mark_length(data: bytes) -> int:
    return next((len(mark) for mark, _ in _BYTE_ORDER_MARKS if data.startswith(mark)), 0)


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: in most texts every second byte is mostly zero."""
    head = data[: _HEAD_BYTES & ~1]
    half = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if half < 2 or max(even, odd) < 0.4 * half or min(even, odd) > 0.05 * half:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _escaped(data: bytes) -> str | None:
    """ISO-2022-JP, which is ASCII with escapes and would pass for UTF-8."""
    if b"\x1b$" not in data or not data.isascii():
        return None
    return "iso2022_jp" if _decodes(data, "iso2022_jp") else None


def _is_utf8(data: bytes) -> bool:
    """Whether it is UTF-8: valid, cut short in its last character, or damaged in 1 % of them."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return True
        text = data.decode("utf-8", "replace")
        lost = text.count(_REPLACEMENT)
        return 100 * lost <= len(text) - len(re.findall(r"[\0-\x7f]", text))
    return True


def _declared(data: bytes) -> str | None:
    """The codec for what the document declares itself to be in its first lines, if anything."""
    found = _DECLARATION.search(data[:_HEAD_BYTES])
    if found is None:
        return None
    label = (found[1] or found[2]).decode("ascii", "replace")
    try:
        return _DECLARABLE.get(codecs.lookup(label).name)
    except LookupError:
        return None


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _is_plausible(data: bytes, codec: str) -> bool:
    # Every byte means something in most one-byte charsets, so to decode is not enough: the
    # outcome must look like a language's letters and not like a row of accents.
    if not _decodes(data, codec):
        return False
    return from_bytes(_sample(data), cp_isolation=[codec]).best() is not None


def _likeliest(data: bytes) -> str:
    best = from_bytes(_sample(data)).best()
    # Short western texts read the same in many charsets; windows-1252 is by far the commonest.
    if best is None or "cp1252" in best.could_be_from_charset:
        return "cp1252"
    return best.encoding


def _sample(data: bytes) -> bytes:
    """A part that holds the first bytes beyond ASCII, cut at blanks so as not to halve a letter."""
    if len(data) <= _SAMPLE_BYTES:
        return data
    first = next(re.finditer(rb"[\x80-\xff]", data), None)
    start = max(data.rfind(b"\n", 0, first.start()) if first else 0, 0)
    part = data[start : start + _SAMPLE_BYTES]
    cut = max(part.rfind(b" "), part.rfind(b"\n"))
    return part[:cut] if cut > 0 else part
