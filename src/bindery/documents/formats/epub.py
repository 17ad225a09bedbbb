"""EPUB: the chapters in the order of the spine, each read as the page of HTML that it is."""

import io
import posixpath
import zipfile
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.encoding import decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.package import attribute, local, parse_xml
from bindery.errors import BrokenDocument
from bindery.types import Document

_CONTAINER = "META-INF/container.xml"


def read_epub(data: bytes, name: str) -> Document:
    """Read a book: its title as a heading, then its chapters.

    Raises BrokenDocument for a container that names no book.
    """
    builder = DocumentBuilder()
    warnings: list[str] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = set(archive.namelist())
        path = _package(parse_xml(archive.read(_CONTAINER)))
        if path not in members:
            raise BrokenDocument(
                f"{name!r} is an EPUB whose container names no book.",
                remedy="It may be damaged: fetch or save it again.",
            )
        package = parse_xml(archive.read(path))
        title = _title(package)
        builder.heading(title, 1)
        missing: list[str] = []
        for chapter in _spine(package, posixpath.dirname(path)):
            if chapter in members:
                write_page(builder, decode(archive.read(chapter)).text)
            else:
                missing.append(chapter)
        if missing:
            warnings.append(f"{len(missing)} chapters are not in the file: {missing[0][:80]!r} ...")
    return builder.document("epub", name, warnings, title=title)


def _package(container: Element) -> str:
    paths = (attribute(e, "full-path") for e in container.iter() if local(e) == "rootfile")
    return next(paths, "")


def _title(package: Element) -> str:
    return next((e.text or "" for e in package.iter() if local(e) == "title"), "")


def _spine(package: Element, folder: str) -> list[str]:
    """The members that hold the chapters, in reading order."""
    items = {
        attribute(item, "id"): attribute(item, "href")
        for item in package.iter()
        if local(item) == "item" and "html" in attribute(item, "media-type")
    }
    places = (items.get(attribute(e, "idref"), "") for e in package.iter() if local(e) == "itemref")
    return [posixpath.normpath(posixpath.join(folder, unquote(place))) for place in places if place]
