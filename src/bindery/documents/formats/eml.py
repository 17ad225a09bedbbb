"""EML: a message as its reader sees it, its subject a heading."""

from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default

from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.encoding import decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.text import paragraphs
from bindery.errors import BrokenDocument
from bindery.types import Document

_SHOWN = ("From", "To", "Cc", "Date")


def read_eml(data: bytes, name: str) -> Document:
    """Read subject, sender, addressees, date and the body: its plain text, or else its HTML.

    Attachments are not read, and named in a warning. Raises BrokenDocument for a file without a
    single header.
    """
    message = message_from_bytes(data, policy=default)
    if not message.keys():
        raise BrokenDocument(f"{name!r} has none of a message's headers.")
    builder = DocumentBuilder()
    builder.heading(str(message.get("Subject", "")), 1)
    shown = [f"{header}: {message[header]}" for header in _SHOWN if message[header]]
    builder.add("\n".join(shown))
    body = message.get_body(("plain", "html"))
    if body is not None:
        text = _content(body)
        if body.get_content_subtype() == "html":
            write_page(builder, text)
        else:
            for span in paragraphs(text):
                builder.add(text[span.start : span.end])
    return builder.document("eml", name, _warnings(message))


def _content(part: Message) -> str:
    """The text of a part; the charset that it names may be wrong or unknown."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset() or ""
    try:
        text = data.decode(charset if charset in _CHARSETS else "utf-8")
    except UnicodeDecodeError:
        return decode(data).text
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Python has codecs that are no encodings of text, so a message may not name just any of them.
_CHARSETS = frozenset(
    {"us-ascii", "utf-8", "utf-16", "iso-2022-jp", "shift_jis", "euc-jp", "euc-kr", "gb2312"}
    | {"gbk", "gb18030", "big5", "koi8-r", "koi8-u"}
    | {f"iso-8859-{part}" for part in (*range(1, 11), *range(13, 17))}
    | {f"windows-125{part}" for part in range(9)}
)


def _warnings(message: EmailMessage) -> list[str]:
    names = [part.get_filename() or part.get_content_type() for part in _attachments(message)]
    return [f"Attachments are not read: {', '.join(names)[:500]}."] if names else []


def _attachments(message: EmailMessage) -> list[EmailMessage]:
    return [
        part
        for part in message.walk()
        if not part.is_multipart()
        and (part.get_filename() or part.get_content_maintype() not in {"text", "multipart"})
    ]
