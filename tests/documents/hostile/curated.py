"""All documents that are made to do harm."""

from collections.abc import Callable, Iterator

from tests.documents.hostile.archives import BORNE, REFUSED, many_members
from tests.documents.hostile.markup import NESTED, disguised
from tests.documents.hostile.pdfs import PDFS
from tests.documents.hostile.polyglots import polyglots
from tests.documents.hostile.references import references
from tests.documents.hostile.sheets import SHEETS
from tests.documents.samples import pdf_sample

SLOW: dict[str, Callable[[], bytes]] = {
    "quadratic.html": lambda: b"<div>" * 200_000,
    "long-line.txt": lambda: b"a" * 40_000_000,
    "one-word.txt": lambda: "a\u0301".encode() + "\u0301".encode() * 5_000_000,
    "too-long.txt": lambda: b"word " * 12_000_000,
    "a-million-members.docx": lambda: many_members(1_000_000),
    "many-pages.pdf": lambda: pdf_sample([["x"]] * 25_000),
}
"""What takes seconds to make or to refuse: left to the program, and out of the tests."""


def curated(address: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each that is quick; those that refer to something refer to ``address``."""
    made: dict[str, Callable[[], bytes]] = {name: make for name, (make, _) in REFUSED.items()}
    for name, make in {**made, **BORNE, **NESTED, **PDFS, **SHEETS}.items():
        yield name, make()
    yield from {**references(address), **disguised(), **polyglots()}.items()


def slow() -> Iterator[tuple[str, bytes]]:
    return ((name, make()) for name, make in SLOW.items())
