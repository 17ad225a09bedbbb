"""Mail (EML, MBOX): messages as their reader sees them, with the subject as a heading."""

import re
from email import message_from_bytes
from email.message import Message as MimePart
from email.policy import default
from typing import cast

from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.encoding import codec_of, decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.package import listed
from bindery.documents.formats.rtf import write_rtf
from bindery.documents.formats.text import paragraphs
from bindery.errors import BrokenDocument
from bindery.types import Document

SHOWN = ("From", "To", "Cc", "Date")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_TAG = re.compile(r"<(style|script|title)\b.*?</\1|<[^<>]*>|&nbsp;", re.DOTALL | re.IGNORECASE)
_MARKUP = frozenset({"html", "enriched", "richtext"})
_STUB = 4
"""A plain text with this many times fewer words than its alternative only refers to it."""

# Kinds of text that are data for programs.
_DATA = frozenset({"calendar", "vcard", "x-vcard", "directory"})
_ENCODED = frozenset({"base64", "quoted-printable"})
DEEPEST_HEADING = 6
_MBOX_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\r\n\r\n))From [^\n]*\d:\d\d[^\n]*\n")
_CHARSET = re.compile(rb"charset=\"?([\w.:-]{1,40})", re.IGNORECASE)
_HEADERS = re.compile(rb"\A(?:[^\r\n]+\r?\n)*")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def read_eml(data: bytes, name: str) -> Document:
    """Read the headers and all text of a message in order, including forwarded messages.

    Of alternatives the plain text is read, or the first other one if that is blank. Attachments are
    not read, and named in a warning. Raises BrokenDocument for a file without any headers.
    """
    is_wide = data.startswith(_UTF16_MARKS)
    message = _parsed(decode(data).text.encode() if is_wide else data)
    if not message.keys():
        raise BrokenDocument(
            f"{name!r} has no message headers.", remedy="Save the message again as an EML file."
        )
    writer = _MessageWriter(DocumentBuilder(), is_utf8=is_wide)
    writer.write(message)
    return writer.builder.document("eml", name, writer.left_out())


def read_mbox(data: bytes, name: str) -> Document:
    """Read the messages of a mailbox in order, each as :func:`read_eml` does.

    Messages begin with a line "From " after a blank one (RFC 4155).
    """
    writer = _MessageWriter(DocumentBuilder(), is_utf8=False)
    lines = list(_MBOX_LINE.finditer(data))
    ends = [*(found.start() for found in lines[1:]), len(data)]
    broken = 0
    for start, end in zip((found.end() for found in lines), ends, strict=True):
        message = _parsed(_QUOTED_FROM.sub(rb"\1", data[start:end]))
        broken += not message.keys()
        writer.write(message, level=2)
    warnings = writer.left_out()
    if broken:
        warnings.append(f"{broken} messages of the mailbox have no headers.")
    return writer.builder.document("mbox", name, warnings)


def _parsed(data: bytes) -> MimePart:
    """The message; letters of its headers that are not encoded are in its charset or UTF-8."""
    found = _HEADERS.match(data)
    headers = found[0] if found else b""
    try:
        headers.decode("utf-8")
    except UnicodeDecodeError:
        charset = _CHARSET.search(headers)
        codec = codec_of(charset[1].decode()) if charset else None
        data = headers.decode(codec or "cp1252", "replace").encode() + data[len(headers) :]
    return message_from_bytes(data, policy=default)


def attachments_not_read(attachments: list[str]) -> list[str]:
    """A warning that names the attachments, if there are any."""
    return [f"Attachments were not read: {listed(attachments)}."] if attachments else []


class _MessageWriter:
    """Writes the parts of a message in order, and collects the names of attachments."""

    def __init__(self, builder: DocumentBuilder, *, is_utf8: bool) -> None:
        self.builder = builder
        self.attachments: list[str] = []
        self.warnings: list[str] = []
        self._is_utf8 = is_utf8

    def left_out(self) -> list[str]:
        """Warnings of what was not read."""
        return [*attachments_not_read(self.attachments), *self.warnings]

    def write(self, message: MimePart, level: int = 1) -> None:
        """Walk the tree of parts; messages may be nested very deep, so this does not recurse."""
        self._write_headers(message, level)
        waiting: list[tuple[MimePart, int]] = [(message, level)]
        while waiting:
            part, level = waiting.pop()
            kind = part.get_content_type()
            inner = _children(part)
            if kind == "multipart/alternative":
                inner = self._best(inner)
            if kind == "message/rfc822" and inner and part is not message:
                inner = [_decoded(part, inner[0])]
                level = min(level + 1, DEEPEST_HEADING)
                self._write_headers(inner[0], level)
            if kind == "message/delivery-status":
                self.builder.add("\n\n".join(map(_fields, inner)))
            elif kind == "message/rfc822" or part.is_multipart():
                waiting.extend((child, level) for child in reversed(inner))
            elif _is_attachment(part):
                self.attachments.append(part.get_filename() or kind)
            else:
                self._write_text(part)

    def _write_headers(self, message: MimePart, level: int) -> None:
        self.builder.heading(str(message.get("Subject", "")), level)
        shown = [f"{header}: {message[header]}" for header in SHOWN if message[header]]
        self.builder.add("\n".join(shown))

    def _best(self, parts: list[MimePart]) -> list[MimePart]:
        """The plain text, unless another alternative has many times as many words."""
        ranked = sorted(parts, key=lambda part: part.get_content_type() != "text/plain")
        words = [self._count_words(part) for part in ranked]
        return next(
            (
                [part]
                for part, count in zip(ranked, words, strict=True)
                if count and count * _STUB >= max(words)
            ),
            ranked[:1],
        )

    def _count_words(self, part: MimePart) -> int:
        leaves = [leaf for leaf in part.walk() if not leaf.is_multipart()]
        return sum(
            len(_TAG.sub(" ", self._content(leaf)).split())
            for leaf in leaves
            if not _is_attachment(leaf)
        )

    def _write_text(self, part: MimePart) -> None:
        text = self._content(part)
        if part.get_content_subtype() in _MARKUP:
            write_page(self.builder, text)
            return
        if part.get_content_subtype() == "rtf":
            self.warnings += write_rtf(self.builder, text.encode("latin-1", "replace"))[1]
            return
        for span in paragraphs(text):
            self.builder.add(text[span.start : span.end])

    def _content(self, part: MimePart) -> str:
        """The text of a part; the charset that it names may be wrong or unknown."""
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
        codec = "utf-8" if self._is_utf8 else codec_of(part.get_content_charset() or "")
        if codec is None or data.startswith(_UTF16_MARKS):
            return decode(data).text
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            return decode(data).text
        return text.replace("\r\n", "\n").replace("\r", "\n")


def _children(part: MimePart) -> list[MimePart]:
    payload = part.get_payload()
    return cast("list[MimePart]", payload) if isinstance(payload, list) else []


def _decoded(part: MimePart, message: MimePart) -> MimePart:
    """The message in a part; some programs encode it, which the standard forbids."""
    is_encoded = str(part.get("Content-Transfer-Encoding", "")).lower() in _ENCODED
    if not is_encoded or message.keys():
        return message
    message["Content-Transfer-Encoding"] = part["Content-Transfer-Encoding"]
    payload = message.get_payload(decode=True)
    return _parsed(payload) if isinstance(payload, bytes) else message


def _fields(part: MimePart) -> str:
    return "\n".join(f"{key}: {value}" for key, value in part.items())


def _is_attachment(part: MimePart) -> bool:
    disposition = part.get_content_disposition()
    # A part of several without a boundary is its own text.
    is_readable = part.get_content_maintype() in {"text", "multipart"}
    is_text = is_readable and part.get_content_subtype() not in _DATA
    named = bool(part.get_filename()) and disposition != "inline"
    return not is_text or named or disposition == "attachment"
