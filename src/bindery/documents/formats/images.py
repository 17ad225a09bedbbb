"""Images of text (PNG, JPEG, TIFF), recognised like scanned pages with the extra ``ocr``."""

import importlib
import io
from collections.abc import Iterator
from typing import Any

from bindery.documents.formats import ocr
from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.page_layout import paragraphs
from bindery.errors import FileTooLarge
from bindery.types import Document

MAX_PIXELS = 100_000_000
"""A page of A3 at 600 dots per inch has 70 million; each takes four bytes."""

MAX_PAGES = 1_000


def read_png(data: bytes, name: str) -> Document:
    """Recognise the text of a PNG."""
    return _read(data, "png", name)


def read_jpeg(data: bytes, name: str) -> Document:
    """Recognise the text of a JPEG."""
    return _read(data, "jpeg", name)


def read_tiff(data: bytes, name: str) -> Document:
    """Recognise the text of a TIFF, page by page."""
    return _read(data, "tiff", name)


def _read(data: bytes, kind: str, name: str) -> Document:
    """Raises FileTooLarge before an image above :data:`MAX_PIXELS` is decompressed."""
    builder = DocumentBuilder()
    recogniser = ocr.Recogniser()
    done: list[str] = []
    left: list[str] = []
    with importlib.import_module("PIL.Image").open(io.BytesIO(data), formats=[kind]) as image:
        for number in _frames(image, name):
            if not recogniser.has_time():
                left.append(str(number))
                continue
            builder.begin_page(number)
            for paragraph in paragraphs(recogniser.lines(_pixels(image))):
                builder.add(paragraph.text)
            done.append(str(number))
    warnings = ocr.warnings(", ".join(done), ", ".join(left))
    return builder.document(kind, name, warnings)


def _frames(image: Any, name: str) -> Iterator[int]:  # noqa: ANN401
    """Select each image of the file in turn; yields its number from 1."""
    count = int(getattr(image, "n_frames", 1))
    if count > MAX_PAGES:
        raise FileTooLarge(
            f"{name!r} has {count:,} images; the limit is {MAX_PAGES:,}.",
            remedy="Split it into several files.",
        )
    for index in range(count):
        image.seek(index)
        if image.width * image.height > MAX_PIXELS:
            raise FileTooLarge(
                f"{name!r} has {image.width:,} by {image.height:,} pixels; "
                f"the limit is {MAX_PIXELS:,} in all.",
                remedy="Save a smaller copy: for text, 200 dots per inch are enough.",
            )
        yield index + 1


def _pixels(image: Any) -> Any:  # noqa: ANN401
    """The image as an array of blue, green and red, no larger than recognition needs."""
    numpy = importlib.import_module("numpy")
    copied = image.convert("RGB")
    copied.thumbnail((ocr.MOST_PIXELS, ocr.MOST_PIXELS))
    return numpy.asarray(copied)[:, :, ::-1]
