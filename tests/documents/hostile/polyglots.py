"""Files that are of two kinds at once, or of another kind than they say."""

from collections.abc import Mapping
from itertools import permutations

from tests.documents.samples import SAMPLES, archive

_BINARY = ("pdf", "docx", "xls", "rtf", "epub", "xlsx")
_HEADS = {
    "gif": b"GIF89a/*",
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff\xe0",
    "exe": b"MZ\x90\0",
    "gzip": b"\x1f\x8b\x08\0",
    "script": b"#!/bin/sh\nexit\n",
    "elf": b"\x7fELF\x02\x01\x01\0",
    "bom": b"\xef\xbb\xbf",
}


def polyglots() -> Mapping[str, bytes]:
    """Pairs of kinds one behind the other, foreign beginnings, and kinds under a false name."""
    made = {kind: SAMPLES[kind]() for kind in SAMPLES}
    files = {
        f"{first}-then-{second}.{first}": made[first] + made[second]
        for first, second in permutations(made, 2)
        if first in _BINARY or second in _BINARY
    }
    files |= {
        f"{head}-then-{kind}.{kind}": start + made[kind]
        for head, start in _HEADS.items()
        for kind in made
    }
    files |= {f"{kind}.{name}": made[kind] for kind in made for name in ("pdf", "docx", "html")}
    both = {"word/document.xml": b"<a/>", "xl/workbook.xml": b"<a/>", "content.xml": b"<a/>"}
    return files | {
        "bare.docx": archive({"word/document.xml": b"<a/>"}),
        "everything.zip": archive(both | {"ppt/presentation.xml": b"<a/>"}),
        "lying-mimetype.odt": archive({"mimetype": b"application/epub+zip", **both}),
        "empty.zip": archive({}),
    }
