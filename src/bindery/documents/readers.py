"""The table of readers. A new kind is one new file and one row here.

Other packages add kinds with an entry point of the group :data:`GROUP`, see :func:`readers`.
"""

import importlib
import importlib.util
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import cast

from bindery.errors import InvalidValue
from bindery.types import Document

Read = Callable[[bytes, str], Document]

GROUP = "bindery.readers"
"""The entry-point group: name = kind, value = ``module:row``, the row a :class:`Reader`."""

OCR_PACKAGE = "rapidocr"
OCR_REMEDY = "To read scanned text (OCR): pip install 'bindery-search[ocr]'."

_KIND = re.compile(r"[a-z0-9][a-z0-9_+-]{0,39}")
_FUNCTION = re.compile(r"[\w.]+:\w+")


@dataclass(frozen=True, slots=True)
class Reader:
    """One kind of document: the function that reads it, and how the kind is recognised.

    ``function`` is ``module:function``, imported when first needed; it takes the bytes and the name
    of a document. A binary file begins with one of ``signatures``; if several kinds begin alike, it
    also contains ``inside``. ``member`` is a file that a ZIP container of this kind has. For text,
    ``mark`` is a regular expression that proves the kind whatever the name, and ``hint`` one that
    decides if the name has no extension. ``needs`` is a package of an extra without which the kind
    cannot be read.
    """

    function: str
    media_types: tuple[str, ...]
    extensions: tuple[str, ...]
    signatures: tuple[bytes, ...] = ()
    inside: bytes = b""
    member: str = ""
    mark: str = ""
    hint: str = ""
    needs: str = ""

    def __post_init__(self) -> None:
        if not _FUNCTION.fullmatch(self.function):
            raise InvalidValue(
                f"The function of a reader must be written module:function, got {self.function!r}."
            )
        wrong = [end for end in self.extensions if not end.startswith(".") or end != end.lower()]
        if wrong:
            raise InvalidValue(
                f"An extension must begin with a dot and be in lower case, got {wrong[0]!r}."
            )
        if b"" in self.signatures:
            raise InvalidValue("A signature must not be empty: it would match every file.")

    @property
    def is_textual(self) -> bool:
        """Whether a person could read the file as it is."""
        return not (self.signatures or self.member)

    @property
    def is_installed(self) -> bool:
        """Whether the package that it needs, if any, is installed."""
        return not self.needs or importlib.util.find_spec(self.needs) is not None

    def load(self) -> Read:
        """Import the function that reads this kind."""
        module, _, name = self.function.partition(":")
        return cast(Read, getattr(importlib.import_module(module), name))


_PROLOGUE = r"\A\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*){0,3}"

_XML_PROLOGUE = r"\A\s*(?:<[?!][^>]{0,2000}>\s*){0,8}"

READERS: Mapping[str, Reader] = {
    "pdf": Reader(
        function="bindery.documents.formats.pdf:read_pdf",
        media_types=("application/pdf",),
        extensions=(".pdf",),
        signatures=(b"%PDF-",),
    ),
    "docx": Reader(
        function="bindery.documents.formats.docx:read_docx",
        media_types=("application/vnd.openxmlformats-officedocument.wordprocessingml.document",),
        extensions=(".docx", ".docm", ".dotx"),
        member="word/document.xml",
    ),
    "pptx": Reader(
        function="bindery.documents.formats.pptx:read_pptx",
        media_types=("application/vnd.openxmlformats-officedocument.presentationml.presentation",),
        extensions=(".pptx", ".pptm", ".potx", ".ppsx"),
        member="ppt/presentation.xml",
    ),
    "xlsx": Reader(
        function="bindery.documents.formats.spreadsheet:read_xlsx",
        media_types=("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",),
        extensions=(".xlsx", ".xlsm", ".xltx"),
        member="xl/workbook.xml",
    ),
    # Before XLS: a message may hold a workbook, but no workbook a message.
    "msg": Reader(
        function="bindery.documents.formats.msg:read_msg",
        media_types=("application/vnd.ms-outlook",),
        extensions=(".msg",),
        signatures=(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
        inside="__substg1.0_".encode("utf-16-le"),
    ),
    "xls": Reader(
        function="bindery.documents.formats.spreadsheet:read_xls",
        media_types=("application/vnd.ms-excel",),
        extensions=(".xls", ".xlt"),
        signatures=(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
        inside="Workbook".encode("utf-16-le"),
    ),
    "ods": Reader(
        function="bindery.documents.formats.spreadsheet:read_ods",
        media_types=("application/vnd.oasis.opendocument.spreadsheet",),
        extensions=(".ods", ".ots"),
        member="content.xml",
    ),
    "odt": Reader(
        function="bindery.documents.formats.opendocument:read_odt",
        media_types=("application/vnd.oasis.opendocument.text",),
        extensions=(".odt", ".ott"),
        member="content.xml",
    ),
    "odp": Reader(
        function="bindery.documents.formats.opendocument:read_odp",
        media_types=("application/vnd.oasis.opendocument.presentation",),
        extensions=(".odp", ".otp"),
        member="content.xml",
    ),
    "epub": Reader(
        function="bindery.documents.formats.epub:read_epub",
        media_types=("application/epub+zip",),
        extensions=(".epub",),
        member="META-INF/container.xml",
    ),
    "rtf": Reader(
        function="bindery.documents.formats.rtf:read_rtf",
        media_types=("application/rtf", "text/rtf"),
        extensions=(".rtf",),
        signatures=(b"{\\rtf",),
    ),
    "mbox": Reader(
        function="bindery.documents.formats.mail:read_mbox",
        media_types=("application/mbox",),
        extensions=(".mbox",),
        mark=r"\AFrom [^\n]{1,200}\d{4}[^\n]{0,40}\n[\w-]{1,60}:",
    ),
    "eml": Reader(
        function="bindery.documents.formats.mail:read_eml",
        media_types=("message/rfc822",),
        extensions=(".eml",),
        mark=r"\A(?=(?:[^\n]*\n){0,60}?(?:MIME-Version|Message-ID): )(?:Return-Path|Received|From"
        r"|To|Delivered-To|Subject|Date|Message-ID|MIME-Version|X-[\w-]{1,60}): ",
    ),
    "ipynb": Reader(
        function="bindery.documents.formats.ipynb:read_ipynb",
        media_types=("application/x-ipynb+json",),
        extensions=(".ipynb",),
        mark=r'\A\s*\{\s*"cells"\s*:\s*\[',
    ),
    "html": Reader(
        function="bindery.documents.formats.html:read_html",
        media_types=("text/html", "application/xhtml+xml"),
        extensions=(".html", ".htm", ".xhtml"),
        mark=_PROLOGUE + r"<(?:!doctype\s+html|html|head|body)\b",
        hint=_PROLOGUE + r"<(?:title|meta|div|p|h[1-6]|table|ul|ol|article|section|main)\b",
    ),
    "markdown": Reader(
        function="bindery.documents.formats.markdown:read_markdown",
        media_types=("text/markdown",),
        extensions=(".md", ".markdown", ".mdown", ".mkd"),
        hint=r"(?m)^(?:#{1,6} \S|```|~~~|\|? ?:?-{3,}:? ?\|)|\]\(https?://",
    ),
    "rst": Reader(
        function="bindery.documents.formats.plain_markup:read_rst",
        media_types=("text/x-rst",),
        extensions=(".rst", ".rest"),
    ),
    "org": Reader(
        function="bindery.documents.formats.plain_markup:read_org",
        media_types=("text/org",),
        extensions=(".org",),
        mark=r"\A\s*#\+title:",
    ),
    "vtt": Reader(
        function="bindery.documents.formats.subtitles:read_vtt",
        media_types=("text/vtt",),
        extensions=(".vtt",),
        mark=r"\AWEBVTT(?:[ \t\n]|\Z)",
    ),
    "srt": Reader(
        function="bindery.documents.formats.subtitles:read_srt",
        media_types=("application/x-subrip",),
        extensions=(".srt",),
        mark=r"\A\s*\d{1,6}[ \t]*\n\d{1,2}:\d{2}:\d{2}[.,]\d{1,3} *-->",
    ),
    "csv": Reader(
        function="bindery.documents.formats.data:read_csv",
        media_types=("text/csv", "text/tab-separated-values"),
        extensions=(".csv", ".tsv"),
    ),
    "jsonl": Reader(
        function="bindery.documents.formats.data:read_jsonl",
        media_types=("application/jsonl", "application/x-ndjson"),
        extensions=(".jsonl", ".ndjson"),
    ),
    "json": Reader(
        function="bindery.documents.formats.data:read_json",
        media_types=("application/json",),
        extensions=(".json", ".geojson"),
    ),
    "jats": Reader(
        function="bindery.documents.formats.xml_data:read_jats",
        media_types=("application/jats+xml",),
        extensions=(".nxml", ".jats"),
        mark=_XML_PROLOGUE
        + r"<article\b[^>]{0,2000}(?:\b(?:article-type|dtd-version)=|>\s*<front\b)",
    ),
    "feed": Reader(
        function="bindery.documents.formats.xml_data:read_feed",
        media_types=("application/rss+xml", "application/atom+xml"),
        extensions=(".rss", ".atom"),
        mark=_XML_PROLOGUE
        + r"<(?:rss\b|(?:\w+:)?feed\b[^>]{0,2000}2005/Atom|rdf:RDF\b[^>]{0,2000}/rss/)",
    ),
    "opml": Reader(
        function="bindery.documents.formats.xml_data:read_opml",
        media_types=("text/x-opml",),
        extensions=(".opml",),
        mark=_XML_PROLOGUE + r"<opml\b",
    ),
    "xml": Reader(
        function="bindery.documents.formats.xml_data:read_xml",
        media_types=("application/xml", "text/xml"),
        extensions=(".xml", ".svg"),
        mark=r"\A\s*<\?xml\b",
    ),
    "code": Reader(
        function="bindery.documents.formats.text:read_code",
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
    "png": Reader(
        function="bindery.documents.formats.images:read_png",
        media_types=("image/png",),
        extensions=(".png",),
        signatures=(b"\x89PNG\r\n\x1a\n",),
        needs=OCR_PACKAGE,
    ),
    "jpeg": Reader(
        function="bindery.documents.formats.images:read_jpeg",
        media_types=("image/jpeg",),
        extensions=(".jpg", ".jpeg"),
        signatures=(b"\xff\xd8\xff",),
        needs=OCR_PACKAGE,
    ),
    "tiff": Reader(
        function="bindery.documents.formats.images:read_tiff",
        media_types=("image/tiff",),
        extensions=(".tif", ".tiff"),
        signatures=(b"II*\x00", b"MM\x00*"),
        needs=OCR_PACKAGE,
    ),
    # The last row reads all other text as it is written.
    "text": Reader(
        function="bindery.documents.formats.text:read_text",
        media_types=("text/plain", "application/yaml"),
        extensions=(".txt", ".text", ".log", ".yaml", ".yml", ".toml", ".ini", ".cfg"),
    ),
}


@cache
def readers() -> Mapping[str, Reader]:
    """Every kind that can be read here: installed rows of :data:`READERS`, then other packages'.

    The first call imports the entry points of the group :data:`GROUP`. An entry point that cannot
    be used, or that names a kind which exists already, is left out with a RuntimeWarning: an
    installed package must not break other readers or replace them silently.
    """
    table = {kind: reader for kind, reader in READERS.items() if reader.is_installed}
    found = entry_points(group=GROUP)
    for point in sorted(found, key=lambda point: (point.name, point.value)):
        try:
            table[point.name] = _row(point, table)
        except Exception as error:  # noqa: BLE001 - another package's module may raise anything
            source = point.dist.name if point.dist is not None else point.value
            warnings.warn(
                f"The reader {point.name!r} of the package {source!r} was not loaded: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
    return MappingProxyType(table)


def _row(point: EntryPoint, table: Mapping[str, Reader]) -> Reader:
    if point.name in READERS or point.name in table:
        raise InvalidValue(
            f"A reader named {point.name!r} already exists.",
            remedy="The package must choose another name.",
        )
    if not _KIND.fullmatch(point.name):
        raise InvalidValue(f"A kind must be lower-case letters and digits, got {point.name!r}.")
    row: object = point.load()
    if not isinstance(row, Reader):
        raise InvalidValue(f"{point.value} must be a Reader, got a {type(row).__name__}.")
    row.load()
    return row
