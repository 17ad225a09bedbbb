"""PDF files that loop, nest, inflate or lie about their size."""

import zlib
from collections.abc import Callable, Mapping, Sequence

from tests.documents.samples import pdf_sample

_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>>"
_CATALOG, _PAGES = b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[3 0 R]>>"


def pdf(objects: Sequence[bytes], trailer: bytes = b"", start: int | None = None) -> bytes:
    """A file of these objects, numbered from 1."""
    body, offsets = b"%PDF-1.7\n", list[int]()
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj%b endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        body
        + b"xref\n0 %d\n0000000000 65535 f \n%btrailer<</Size %d/Root 1 0 R%b>>\n"
        % (
            len(objects) + 1,
            table,
            len(objects) + 1,
            trailer,
        )
        + b"startxref\n%d\n%%%%EOF\n" % (len(body) if start is None else start)
    )


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<</Length %d%b>>stream\n%b\nendstream" % (len(content), entries, content)


def page_of(content: bytes, entries: bytes = b"") -> bytes:
    return pdf([_CATALOG, _PAGES, _PAGE, stream(content, entries)])


def _chained() -> bytes:
    content = bytes(200 << 20)
    for _ in range(3):
        content = zlib.compress(content, 1)
    return page_of(content, b"/Filter[/FlateDecode/FlateDecode/FlateDecode]")


def _many_filters() -> bytes:
    return page_of(zlib.compress(b"BT ET"), b"/Filter[" + b"/FlateDecode" * 50_000 + b"]")


def _objects_in_a_loop() -> bytes:
    return pdf(
        [
            *(_CATALOG, b"<</Type/Pages/Count 1/Kids[3 0 R]>>"),
            b"<</Type/Page/Parent 2 0 R/MediaBox 4 0 R/Resources 4 0 R/Contents 5 0 R>>",
            *(b"4 0 R", b"[6 0 R]", b"[5 0 R]"),
        ]
    )


def _forms_in_a_loop() -> bytes:
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>"
    page = _PAGE[:-2] + b"/Resources<</XObject<</X 5 0 R>>>>>>"
    return pdf([_CATALOG, _PAGES, page, stream(b"/X Do"), stream(b"/X Do " * 50, form)])


def _forms_doubling(levels: int = 26) -> bytes:
    """Each form shows the next one twice: sixty million times the last."""
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>"
    forms = [stream(b"/X Do /X Do", form % (number + 6)) for number in range(levels)]
    page = _PAGE[:-2] + b"/Resources<</XObject<</X 5 0 R>>>>>>"
    return pdf([_CATALOG, _PAGES, page, stream(b"/X Do"), *forms, stream(b"", form % 1)])


def _tables_in_a_loop() -> bytes:
    data = pdf_sample()
    return data.replace(b"trailer<<", b"trailer<</Prev %d" % data.rindex(b"xref\n0"), 1)


PDFS: Mapping[str, Callable[[], bytes]] = {
    "tree-loop.pdf": lambda: pdf([_CATALOG, b"<</Type/Pages/Count 9/Kids[2 0 R 2 0 R]>>"]),
    "tree-deep.pdf": lambda: pdf(
        [_CATALOG]
        + [b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % (number + 3) for number in range(20_000)]
    ),
    "count.pdf": lambda: pdf([_CATALOG, b"<</Type/Pages/Count 2147483647/Kids[3 0 R]>>", _PAGE]),
    "count-negative.pdf": lambda: pdf([_CATALOG, b"<</Type/Pages/Count -7/Kids[3 0 R]>>", _PAGE]),
    "pages.pdf": lambda: pdf(
        [_CATALOG, b"<</Type/Pages/Count 19999/Kids[" + b"3 0 R " * 19_999 + b"]>>", _PAGE, b"<<>>"]
    ),
    "size.pdf": lambda: pdf([_CATALOG, _PAGES, _PAGE, b"<<>>"], b"/Size 2147483647"),
    "box.pdf": lambda: pdf(
        [_CATALOG, _PAGES, _PAGE.replace(b"612 792", b"1e38 1e38"), stream(b"BT ET")]
    ),
    "chained.pdf": _chained,
    "many-filters.pdf": _many_filters,
    "objects-loop.pdf": _objects_in_a_loop,
    "forms-loop.pdf": _forms_in_a_loop,
    "forms-doubling.pdf": _forms_doubling,
    "tables-loop.pdf": _tables_in_a_loop,
    "start.pdf": lambda: pdf([_CATALOG, _PAGES, _PAGE, b"<<>>"], start=2**40),
    "arrays.pdf": lambda: pdf([_CATALOG, _PAGES, _PAGE, b"[" * 200_000 + b"]" * 200_000]),
    "dictionaries.pdf": lambda: pdf([_CATALOG, b"<</A" * 100_000 + b">>" * 100_000]),
    "arrays-shown.pdf": lambda: page_of(b"BT " + b"[" * 200_000 + b"(x)" + b"]" * 200_000 + b"TJ"),
    "states.pdf": lambda: page_of(b"q " * 500_000 + b"BT (x) Tj ET"),
    "length.pdf": lambda: pdf([_CATALOG, _PAGES, _PAGE, b"<</Length 99999999999>>stream\nBT ET"]),
    "length-itself.pdf": lambda: pdf(
        [_CATALOG, _PAGES, _PAGE, b"<</Length 4 0 R>>stream\nBT ET\nendstream"]
    ),
    "encryption-loop.pdf": lambda: pdf([_CATALOG, _PAGES, _PAGE], b"/Encrypt 9 0 R"),
    "xfa.pdf": lambda: pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R/AcroForm<</XFA 4 0 R/Fields[]>>>>",
            *(_PAGES, _PAGE[:-2].replace(b"/Contents 4 0 R", b"") + b">>"),
            stream(b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'),
        ]
    ),
}
