"""EPUB: the chapters in the order of the spine, each read as a page of HTML."""

import posixpath
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.encoding import decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.package import Package, attribute, listed, local, resolved
from bindery.errors import BrokenDocument
from bindery.types import Document

_CONTAINER = "META-INF/container.xml"

_BOOK = "application/oebps-package+xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html"})
# The types of items whose text can be read, pictures with text among them.
_TEXT = re.compile(r"$|text/|image/svg\+xml|application/(?:[\w.-]+\+)?xml\b|application/x-dtbook")


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
    folder = posixpath.dirname(path)
    members = {member.lower(): member for member in package.members}
    for chapter in _spine(book, folder):
        member = chapter if chapter in package else members.get(chapter.lower(), "")
        if member:
            write_page(builder, decode(package.read(member)).text, is_xml=True)
        else:
            missing.append(chapter)
    package.skip(*_navigation(book, folder))
    warnings = package.warnings()
    if missing:
        warnings.append(f"These chapters are missing from the file: {listed(missing)}.")
    return builder.document("epub", name, warnings, title=title)


def _path_of_book(container: Element) -> str:
    files = [each for each in container.iter() if local(each) == "rootfile"]
    books = [each for each in files if attribute(each, "media-type") == _BOOK]
    return next((attribute(each, "full-path") for each in (*books, *files)), "")


def _title(book: Element) -> str:
    titles = ((e.text or "").strip() for e in book.iter() if local(e).lower() == "title")
    return next(filter(None, titles), "")


def _spine(book: Element, folder: str) -> list[str]:
    """The members with the chapters, in reading order; of a book without one those listed."""
    items = {attribute(item, "id"): item for item in book.iter() if local(item) == "item"}
    named = [attribute(each, "idref") for each in book.iter() if local(each) == "itemref"]
    if not named:
        named = [key for key, item in items.items() if _is_page(item)]
    chapters: dict[str, None] = {}  # a spine may name a chapter again
    for key in named:
        item = _readable(items, key)
        if item is not None and attribute(item, "href"):
            chapters[resolved(folder, attribute(item, "href"))] = None
    return list(chapters)


def _readable(items: Mapping[str, Element], key: str) -> Element | None:
    """An item of the spine, or the item to read instead if it is of a type without text."""
    seen: set[str] = set()
    while key in items and key not in seen:
        if _TEXT.match(attribute(items[key], "media-type")):
            return items[key]
        seen.add(key)
        key = attribute(items[key], "fallback")
    return None


def _is_page(item: Element) -> bool:
    is_navigation = "nav" in attribute(item, "properties").split()
    return attribute(item, "media-type") in _PAGES and not is_navigation


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
