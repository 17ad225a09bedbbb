"""One small document of each kind, made here: none is kept as a file."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence

import docx

HEADING, FIRST, SECOND = "The binding of books", "Loose paper is lost.", "Bound paper is kept."


def text_sample() -> bytes:
    return f"{HEADING}\n\n{FIRST}\n\n{SECOND}\n".encode()


def markdown_sample() -> bytes:
    return f"# {HEADING}\n\n{FIRST}\n\n- one\n- two\n\n{SECOND}\n".encode()


def html_sample() -> bytes:
    return (
        f"<!DOCTYPE html><html><head><title>t</title><script>no()</script></head><body>"
        f"<h1>{HEADING}</h1><p>{FIRST}<table><tr><th>a<th>b<tr><td>1<td>2</table>"
        f"<p>{SECOND}</body></html>"
    ).encode()


def docx_sample() -> bytes:
    document = docx.Document()
    document.add_heading(HEADING, 1)
    document.add_paragraph(FIRST)
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, "ab12", strict=True):
        cell.text = text
    document.add_paragraph(SECOND)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def pdf_sample(pages: Sequence[Sequence[str]] = ((HEADING, FIRST), (SECOND,))) -> bytes:
    """A PDF with a page per sequence of lines, the first larger; without lines it has no text."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>", ""]
    font = "<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
    for lines in pages:
        shown = "/F1 12 Tf ".join(f"({line}) Tj 0 -40 Td " for line in lines)
        stream = f"BT /F1 18 Tf 72 700 Td {shown}ET" if lines else ""
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources{font}"
            f"/Contents {len(objects) + 2} 0 R>>"
        )
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    kids = " ".join(f"{number} 0 R" for number in range(3, len(objects) + 1, 2))
    objects[1] = f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>"
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj{content}endobj\n".encode("latin-1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    return (
        body
        + (
            f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
            f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF\n"
        ).encode()
    )


def archive(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def with_member(container: bytes, name: str, content: bytes) -> bytes:
    """The container with one member added or replaced."""
    with zipfile.ZipFile(io.BytesIO(container)) as read:
        members = {member: read.read(member) for member in read.namelist()}
    return archive(members | {name: content})


SAMPLES: Mapping[str, Callable[[], bytes]] = {
    "text": text_sample,
    "markdown": markdown_sample,
    "html": html_sample,
    "pdf": pdf_sample,
    "docx": docx_sample,
}
