"""MSG: messages of Outlook, with python-oxmsg, and the messages that they embed."""

# olefile is typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import io
import struct
from dataclasses import replace

from olefile import OleFileIO
from oxmsg import Message
from oxmsg.attachment import Attachment
from oxmsg.storage import Storage, Stream

from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.encoding import clean, decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.mail import DEEPEST_HEADING, SHOWN, attachments_not_read
from bindery.documents.formats.rtf import write_rtf
from bindery.documents.formats.text import paragraphs
from bindery.types import Document

# Properties of messages, [MS-OXPROPS]: PidTagRtfCompressed, PidTagBodyHtml and PidTagDisplayName.
_RTF_BODY, _HTML_BODY, _DISPLAY_NAME = 0x1009, 0x1013, 0x3001
_EMBEDDED = "__substg1.0_3701000D"
_PROPERTIES = "__properties_version1.0"
_EMBEDDED_HEADER_BYTES, _HEADER_BYTES = 24, 32
"""Properties of an embedded message have a shorter header, [MS-OXMSG] 2.4.1."""

# What every text is taken to begin with, [MS-OXRTFCP] 2.2.2.
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096
_RTF_HEADER = struct.Struct("<II4sI")


def read_msg(data: bytes, name: str) -> Document:
    """Read a message and the messages embedded in it; other attachments are named in a warning."""
    with OleFileIO(io.BytesIO(data)) as file:
        root = Storage.from_ole(file)
    builder = DocumentBuilder()
    warnings: list[str] = []
    attachments: list[str] = []
    waiting = [(root, 1)]
    while waiting:
        storage, level = waiting.pop()
        message = Message(storage)
        _write_headers(builder, message, level)
        warnings += _write_body(builder, message)
        inner: list[tuple[Storage, int]] = []
        for part in storage.iter_attachment_storages():
            embedded = _embedded(part)
            if embedded is None:
                attachments.append(_name_of(Attachment(part)))
            else:
                inner.append((embedded, min(level + 1, DEEPEST_HEADING)))
        waiting += reversed(inner)
    warnings = attachments_not_read(attachments) + list(dict.fromkeys(warnings))
    return builder.document("msg", name, warnings)


def _write_headers(builder: DocumentBuilder, message: Message, level: int) -> None:
    builder.heading(message.subject, level)
    headers = {key.title(): value for key, value in message.message_headers.items()}
    to = "; ".join(f"{each.name} <{each.email_address}>" for each in message.recipients)
    date = message.sent_date
    known = {"From": message.sender, "To": to, "Date": date.isoformat() if date else ""}
    shown = {key: headers.get(key) or known.get(key) for key in SHOWN}
    builder.add("\n".join(f"{key}: {value}" for key, value in shown.items() if value))


def _write_body(builder: DocumentBuilder, message: Message) -> list[str]:
    """Write the plain text, else the HTML, else the RTF; returns warnings."""
    body = clean(message.body or "")
    if body.strip():
        text = body.replace("\r\n", "\n").replace("\r", "\n")
        for span in paragraphs(text):
            builder.add(text[span.start : span.end])
    elif page := _html(message):
        write_page(builder, page)
    elif compressed := message.properties.binary_prop_value(_RTF_BODY):
        return write_rtf(builder, decompressed(compressed))[1]
    return []


def _html(message: Message) -> str:
    try:
        return message.html_body or ""
    except ValueError:  # it is not in the encoding that the message declares
        return decode(message.properties.binary_prop_value(_HTML_BODY) or b"").text


def _embedded(part: Storage) -> Storage | None:
    """The message that an attachment is, in the form of a message on its own."""
    inner = next((each for each in part.storages if each.name == _EMBEDDED), None)
    if inner is None or not any(each.name == _PROPERTIES for each in inner.streams):
        return None  # a file, or an object of another program
    return replace(inner, streams=tuple(map(_with_long_header, inner.streams)))


def _with_long_header(stream: Stream) -> Stream:
    if stream.name != _PROPERTIES:
        return stream
    head, rest = stream.bytes_[:_EMBEDDED_HEADER_BYTES], stream.bytes_[_EMBEDDED_HEADER_BYTES:]
    return Stream(stream.path, head.ljust(_HEADER_BYTES, b"\0") + rest)


def _name_of(attachment: Attachment) -> str:
    name = attachment.properties.str_prop_value(_DISPLAY_NAME)
    return clean(attachment.file_name or name or "an attachment without a name")


def decompressed(data: bytes) -> bytes:
    """The RTF of a message ([MS-OXRTFCP]). Raises ValueError if it is damaged."""
    if len(data) < _RTF_HEADER.size:
        raise ValueError("its compressed RTF is cut short")
    _, size, kind, _ = _RTF_HEADER.unpack_from(data)
    if kind == b"MELA":  # not compressed
        return data[_RTF_HEADER.size : _RTF_HEADER.size + size]
    text = bytearray(_DICTIONARY)
    end = len(text) + min(size, len(data) * 18)  # two bytes stand for at most 17
    place = _RTF_HEADER.size
    while place < len(data) and len(text) < end:
        control, place = data[place], place + 1
        for bit in range(8):
            if not control >> bit & 1:
                text += data[place : place + 1]
                place += 1
                continue
            token = int.from_bytes(data[place : place + 2], "big")
            place += 2
            distance = (len(text) - (token >> 4)) % _WINDOW
            if distance == 0 or place > len(data):
                return bytes(text[len(_DICTIONARY) :])
            if distance > len(text):
                raise ValueError("its compressed RTF is damaged")
            for _ in range((token & 15) + 2):
                text.append(text[-distance])
    return bytes(text[len(_DICTIONARY) : end])
