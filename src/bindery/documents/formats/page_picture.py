"""A picture of one page of a PDF, drawn by PDFium and written as PNG."""

# pypdfium2 has no type annotations.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import struct
import zlib
from itertools import chain

import pypdfium2

from bindery.documents.formats.pdf import pdf_refusal
from bindery.errors import BrokenDocument, InvalidValue

_MOST_PIXELS = 8_000_000
"""A page of 2,400 by 3,300 pixels, and 24 MB while it is drawn."""

_LONGEST_SIDE = 8_000
_PNG = b"\x89PNG\r\n\x1a\n"
# PDFium writes three bytes per pixel unless a page asks for transparency.
_CHANNELS = 3


def draw_page(data: bytes, name: str, page: int, width: int) -> bytes:
    """The PNG of a page, which counts from 1, about ``width`` pixels wide.

    A very long page is drawn smaller. Raises PasswordProtected and BrokenDocument, and InvalidValue
    for a page that the document does not have.
    """
    try:
        file = pypdfium2.PdfDocument(data)
        if not 1 <= page <= len(file):
            raise InvalidValue(f"page must be between 1 and {len(file)}, got {page}.")
        return _drawn(file[page - 1], name, width)
    except pypdfium2.PdfiumError as error:
        raise pdf_refusal(error, name) from error


def _drawn(page: pypdfium2.PdfPage, name: str, width: int) -> bytes:
    across, down = page.get_size()
    if not (across > 0 and down > 0):
        raise BrokenDocument(f"A page of {name!r} has no size.", remedy="Save the document again.")
    scale = min(
        width / across, _LONGEST_SIDE / max(across, down), (_MOST_PIXELS / across / down) ** 0.5
    )
    bitmap = page.render(scale=scale, rev_byteorder=True)  # pyright: ignore[reportArgumentType]
    return _png(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride)


def _png(pixels: bytes, width: int, height: int, stride: int) -> bytes:
    """Pixels of RGB as PNG (https://www.w3.org/TR/png-3/), without filters."""
    length = _CHANNELS * width
    rows = ((b"\0", pixels[at : at + length]) for at in range(0, height * stride, stride))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(chain.from_iterable(rows)), 4)
    return _PNG + _part(b"IHDR", head) + _part(b"IDAT", body) + _part(b"IEND", b"")


def _part(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
