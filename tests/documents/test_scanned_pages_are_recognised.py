"""The extra `ocr`: scanned pages and images; and what is said where it is not installed."""

import importlib
import io

import pytest
from tests.documents.samples import pdf_of

from bindery.documents import parse, read
from bindery.documents.formats.ocr import is_installed
from bindery.errors import UnsupportedKind

PIXEL = "q 612 0 0 792 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q"
WORDS = "q BT /F1 12 Tf 72 700 Td (words) Tj ET Q "

with_extra = pytest.mark.skipif(not is_installed(), reason="the extra ocr is not installed")
without_extra = pytest.mark.skipif(is_installed(), reason="the extra ocr is installed")


@without_extra
def test_without_the_extra_scanned_pages_are_named_with_the_way_out():
    document = read(pdf_of([WORDS, PIXEL, "", WORDS + PIXEL]), "x.pdf")
    assert document.text == "words\n\nwords"
    assert document.warnings == (
        "These pages have no text: 3.",
        "These pages are scanned and were not read: 2. "
        "To read scanned text (OCR): pip install 'bindery-search[ocr]'.",
    )


@without_extra
@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"II*\0", "TIFF")],
)
def test_without_the_extra_images_are_refused_with_the_way_out(start, kind):
    with pytest.raises(UnsupportedKind, match=f"a {kind} image") as caught:
        read(start + bytes(range(64)), "x.png")
    assert "bindery-search[ocr]" in caught.value.remedy


LINES = ("The binding of books", "Loose paper is lost", "Bound paper is kept")


def drawn(*pages, form):
    """Images of pages that say these lines."""
    image, draw, font = (importlib.import_module(f"PIL.Image{x}") for x in ("", "Draw", "Font"))
    images = []
    for lines in pages:
        made = image.new("RGB", (900, 600), "white")
        for number, line in enumerate(lines):
            place = (80, 80 + 120 * number)
            draw.Draw(made).text(place, line, "black", font.load_default(36))
        images.append(made)
    file = io.BytesIO()
    images[0].save(
        file, form, **({"save_all": True, "append_images": images[1:]} if images[1:] else {})
    )
    return file.getvalue()


@with_extra
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "PDF"])
def test_the_sandbox_recognises_what_an_image_says(form):
    document = parse(drawn(LINES, form=form), f"x.{form.lower()}", timeout_s=120)
    assert document.kind == form.lower()
    assert document.text.splitlines() == list(LINES)
    assert "recognised (OCR) and may contain errors: 1." in document.warnings[0]


@with_extra
def test_recognised_pages_stay_in_order():
    data = drawn(LINES[:1], LINES[1:2], form="PDF")
    document = parse(data, "x.pdf", timeout_s=120)
    pages = [(b.page, document.quote(b.span)) for b in document.blocks if b.kind == "page"]
    assert pages == [(1, LINES[0]), (2, LINES[1])]
