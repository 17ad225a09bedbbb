"""PDF, through PDFium: the text of each page, in paragraphs."""

# pypdfium2 carries no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import pypdfium2
from pypdfium2 import raw as pdfium

from bindery.documents.manuscript import Manuscript
from bindery.errors import BrokenDocument, FileTooLarge, PasswordProtected
from bindery.types import Document

MAX_PAGES = 20_000
"""Four times the longest books; a page count is a number in the file that anyone can write."""

_WIDER_GAP = 1.25
"""A gap between lines this many times the page's usual one begins a paragraph."""

_OTHER_SIZE = 0.5
"""Points by which two sizes of type differ to the eye; less is rounding."""

_SOFT_HYPHEN = re.compile(r"([^\W\d_])\ufffe(?:\r?\n)?(?=[^\W\d_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of text; heights of its first and last character, in points from the page's foot."""

    text: str
    first_height: float
    last_height: float
    size: float


def read_pdf(data: bytes, name: str) -> Document:
    """Read the text layer, page by page: a block for each page and for each paragraph on it.

    Raises PasswordProtected, BrokenDocument, or FileTooLarge above :data:`MAX_PAGES`.
    Pages without text (scans) give none, and a warning.
    """
    try:
        file = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise _refusal(error, name) from error
    try:
        return _read(file, name)
    finally:
        file.close()


def _read(file: pypdfium2.PdfDocument, name: str) -> Document:
    count = len(file)
    if count > MAX_PAGES:
        raise FileTooLarge(
            f"{name!r} says it has {count:,} pages; the limit is {MAX_PAGES:,}.",
            remedy="Split it into several documents.",
        )
    manuscript = Manuscript()
    empty: list[int] = []
    broken: list[int] = []
    for number in range(1, count + 1):
        manuscript.begin_page(number)
        try:
            paragraphs = _paragraphs(_lines(file, number - 1))
        except pypdfium2.PdfiumError:
            broken.append(number)
            continue
        if not paragraphs:
            empty.append(number)
        for paragraph in paragraphs:
            manuscript.add(paragraph)
    if len(broken) == count:
        raise BrokenDocument(
            f"{name!r} is a PDF of which no page can be read.",
            remedy="It may be cut short: fetch or save it again.",
        )
    return manuscript.document("pdf", name, _warnings(count, empty, broken))


def _lines(file: pypdfium2.PdfDocument, index: int) -> list[_Line]:
    page = file[index]
    try:
        text_page = page.get_textpage()
        try:
            return list(_lines_of(text_page))
        finally:
            text_page.close()
    finally:
        page.close()


def _lines_of(text_page: pypdfium2.PdfTextPage) -> Iterator[_Line]:
    x, y = ctypes.c_double(), ctypes.c_double()
    page = text_page.raw

    def height(position: int) -> float:
        character = pdfium.FPDFText_GetCharIndexFromTextIndex(page, position)
        pdfium.FPDFText_GetCharOrigin(page, character, x, y)
        return y.value

    position = 0
    for written in str(text_page.get_text_range()).split("\r\n"):
        stripped = written.rstrip()
        if stripped.strip():
            start = position + len(written) - len(written.lstrip())
            character = pdfium.FPDFText_GetCharIndexFromTextIndex(page, start)
            size = float(pdfium.FPDFText_GetFontSize(page, character))
            last = position + len(stripped) - 1
            yield _Line(_mended(stripped), height(start), height(last), size)
        position += len(written) + 2


def _paragraphs(lines: Sequence[_Line]) -> list[str]:
    """Join lines into paragraphs: one ends where the gap widens or the size of type changes.

    A line above the one before begins a new column, in which the paragraph may go on.
    """
    gaps = [above.last_height - below.first_height for above, below in pairwise(lines)]
    usual = median([gap for gap in gaps if gap > 1] or [0.0])
    paragraphs: list[str] = []
    for line, above, gap in zip(lines, [None, *lines], [0.0, *gaps], strict=False):
        is_new_line = abs(gap) > usual / 2  # else a raised or lowered sign within the line
        if (
            above is None
            or gap > usual * _WIDER_GAP
            or (is_new_line and gap > 0 and abs(line.size - above.size) > _OTHER_SIZE)
        ):
            paragraphs.append(line.text)
        elif is_new_line:
            paragraphs[-1] += "\n" + line.text
        else:
            paragraphs[-1] += line.text if line.text[0] in ",.;:)" else " " + line.text
    return [paragraph for paragraph in paragraphs if paragraph.strip()]


def _mended(text: str) -> str:
    """The text without PDFium's marks: U+FFFE is a hyphen at the end of a typeset line."""
    # Before a capital the hyphen was most likely the author's ("Jean-Luc"), else the typesetter's.
    text = _SOFT_HYPHEN.sub(r"\1", re.sub(r"\ufffe(?=[A-Z0-9])", "-", text))
    return _CONTROL.sub(" ", text.replace("\ufffe", "-").replace("\r", " "))


def _warnings(count: int, empty: Sequence[int], broken: Sequence[int]) -> list[str]:
    warnings: list[str] = []
    if broken:
        warnings.append(f"Of {count} pages, these cannot be read: {_listed(broken)}.")
    if empty and len(empty) + len(broken) == count:
        warnings.append(
            "The PDF holds no text: it may be scanned. Recognise its text (OCR) before."
        )
    elif empty:
        warnings.append(f"Of {count} pages, these hold no text (scanned?): {_listed(empty)}.")
    return warnings


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:20]))
    return shown if len(numbers) <= 20 else f"{shown} and {len(numbers) - 20} more"


def _refusal(error: pypdfium2.PdfiumError, name: str) -> BrokenDocument | PasswordProtected:
    code = getattr(error, "err_code", None)
    if code in {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}:
        return PasswordProtected(
            f"{name!r} is a PDF that opens only with a password.",
            remedy="Save a copy without a password.",
        )
    return BrokenDocument(
        f"{name!r} begins like a PDF but cannot be opened as one: {error}",
        remedy="It may be cut short: fetch or save it again.",
    )
