"""EML: a message as its reader sees it, with the subject as a heading."""

import re
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import cast

from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.encoding import codec_of, decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.package import listed
from bindery.documents.formats.text import paragraphs
from bindery.errors import BrokenDocument
from bindery.types import Document

_SHOWN = ("From", "To", "Cc", "Date")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_TAG = re.compile(r"<[^<>]*>|&nbsp;")
# Kinds of text that are data for programs.
_DATA = frozenset({"calendar", "vcard", "x-vcard", "directory"})
_DEEPEST_HEADING = 6


def read_eml(data: bytes, name: str) -> Document:
    """Read the headers and all text of a message in order, including forwarded messages.

    Of alternatives the plain text is read, or the first other one if that is blank. Attachments are
    not read, and named in a warning. Raises BrokenDocument for a file without any headers.
    """
    is_wide = data.startswith(_UTF16_MARKS)
    text = decode(data).text.encode() if is_wide else data
    message = message_from_bytes(text, policy=default)
    if not message.keys():
        raise BrokenDocument(
            f"{name!r} has no message headers.", remedy="Save the message again as an EML file."
        )
    writer = _MessageWriter(DocumentBuilder(), is_utf8=is_wide)
    writer.write(message)
    left_out = writer.attachments
    warnings = [f"Attachments were not read: {listed(left_out)}."] if left_out else []
    return writer.builder.document("eml", name, warnings)


class _MessageWriter:
    """Writes the parts of a message in order, and collects the names of attachments."""

    def __init__(self, builder: DocumentBuilder, *, is_utf8: bool) -> None:
        self.builder = builder
        self.attachments: list[str] = []
        self._is_utf8 = is_utf8

    def write(self, message: Message) -> None:
        """Walk the tree of parts; messages may be nested very deep, so this does not recurse."""
        self._write_headers(message, 1)
        waiting: list[tuple[Message, int]] = [(message, 1)]
        while waiting:
            part, level = waiting.pop()
            kind = part.get_content_type()
            inner = _children(part)
            if kind == "multipart/alternative":
                inner = self._best(inner)
            if kind == "message/rfc822" and inner and part is not message:
                level = min(level + 1, _DEEPEST_HEADING)
                self._write_headers(inner[0], level)
            if kind == "message/rfc822" or part.is_multipart():
                waiting.extend((child, level) for child in reversed(inner))
            elif _is_attachment(part):
                self.attachments.append(part.get_filename() or kind)
            else:
                self._write_text(part)

    def _write_headers(self, message: Message, level: int) -> None:
        self.builder.heading(str(message.get("Subject", "")), level)
        shown = [f"{header}: {message[header]}" for header in _SHOWN if message[header]]
        self.builder.add("\n".join(shown))

    def _best(self, parts: list[Message]) -> list[Message]:
        """The plain text if it has words, else the first alternative that has some."""
        ranked = sorted(parts, key=lambda part: part.get_content_type() != "text/plain")
        return next(([part] for part in ranked if self._has_words(part)), ranked[:1])

    def _has_words(self, part: Message) -> bool:
        leaves = [leaf for leaf in part.walk() if not leaf.is_multipart()]
        return any(
            _TAG.sub("", self._content(leaf)).strip() for leaf in leaves if not _is_attachment(leaf)
        )

    def _write_text(self, part: Message) -> None:
        text = self._content(part)
        if part.get_content_subtype() == "html":
            write_page(self.builder, text)
            return
        for span in paragraphs(text):
            self.builder.add(text[span.start : span.end])

    def _content(self, part: Message) -> str:
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


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return cast("list[Message]", payload) if isinstance(payload, list) else []


def _is_attachment(part: Message) -> bool:
    disposition = part.get_content_disposition()
    is_text = part.get_content_maintype() == "text" and part.get_content_subtype() not in _DATA
    named = bool(part.get_filename()) and disposition != "inline"
    return not is_text or named or disposition == "attachment"
