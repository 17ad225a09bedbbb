"""Mail (EML, MBOX, MSG): messages as their reader sees them, with the subject as a heading."""

import re
from email import message_from_bytes
from email.message import Message as MimePart
from email.policy import default
from typing import cast

from oxmsg import Message

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
_MBOX_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\r\n\r\n))From [^\n]*\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_RTF_BODY = 0x1009
"""PidTagRtfCompressed, [MS-OXPROPS] 2.941."""


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
    return writer.builder.document("eml", name, _left_out(writer.attachments))


def read_mbox(data: bytes, name: str) -> Document:
    """Read the messages of a mailbox in order, each as :func:`read_eml` does.

    Messages begin with a line "From " after a blank one (RFC 4155).
    """
    writer = _MessageWriter(DocumentBuilder(), is_utf8=False)
    lines = list(_MBOX_LINE.finditer(data))
    ends = [*(found.start() for found in lines[1:]), len(data)]
    broken = 0
    for start, end in zip((found.end() for found in lines), ends, strict=True):
        message = message_from_bytes(_QUOTED_FROM.sub(rb"\1", data[start:end]), policy=default)
        broken += not message.keys()
        writer.write(message, level=2)
    warnings = _left_out(writer.attachments)
    if broken:
        warnings.append(f"{broken} messages of the mailbox have no headers.")
    return writer.builder.document("mbox", name, warnings)


def read_msg(data: bytes, name: str) -> Document:
    """Read a message of Outlook, with python-oxmsg; attachments are named in a warning."""
    message = Message.load(data)
    builder = DocumentBuilder()
    builder.heading(message.subject, 1)
    headers = {key.title(): value for key, value in message.message_headers.items()}
    to = "; ".join(f"{each.name} <{each.email_address}>" for each in message.recipients)
    date = message.sent_date
    known = {"From": message.sender, "To": to, "Date": date.isoformat() if date else ""}
    shown = {key: headers.get(key) or known.get(key) for key in _SHOWN}
    builder.add("\n".join(f"{key}: {value}" for key, value in shown.items() if value))
    body, page = message.body or "", message.html_body or ""
    if body.strip() or not page:
        text = body.replace("\r\n", "\n").replace("\r", "\n")
        for span in paragraphs(text):
            builder.add(text[span.start : span.end])
    else:
        write_page(builder, page)
    warnings = _left_out([each.file_name or "an embedded message" for each in message.attachments])
    if not body.strip() and not page and message.properties.binary_prop_value(_RTF_BODY):
        warnings.append("The message has its text only as compressed RTF, which was not read.")
    return builder.document("msg", name, warnings)


def _left_out(attachments: list[str]) -> list[str]:
    return [f"Attachments were not read: {listed(attachments)}."] if attachments else []


class _MessageWriter:
    """Writes the parts of a message in order, and collects the names of attachments."""

    def __init__(self, builder: DocumentBuilder, *, is_utf8: bool) -> None:
        self.builder = builder
        self.attachments: list[str] = []
        self._is_utf8 = is_utf8

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
                level = min(level + 1, _DEEPEST_HEADING)
                self._write_headers(inner[0], level)
            if kind == "message/rfc822" or part.is_multipart():
                waiting.extend((child, level) for child in reversed(inner))
            elif _is_attachment(part):
                self.attachments.append(part.get_filename() or kind)
            else:
                self._write_text(part)

    def _write_headers(self, message: MimePart, level: int) -> None:
        self.builder.heading(str(message.get("Subject", "")), level)
        shown = [f"{header}: {message[header]}" for header in _SHOWN if message[header]]
        self.builder.add("\n".join(shown))

    def _best(self, parts: list[MimePart]) -> list[MimePart]:
        """The plain text if it has words, else the first alternative that has some."""
        ranked = sorted(parts, key=lambda part: part.get_content_type() != "text/plain")
        return next(([part] for part in ranked if self._has_words(part)), ranked[:1])

    def _has_words(self, part: MimePart) -> bool:
        leaves = [leaf for leaf in part.walk() if not leaf.is_multipart()]
        return any(
            _TAG.sub("", self._content(leaf)).strip() for leaf in leaves if not _is_attachment(leaf)
        )

    def _write_text(self, part: MimePart) -> None:
        text = self._content(part)
        if part.get_content_subtype() == "html":
            write_page(self.builder, text)
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


def _is_attachment(part: MimePart) -> bool:
    disposition = part.get_content_disposition()
    is_text = part.get_content_maintype() == "text" and part.get_content_subtype() not in _DATA
    named = bool(part.get_filename()) and disposition != "inline"
    return not is_text or named or disposition == "attachment"
