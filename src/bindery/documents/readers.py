"""The table of what can be read. A new kind is one new file and one row here."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from bindery.types import Document

Read = Callable[[bytes, str], Document]


@dataclass(frozen=True, slots=True)
class Reader:
    """One kind of document: who reads it, and how it is told from the others.

    ``function`` is ``module:function``, imported only when chosen; it takes the bytes and the name
    of a document. ``signature`` is how a binary file begins; ``member`` the file inside a ZIP
    container that proves its kind. For text, ``mark`` is a regular expression that proves the kind
    whatever the name says, ``hint`` one that decides where the name has no extension.
    """

    function: str
    media_types: tuple[str, ...]
    extensions: tuple[str, ...]
    signature: bytes = b""
    member: str = ""
    mark: str = ""
    hint: str = ""

    @property
    def is_textual(self) -> bool:
        """Whether a person could read the file as it is."""
        return not (self.signature or self.member)

    def load(self) -> Read:
        """Import the function that reads this kind."""
        module, _, name = self.function.partition(":")
        return cast(Read, getattr(importlib.import_module(module), name))


_PROLOGUE = r"\A\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*){0,3}"

READERS: Mapping[str, Reader] = {
    "pdf": Reader(
        function="bindery.documents.pdf:read_pdf",
        media_types=("application/pdf",),
        extensions=(".pdf",),
        signature=b"%PDF-",
    ),
    "docx": Reader(
        function="bindery.documents.docx:read_docx",
        media_types=("application/vnd.openxmlformats-officedocument.wordprocessingml.document",),
        extensions=(".docx", ".docm", ".dotx"),
        member="word/document.xml",
    ),
    "html": Reader(
        function="bindery.documents.html:read_html",
        media_types=("text/html", "application/xhtml+xml"),
        extensions=(".html", ".htm", ".xhtml"),
        mark=_PROLOGUE + r"<(?:!doctype\s+html|html|head|body)\b",
        hint=_PROLOGUE + r"<(?:title|meta|div|p|h[1-6]|table|ul|ol|article|section|main)\b",
    ),
    "markdown": Reader(
        function="bindery.documents.markdown:read_markdown",
        media_types=("text/markdown",),
        extensions=(".md", ".markdown", ".mdown", ".mkd"),
        hint=r"(?m)^(?:#{1,6} \S|```|~~~|\|? ?:?-{3,}:? ?\|)|\]\(https?://",
    ),
    # The last row takes all other text: tables, data and programs are read as they are written.
    "text": Reader(
        function="bindery.documents.text:read_text",
        media_types=("text/plain", "text/csv", "text/tab-separated-values", "application/json"),
        extensions=(".txt", ".text", ".log", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml"),
    ),
}
