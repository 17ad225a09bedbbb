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
    of a document. ``signature`` is how a binary file begins, and ``inside`` what stands further in,
    where several kinds begin alike; ``member`` the file inside a ZIP container that proves its
    kind. For text, ``mark`` is a regular expression that proves the kind whatever the name says,
    ``hint`` one that decides where the name has no extension.
    """

    function: str
    media_types: tuple[str, ...]
    extensions: tuple[str, ...]
    signature: bytes = b""
    inside: bytes = b""
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
    "pptx": Reader(
        function="bindery.documents.pptx:read_pptx",
        media_types=("application/vnd.openxmlformats-officedocument.presentationml.presentation",),
        extensions=(".pptx", ".pptm", ".potx", ".ppsx"),
        member="ppt/presentation.xml",
    ),
    "xlsx": Reader(
        function="bindery.documents.spreadsheet:read_xlsx",
        media_types=("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",),
        extensions=(".xlsx", ".xlsm", ".xltx"),
        member="xl/workbook.xml",
    ),
    "xls": Reader(
        function="bindery.documents.spreadsheet:read_xls",
        media_types=("application/vnd.ms-excel",),
        extensions=(".xls", ".xlt"),
        signature=b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        inside="Workbook".encode("utf-16-le"),
    ),
    "ods": Reader(
        function="bindery.documents.spreadsheet:read_ods",
        media_types=("application/vnd.oasis.opendocument.spreadsheet",),
        extensions=(".ods", ".ots"),
        member="content.xml",
    ),
    "odt": Reader(
        function="bindery.documents.odt:read_odt",
        media_types=("application/vnd.oasis.opendocument.text",),
        extensions=(".odt", ".ott"),
        member="content.xml",
    ),
    "epub": Reader(
        function="bindery.documents.epub:read_epub",
        media_types=("application/epub+zip",),
        extensions=(".epub",),
        member="META-INF/container.xml",
    ),
    "rtf": Reader(
        function="bindery.documents.rtf:read_rtf",
        media_types=("application/rtf", "text/rtf"),
        extensions=(".rtf",),
        signature=b"{\\rtf",
    ),
    "eml": Reader(
        function="bindery.documents.eml:read_eml",
        media_types=("message/rfc822",),
        extensions=(".eml",),
        mark=r"\A(?=(?:[^\n]*\n){0,60}?(?:MIME-Version|Message-ID): )(?:Return-Path|Received|From"
        r"|To|Delivered-To|Subject|Date|Message-ID|MIME-Version|X-[\w-]{1,60}): ",
    ),
    "ipynb": Reader(
        function="bindery.documents.ipynb:read_ipynb",
        media_types=("application/x-ipynb+json",),
        extensions=(".ipynb",),
        mark=r'\A\s*\{\s*"cells"\s*:\s*\[',
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
    "csv": Reader(
        function="bindery.documents.data:read_csv",
        media_types=("text/csv", "text/tab-separated-values"),
        extensions=(".csv", ".tsv"),
    ),
    "jsonl": Reader(
        function="bindery.documents.data:read_jsonl",
        media_types=("application/jsonl", "application/x-ndjson"),
        extensions=(".jsonl", ".ndjson"),
    ),
    "json": Reader(
        function="bindery.documents.data:read_json",
        media_types=("application/json",),
        extensions=(".json", ".geojson"),
    ),
    "xml": Reader(
        function="bindery.documents.data:read_xml",
        media_types=("application/xml", "text/xml"),
        extensions=(".xml", ".svg", ".rss", ".atom"),
        mark=r"\A\s*<\?xml\b",
    ),
    "code": Reader(
        function="bindery.documents.code:read_code",
        media_types=("text/x-script", "text/javascript"),
        extensions=(
            *(".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".go", ".rs", ".java"),
            *(".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cs", ".kt", ".kts", ".swift"),
            *(".rb", ".php", ".pl", ".lua", ".scala", ".sh", ".bash", ".zsh", ".fish", ".ps1"),
            *(".sql", ".r", ".jl", ".m", ".hs", ".ml", ".ex", ".exs", ".erl", ".clj", ".dart"),
            *(".css", ".scss", ".vue", ".zig", ".nim", ".tf", ".proto", ".mk", ".cmake"),
        ),
        hint=r"\A#!",
    ),
    # The last row takes all other text, as it is written.
    "text": Reader(
        function="bindery.documents.text:read_text",
        media_types=("text/plain", "application/yaml"),
        extensions=(".txt", ".text", ".log", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".rst"),
    ),
}
