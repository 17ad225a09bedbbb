"""EPUB: the chapters in the order of the spine, each read as a page of HTML."""

import posixpath
from xml.etree.ElementTree import Element

from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.encoding import decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.package import Package, attribute, listed, local, resolved
from bindery.errors import BrokenDocument
from bindery.types import Document

_CONTAINER = "META-INF/container.xml"

# Items of a spine that hold no text.
_NO_TEXT = ("image/", "audio/", "video/", "font/")


def read_epub(data: bytes, name: str) -> Document:
    """Read a book: its title as a heading, then its chapters.

    Raises BrokenDocument if the container names no book, and PasswordProtected if it is encrypted.
    """
    package = Package(data, name)
    package.refuse_encrypted()
    path = _path_of_book(package.xml(_CONTAINER))
    if path not in package:
        raise BrokenDocument(
            f"{name!r} is an EPUB without a book: its container names {path[:80]!r}.",
            remedy="It may be incomplete: download or save it again.",
        )
    book = package.xml(path)
    builder = DocumentBuilder()
    title = _title(book)
    builder.heading(title, 1)
    missing: list[str] = []
    for chapter in _spine(book, posixpath.dirname(path)):
        if chapter in package:
            write_page(builder, decode(package.read(chapter)).text, is_xml=True)
        else:
            missing.append(chapter)
    package.skip(*_navigation(book, posixpath.dirname(path)))
    warnings = package.warnings()
    if missing:
        warnings.append(f"These chapters are missing from the file: {listed(missing)}.")
    return builder.document("epub", name, warnings, title=title)


def _path_of_book(container: Element) -> str:
    paths = (attribute(e, "full-path") for e in container.iter() if local(e) == "rootfile")
    return next(paths, "")


def _title(book: Element) -> str:
    return next((e.text or "" for e in book.iter() if local(e) == "title"), "")


def _spine(book: Element, folder: str) -> list[str]:
    """The members with the chapters, in reading order."""
    items = {
        attribute(item, "id"): attribute(item, "href")
        for item in book.iter()
        if local(item) == "item" and not attribute(item, "media-type").startswith(_NO_TEXT)
    }
    chapters = (items.get(attribute(e, "idref"), "") for e in book.iter() if local(e) == "itemref")
    return [resolved(folder, chapter) for chapter in chapters if chapter]


def _navigation(book: Element, folder: str) -> list[str]:
    """Tables of contents, which repeat the headings of the chapters."""
    return [
        resolved(folder, attribute(item, "href"))
        for item in book.iter()
        if local(item) == "item"
        and (
            "nav" in attribute(item, "properties").split()
            or attribute(item, "media-type") == "application/x-dtbncx+xml"
        )
    ]
