"""Generate a folder of many kinds of documents from texts and noise, always the same."""
# pyright: basic

import base64
import csv
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from html import escape
from pathlib import Path

import docx

_MEAN_BYTES = 400_000


def write_mix(folder: Path, texts: Sequence[str], *, megabytes: float) -> None:
    """Write about this many megabytes; each text goes into exactly one file."""
    folder.mkdir(parents=True)
    draw = random.Random(0)
    count = max(len(_KINDS), int(megabytes * 1e6 / _MEAN_BYTES))
    # One text per 1.5 kB, so that the density does not depend on the size of the mix.
    share = min(len(texts) // count, 20)
    for number in range(count):
        ending, write = _KINDS[number % len(_KINDS)]
        own = texts[number * share : (number + 1) * share]
        # Five of nine kinds contain noise, most of them as base64 (four bytes for three).
        noise = draw.randbytes(draw.randrange(3 * _MEAN_BYTES))
        (folder / f"{number:04d}{ending}").write_bytes(write(own, noise))


def _text(texts: Sequence[str], noise: bytes) -> bytes:
    del noise
    return "\n\n".join(texts).encode()


def _markdown(texts: Sequence[str], noise: bytes) -> bytes:
    del noise
    return "\n\n".join(f"# {text}" for text in texts).encode()


def _html(texts: Sequence[str], noise: bytes) -> bytes:
    picture = base64.b64encode(noise).decode()
    body = "\n".join(f"<h2>Abstract</h2><p>{escape(text)}</p>" for text in texts)
    style = "p { margin: 0 }\n" * 500
    return (
        f"<!doctype html><html><head><title>Abstracts</title><style>{style}</style></head><body>"
        f'<img src="data:image/png;base64,{picture}">{body}</body></html>'
    ).encode()


def _json(texts: Sequence[str], noise: bytes) -> bytes:
    del noise
    return json.dumps([{"id": n, "abstract": text} for n, text in enumerate(texts)]).encode()


def _csv(texts: Sequence[str], noise: bytes) -> bytes:
    del noise
    table = io.StringIO()
    csv.writer(table).writerows([("number", "abstract"), *enumerate(texts)])
    return table.getvalue().encode()


def _notebook(texts: Sequence[str], noise: bytes) -> bytes:
    picture = {
        "output_type": "display_data",
        "data": {"image/png": base64.b64encode(noise).decode()},
    }
    cells = [{"cell_type": "markdown", "metadata": {}, "source": text} for text in texts]
    code = {"cell_type": "code", "metadata": {}, "source": "show()", "outputs": [picture]}
    return json.dumps({"cells": [*cells, code], "metadata": {}, "nbformat": 4}).encode()


def _mail(texts: Sequence[str], noise: bytes) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "Papers"
    message.set_content("\n\n".join(texts))
    message.add_attachment(noise, maintype="application", subtype="octet-stream", filename="scan")
    return bytes(message)


def _word(texts: Sequence[str], noise: bytes) -> bytes:
    document = docx.Document()
    for text in texts:
        document.add_heading("Abstract", 2)
        document.add_paragraph(text)
    document.add_picture(io.BytesIO(_picture(noise)))
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def _book(texts: Sequence[str], noise: bytes) -> bytes:
    chapter = "".join(f"<h2>Abstract</h2><p>{escape(text)}</p>" for text in texts)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
            '<rootfiles><rootfile full-path="book.opf"/></rootfiles></container>',
        )
        book.writestr(
            "book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="c" href="c.xhtml" '
            'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="c"/></spine>'
            "</package>",
        )
        book.writestr(
            "c.xhtml", f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{chapter}</body></html>'
        )
        book.writestr("scan.png", _picture(noise))
    return written.getvalue()


def _picture(noise: bytes) -> bytes:
    """The noise as a grey image, 256 pixels wide."""
    rows = [noise[at : at + 256].ljust(256, b"\0") for at in range(0, len(noise) + 1, 256)]
    head = struct.pack(">IIBBBBB", 256, len(rows), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    parts = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


_KINDS: list[tuple[str, Callable[[Sequence[str], bytes], bytes]]] = [
    (".txt", _text),
    (".md", _markdown),
    (".html", _html),
    (".json", _json),
    (".csv", _csv),
    (".ipynb", _notebook),
    (".eml", _mail),
    (".docx", _word),
    (".epub", _book),
]
