"""PDF, with PDFium: the text of each page, in paragraphs."""

# pypdfium2 has no type annotations.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import ctypes
import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pypdfium2
from pypdfium2 import raw as pdfium

from bindery.documents.formats import ocr
from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.page_headings import folded, heading_levels
from bindery.documents.formats.page_layout import (
    Line,
    clear_text,
    furniture,
    paragraphs,
    unhyphenated,
    vocabulary,
)
from bindery.documents.formats.page_rules import Box, rules_of, with_ruled_tables
from bindery.documents.formats.page_tables import Cell, widest_gap, with_tables
from bindery.documents.readers import OCR_REMEDY
from bindery.errors import BrokenDocument, FileTooLarge, PasswordProtected
from bindery.types import Document

MAX_PAGES = 20_000
"""Four times the longest books; the page count in a file may be any number."""

MAX_OUTLINE = 10_000
_MOST_ANNOTATIONS = 2_000
_SHOWN_ANNOTATIONS = frozenset({pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT})
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy|demi", re.IGNORECASE)
_A4_POINTS = 842
_SHORT_LINE = 0.8  # of the median line's letters; longer lines are not measured

_WORD = re.compile(r"[$€£¥][^\s$€£¥]*|[^\s$€£¥]+")
_RIGHT_TO_LEFT = r"\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
# PDFium omits the blank between words of different directions.
_TURN = re.compile(rf"(?<=[A-Za-z])(?=[{_RIGHT_TO_LEFT}])|(?<=[{_RIGHT_TO_LEFT}])(?=[A-Za-z])")
_LAM_ALEF = re.compile(r"([\u0622\u0623\u0625\u0627])\u0644")


@dataclass(slots=True)
class _Scan:
    """The lines of each page, and the numbers of pages without text and of unreadable pages."""

    pages: list[list[Line]] = field(default_factory=list[list[Line]])
    empty: list[int] = field(default_factory=list[int])
    broken: list[int] = field(default_factory=list[int])
    unread_fields: list[int] = field(default_factory=list[int])


def read_pdf(data: bytes, name: str) -> Document:
    """Read the pages: a block for each page, heading and paragraph.

    Text that repeats at the top or bottom of pages becomes ``header`` and ``footer`` blocks. Pages
    with an image and no text (scans) are recognised if the extra ``ocr`` is installed; otherwise a
    warning names them. Aligned columns of numbers become tables.

    Raises PasswordProtected, BrokenDocument, or FileTooLarge above :data:`MAX_PAGES`.
    """
    try:
        file = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise pdf_refusal(error, name) from error
    try:
        return _read(file, name)
    finally:
        file.close()


def _read(file: pypdfium2.PdfDocument, name: str) -> Document:
    count = len(file)
    if count > MAX_PAGES:
        raise FileTooLarge(
            f"{name!r} declares {count:,} pages; the limit is {MAX_PAGES:,}.",
            remedy="Split it into several documents.",
        )
    scan = _Scan()
    for number in range(1, count + 1):
        try:
            scan.pages.append(_lines(file, number - 1, scan))
        except pypdfium2.PdfiumError:
            scan.pages.append([])
            scan.broken.append(number)
            continue
        if not scan.pages[-1]:
            scan.empty.append(number)
    if len(scan.broken) == count:
        raise BrokenDocument(
            f"{name!r} is a PDF without a readable page.",
            remedy="It may be incomplete: download or save it again.",
        )
    warnings = _recognise(file, scan)
    builder = DocumentBuilder()
    _write(builder, scan.pages, _outline(file))
    return builder.document("pdf", name, warnings, title=file.get_metadata_value("Title"))


def _write(
    builder: DocumentBuilder, pages: Sequence[Sequence[Line]], outline: dict[tuple[int, str], int]
) -> None:
    marked = furniture(pages)
    known = vocabulary(pages)
    texts = [
        paragraphs([line for place, line in enumerate(lines) if place not in headers | footers])
        for lines, (headers, footers) in zip(pages, marked, strict=True)
    ]
    levels = heading_levels(texts, outline)
    for number, (lines, (headers, footers)) in enumerate(zip(pages, marked, strict=True)):
        builder.begin_page(number + 1)
        builder.add("\n".join(clear_text(lines[place].text) for place in sorted(headers)), "header")
        for paragraph, level in zip(texts[number], levels[number], strict=True):
            text = paragraph.text if paragraph.is_table else unhyphenated(paragraph.text, known)
            if level:
                builder.heading(clear_text(text), level)
            else:
                builder.add(clear_text(text), "table" if paragraph.is_table else "paragraph")
        builder.add("\n".join(clear_text(lines[place].text) for place in sorted(footers)), "footer")


def _lines(file: pypdfium2.PdfDocument, index: int, scan: _Scan) -> list[Line]:
    page = file[index]
    values = _field_values(page)
    if values is not None:
        # The values of fields become text of the page, at their positions.
        pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY)
        page.close()
        page = file[index]
    try:
        text_page = page.get_textpage()
        try:
            characters = _Characters(text_page, page.get_rotation(), page.get_height())
            if any(value not in characters.text for value in values or ()):
                scan.unread_fields.append(index + 1)
            ruled = with_ruled_tables(
                list(_lines_of(characters)), rules_of(page, characters.shown), characters.cells
            )
            return with_tables(ruled, characters.cells)
        finally:
            text_page.close()
    finally:
        page.close()


def _field_value(annotation: Any) -> str:  # noqa: ANN401 - pypdfium2 has no types
    if pdfium.FPDFAnnot_GetValueType(annotation, b"V") != pdfium.FPDF_OBJECT_STRING:
        return ""  # a check box, or no value
    size = pdfium.FPDFAnnot_GetStringValue(annotation, b"V", None, 0)
    buffer = ctypes.create_string_buffer(size)
    text = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort))
    pdfium.FPDFAnnot_GetStringValue(annotation, b"V", text, size)
    return buffer.raw.decode("utf-16-le", "replace").strip("\0")


def _field_values(page: pypdfium2.PdfPage) -> list[str] | None:
    """The values of the form fields of a page; None if it has neither fields nor notes on it."""
    values: list[str] | None = None
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page.raw), _MOST_ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, index)
        if pdfium.FPDFAnnot_GetSubtype(annotation) in _SHOWN_ANNOTATIONS:
            # The first word is enough to see whether a value is on the page.
            values = [*(values or []), *_field_value(annotation).split()[:1]]
        pdfium.FPDFPage_CloseAnnot(annotation)
    return values


class _Characters:
    """The characters of a page, by their index in its text."""

    def __init__(self, page: pypdfium2.PdfTextPage, rotation: int, page_height: float) -> None:
        self.text = str(page.get_text_range())
        self._page = page.raw
        self._numbers = [ctypes.c_double() for _ in range(4)]
        self._matrix = pdfium.FS_MATRIX()
        self._font, self._flags = ctypes.create_string_buffer(128), ctypes.c_int()
        self._rotation = rotation
        self.page_height = page_height

    def height(self, place: int) -> float:
        """The baseline, in points above the bottom of the page."""
        x, y, *_ = self._numbers
        pdfium.FPDFText_GetCharOrigin(self._page, self._index(place), x, y)
        # PDFium returns points of the page before its rotation.
        return {
            90: self.page_height - x.value,
            180: self.page_height - y.value,
            270: x.value,
        }.get(self._rotation, y.value)

    def size(self, place: int) -> tuple[float, bool]:
        """The visible font size, and whether the character is upright.

        Many programs write size 1 and scale the page.
        """
        index = self._index(place)
        size = float(pdfium.FPDFText_GetFontSize(self._page, index))
        if not pdfium.FPDFText_GetMatrix(self._page, index, self._matrix):
            return size, True
        across, up = abs(self._matrix.c), abs(self._matrix.d)
        if self._rotation in {90, 270}:
            across, up = up, across
        return size * (across**2 + up**2) ** 0.5, across <= up

    def is_bold(self, place: int) -> bool:
        """By the font's weight or name: many programs embed bold fonts without a weight."""
        index = self._index(place)
        if pdfium.FPDFText_GetFontWeight(self._page, index) >= _BOLD_WEIGHT:
            return True
        pdfium.FPDFText_GetFontInfo(self._page, index, self._font, len(self._font), self._flags)
        return _BOLD_NAME.search(self._font.value) is not None

    def box(self, place: int) -> tuple[float, ...]:
        pdfium.FPDFText_GetCharBox(self._page, self._index(place), *self._numbers)
        return tuple(number.value for number in self._numbers)

    def cells(self, line: Line, walls: Sequence[float] = ()) -> list[Cell]:
        """The pieces of a line between its wide gaps, with their places as the page is shown.

        ``walls`` are further places that divide it.
        """
        pieces: list[Cell] = []
        first, last, left, right = 0, 0, 0.0, 0.0
        for word in _WORD.finditer(line.text):
            start = self.edges(line.start + word.start())[0]
            if last:
                gap = widest_gap(line.text[last - 1], word[0][0]) * line.size
                is_apart = bisect(walls, right - 1) != bisect(walls, start + 1)
                if start - right > gap or is_apart:
                    pieces.append(Cell(line.text[first:last], left, right))
                    first, left = word.start(), start
            else:
                first, left = word.start(), start
            last, right = word.end(), self.edges(line.start + word.end() - 1)[1]
        return [*pieces, Cell(line.text[first:].rstrip(), left, right)]

    def edges(self, place: int) -> tuple[float, float]:
        """The left and right edge of a character, as the page is shown."""
        left, right, bottom, top = self.box(place)
        start, _, end, _ = self.shown((left, bottom, right, top))
        return start, end

    def shown(self, box: Box) -> Box:
        """A box of the page before its rotation, as the page is shown."""
        left, bottom, right, top = box
        height = self.page_height
        return {
            90: (bottom, height - right, top, height - left),
            180: (-right, height - top, -left, height - bottom),
            270: (-top, left, -bottom, right),
        }.get(self._rotation, box)

    def _index(self, place: int) -> int:
        return int(pdfium.FPDFText_GetCharIndexFromTextIndex(self._page, place))


def _lines_of(characters: _Characters) -> Iterator[Line]:
    position, page_height = 0, characters.page_height
    written_lines = characters.text.split("\r\n")
    lengths = sorted(map(len, written_lines))
    short = _SHORT_LINE * lengths[len(lengths) // 2]
    for written in written_lines:
        stripped = written.rstrip()
        # Only a short line may be centred, and the longest tells the width of the text.
        is_placed = len(stripped) < short or len(written) == lengths[-1]
        if stripped.strip():
            first = position + len(written) - len(written.lstrip())
            last = position + len(stripped) - 1
            middle = position + _middle(stripped)
            # The median, because a superscript is smaller.
            size, is_upright = sorted(map(characters.size, (first, middle, last)))[1]
            height = characters.height(first)
            yield Line(
                _ordered(stripped.lstrip(), first, characters),
                height,
                characters.height(last),
                height / page_height if page_height > 0 else 0.5,
                size,
                characters.is_bold(first) and characters.is_bold(last),
                is_upright,
                start=first,
                left=characters.edges(first)[0] if is_placed else 0.0,
                right=characters.edges(last)[1] if is_placed else 0.0,
            )
        position += len(written) + 2


def _middle(text: str) -> int:
    """The index of a visible character near the middle: PDFium's own blanks have no size."""
    place = len(text) // 2
    return place + len(text[place:]) - len(text[place:].lstrip())


def _ordered(text: str, position: int, characters: _Characters) -> str:
    """The text of a line with Arabic ligatures in reading order.

    PDFium splits lam-alef, one glyph for two letters, in the wrong order. Two letters of one glyph
    have the same box.
    """

    def reordered(match: re.Match[str]) -> str:
        place = position + match.start()
        is_one = characters.box(place) == characters.box(place + 1)
        return f"\u0644{match[1]}" if is_one else match[0]

    return _TURN.sub(" ", _LAM_ALEF.sub(reordered, text)) if not text.isascii() else text


def _outline(file: pypdfium2.PdfDocument) -> dict[tuple[int, str], int]:
    """The levels of the document's bookmarks, by page (from 0) and folded title."""
    levels: dict[tuple[int, str], int] = {}
    for bookmark in islice(file.get_toc(max_depth=6), MAX_OUTLINE):
        target = bookmark.get_dest()
        page = None if target is None else target.get_index()
        title = folded(bookmark.get_title())
        if page is not None and title:
            levels.setdefault((page, title), min(bookmark.level + 1, 6))
    return levels


def _recognise(file: pypdfium2.PdfDocument, scan: _Scan) -> list[str]:
    """Recognise the lines of scanned pages; returns warnings."""
    scanned = [number for number in scan.empty if _has_image(file, number - 1)]
    blank = [number for number in scan.empty if number not in scanned]
    warnings: list[str] = []
    if scan.unread_fields:
        pages = _listed(scan.unread_fields)
        warnings.append(f"Some form fields on these pages were not read: {pages}.")
    if scan.broken:
        warnings.append(f"These pages are damaged and were not read: {_listed(scan.broken)}.")
    if blank:
        warnings.append(f"These pages have no text: {_listed(blank)}.")
    if scanned and not ocr.is_installed():
        warnings.append(
            f"These pages are scanned and were not read: {_listed(scanned)}. {OCR_REMEDY}"
        )
    elif scanned:
        recogniser = ocr.Recogniser()
        done: list[int] = []
        for number in scanned:
            if not recogniser.has_time():
                break
            scan.pages[number - 1] = _recognised_lines(file, number - 1, recogniser)
            done.append(number)
        warnings += ocr.warnings(_listed(done), _listed(scanned[len(done) :]))
    return warnings


def _recognised_lines(
    file: pypdfium2.PdfDocument, index: int, recogniser: ocr.Recogniser
) -> list[Line]:
    page = file[index]
    try:
        longer = max(page.get_size())
        scale = min(ocr.MOST_PIXELS / longer, ocr.MOST_PIXELS / _A4_POINTS) if longer > 0 else 1.0
        bitmap = page.render(scale=scale)  # pyright: ignore[reportArgumentType]
        try:
            return recogniser.lines(bitmap.to_numpy(), 1 / scale)
        finally:
            bitmap.close()
    finally:
        page.close()


def _has_image(file: pypdfium2.PdfDocument, index: int) -> bool:
    page = file[index]
    try:
        images = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3)
        return next(images, None) is not None
    finally:
        page.close()


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:20]))
    return shown if len(numbers) <= 20 else f"{shown} and {len(numbers) - 20} more"


def pdf_refusal(error: pypdfium2.PdfiumError, name: str) -> BrokenDocument | PasswordProtected:
    """What to raise for a document that PDFium does not open."""
    code = getattr(error, "err_code", None)
    if code in {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}:
        return PasswordProtected(
            f"{name!r} is a PDF protected by a password.",
            remedy="Save a copy without a password.",
        )
    return BrokenDocument(
        f"{name!r} begins like a PDF but cannot be opened: {error}",
        remedy="It may be incomplete: download or save it again.",
    )
