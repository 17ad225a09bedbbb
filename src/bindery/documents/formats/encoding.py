"""Decodes text in any encoding, even if the document declares a wrong one."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from charset_normalizer import from_bytes

_SAMPLE_BYTES = 65_536
"""Enough text to guess an encoding from (a few hundred bytes usually do), at a bounded cost."""

_HEAD_BYTES = 8_192

_BYTE_ORDER_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, because it begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# The encodings that a document may declare, by Python's name, and the codec that browsers use for
# each (https://encoding.spec.whatwg.org/#names-and-labels). Python also has codecs that are slow
# (idna) or not text encodings at all, so no other name from a document is looked up.
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
        # Browsers do not know these, but older mails declare them.
        *("cp437", "cp850", "cp852", "utf-7", "hz", "iso2022_kr", "johab"),
    )
}

# Labels of that standard that Python does not know, by ones that it knows.
_ALIASES: Mapping[str, str] = {
    alias: label
    for label, aliases in {
        "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8",
        "iso-8859-6": "csiso88596e csiso88596i",
        "iso-8859-7": "sun_eu_greek",
        "iso-8859-8": "csiso88598e csiso88598i visual logical",
        "iso-8859-15": "csisolatin9",
        "koi8-r": "koi koi8",
        "koi8-u": "koi8-ru",
        "macintosh": "csmacintosh mac",
        "mac-cyrillic": "mac-ukrainian",
        "cp874": "dos-874 windows-874",
        "gb2312": "csgb2312 gb_2312 gb_2312-80",
        "big5": "cn-big5 x-big5",
        "cp932": "windows-31j",
        "euc-jp": "cseucpkdfmtjapanese",
        "cp949": "cseuckr csksc56011987 iso-ir-149 ks_c_5601-1989 ksc_5601 windows-949",
        "utf-7": "unicode-1-1-utf-7",
        "hz": "hz-gb-2312",
    }.items()
    for alias in aliases.split()
}
_JOINED = re.compile(r"(iso8859|cp)-?(\d+)")

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
    """A text without NUL, surrogates or carriage returns, and its encoding in Python's name.

    ``warnings`` says what was guessed, overruled or replaced.
    """

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def decode(data: bytes) -> DecodedText:
    r"""Decode a textual document.

    In this order: a byte order mark; the zero bytes of UTF-16; UTF-8 if valid; the charset that the
    document declares (HTML, XML), if its bytes allow it and the result looks like language; else
    the most likely one. Line ends become ``\n``.
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
        warnings.append(f"The document declares the encoding {declared} but was read as {codec}.")
    elif guessed:
        warnings.append(f"The document does not declare its encoding; it was read as {codec}.")
    if not _decodes(body, codec):
        invalid = text.count(_REPLACEMENT)
        warnings.append(f"{invalid} invalid byte sequences for {codec} were replaced by U+FFFD.")
    if "\0" in text:
        warnings.append("NUL characters were removed.")
    text = clean(text.replace("\r\n", "\n").replace("\r", "\n"))
    return DecodedText(text, codec, tuple(warnings))


def decode_head(data: bytes) -> str:
    """The beginning of a text, roughly decoded: enough to detect its kind."""
    codec = _marked(data) or _wide(data) or "utf_8"
    return data[_mark_length(data) : _HEAD_BYTES].decode(codec, "replace")


def codec_of(label: str) -> str | None:
    """The codec that browsers use for a declared encoding; None if it is unknown.

    See https://encoding.spec.whatwg.org/#names-and-labels.
    """
    label = label.strip().lower().removeprefix("x-")
    label = label.removesuffix("-i").removesuffix("-e")  # the direction of Hebrew and Arabic
    label = _ALIASES.get(label) or _JOINED.sub(_hyphenated, label)
    try:
        return _DECLARABLE.get(codecs.lookup(label).name)
    except (LookupError, ValueError):
        return None


def _hyphenated(label: re.Match[str]) -> str:
    return f"iso8859-{label[2]}" if label[1] == "iso8859" else label[1] + label[2]


def is_text(data: bytes) -> bool:
    """Whether the bytes are text in some encoding rather than a binary format.

    About a tenth of binary data are control characters, and almost none of text; the limit is 2 %.
    """
    if _marked(data) is not None or _wide(data) is not None:
        return True
    head = data[:_HEAD_BYTES]
    return (len(head) - len(head.translate(None, _CONTROL))) * 50 <= len(head)


def clean(text: str) -> str:
    """The text without NUL; surrogate pairs are joined, lone surrogates replaced by U+FFFD."""
    text = text.replace("\0", "")
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _marked(data: bytes) -> str | None:
    return next((codec for mark, codec in _BYTE_ORDER_MARKS if data.startswith(mark)), None)


def _mark_length(data: bytes) -> int:
    return next((len(mark) for mark, _ in _BYTE_ORDER_MARKS if data.startswith(mark)), 0)


def _wide(data: bytes) -> str | None:
    """UTF-16 without a byte order mark: in most texts nearly every second byte is zero."""
    head = data[: _HEAD_BYTES & ~1]
    half = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if half < 2 or max(even, odd) < 0.4 * half or min(even, odd) > 0.05 * half:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _escaped(data: bytes) -> str | None:
    """ISO-2022-JP, which is ASCII with escapes and so is valid UTF-8."""
    if b"\x1b$" not in data or not data.isascii():
        return None
    return "iso2022_jp" if _decodes(data, "iso2022_jp") else None


def _is_utf8(data: bytes) -> bool:
    """Whether it is UTF-8: valid, cut off in its last character, or with up to 1 % damaged."""
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
    """The codec for the encoding that the document declares near its beginning, if any."""
    found = _DECLARATION.search(data[:_HEAD_BYTES])
    if found is None:
        return None
    return codec_of((found[1] or found[2]).decode("ascii", "replace"))


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _is_plausible(data: bytes, codec: str) -> bool:
    # In most one-byte encodings every byte is valid, so decoding proves nothing: the result must
    # also look like a language.
    if not _decodes(data, codec):
        return False
    return from_bytes(_sample(data), cp_isolation=[codec]).best() is not None


def _likeliest(data: bytes) -> str:
    best = from_bytes(_sample(data)).best()
    # Short western texts are the same in many encodings; windows-1252 is by far the most common.
    if best is None or "cp1252" in best.could_be_from_charset:
        return "cp1252"
    return best.encoding


def _sample(data: bytes) -> bytes:
    """A part with the first bytes beyond ASCII, cut at blanks so that no letter is split."""
    if len(data) <= _SAMPLE_BYTES:
        return data
    first = next(re.finditer(rb"[\x80-\xff]", data), None)
    start = max(data.rfind(b"\n", 0, first.start()) if first else 0, 0)
    part = data[start : start + _SAMPLE_BYTES]
    cut = max(part.rfind(b" "), part.rfind(b"\n"))
    return part[:cut] if cut > 0 else part
