"""ZIP packages (Office Open XML, OpenDocument, EPUB): their XML, relationships and titles.

XML is parsed without entities or document types, and nothing is fetched.
"""

import posixpath
import zipfile
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring


def parse_xml(data: bytes) -> Element:
    """The root element. Raises what the parser does, also for any document type or entity."""
    root: Element = fromstring(data, forbid_dtd=True)
    return root


def local(element: Element) -> str:
    """The name of an element without its namespace; programs differ in the prefixes they use."""
    return element.tag.rpartition("}")[2]


def attribute(element: Element, name: str) -> str:
    """An attribute by its name without namespace; empty where there is none."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value
    return ""


def relations(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """The members that a part refers to, by relationship id: kind and member."""
    folder, file = posixpath.split(part)
    path = f"{folder}/_rels/{file}.rels"
    if path not in archive.namelist():
        return {}
    return {
        attribute(relation, "Id"): (
            attribute(relation, "Type").rpartition("/")[2],
            posixpath.normpath(posixpath.join(folder, attribute(relation, "Target"))).lstrip("/"),
        )
        for relation in parse_xml(archive.read(path))
        if attribute(relation, "TargetMode") != "External"
    }


def title_in(archive: zipfile.ZipFile, member: str) -> str:
    """The title among the properties (Dublin Core) of a container; empty where it has none."""
    if member not in archive.namelist():
        return ""
    try:
        root = parse_xml(archive.read(member))
    except (ParseError, ValueError):  # of defusedxml: no title is worth the document
        return ""
    return next((element.text or "" for element in root.iter() if local(element) == "title"), "")
