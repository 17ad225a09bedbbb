"""RTF, through striprtf: the words of each paragraph."""

# striprtf declares that it is typed, and leaves its arguments out.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import re

from striprtf.striprtf import rtf_to_text

from bindery.documents.formats.builder import DocumentBuilder
from bindery.types import Document

_LEFT_OUT = {"footnotes": r"\footnote", "pictures": r"\pict", "embedded objects": r"\object"}
_CODE_PAGE = re.compile(rb"\\ansicpg(\d{3,5})")
_CODE_PAGES = frozenset({"874", "932", "936", "949", "950", *(f"125{n}" for n in range(9))})


def read_rtf(data: bytes, name: str) -> Document:
    """Read paragraph by paragraph, table cells divided by ``|``; what is left out is warned of."""
    # RTF is ASCII by its specification; other bytes are text in the file's own code page.
    found = _CODE_PAGE.search(data[:1024])
    number = found[1].decode() if found else ""
    page = f"cp{number}" if number in _CODE_PAGES else "cp1252"
    source = data.decode("latin-1")
    builder = DocumentBuilder()
    for line in rtf_to_text(source, encoding=page, errors="replace").split("\n"):
        builder.add(line.strip())
    missing = [what for what, word in _LEFT_OUT.items() if word in source]
    warnings = [f"Not read: {', '.join(missing)}."] if missing else []
    return builder.document("rtf", name, warnings)
