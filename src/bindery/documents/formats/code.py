"""Programs, read as they are written."""

from bindery.documents.formats.encoding import decode
from bindery.documents.formats.text import paragraphs
from bindery.types import Block, Document


def read_code(data: bytes, name: str) -> Document:
    """Read a program as it is; its blocks are what blank lines divide."""
    decoded = decode(data)
    blocks = tuple(Block("code", span) for span in paragraphs(decoded.text))
    return Document(decoded.text, "code", name, blocks, decoded.warnings)
