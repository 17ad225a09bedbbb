"""ZIP packages (Office Open XML, OpenDocument, EPUB): their members, XML and relationships.

XML is parsed without entities, and nothing is fetched. A package remembers which members were
opened, so that a reader can name those that it did not read.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError
from xml.etree.ElementTree import fromstring as parse_without_types

from defusedxml.ElementTree import fromstring

from bindery.errors import BrokenDocument, PasswordProtected

# Members of these types may hold text that a person sees.
_TEXTUAL = re.compile(
    r"\.(?:xml|x?html?|txt|rtf|pdf|mht|mhtml|eml|csv|md|docx?|docm|pptx?|pptm|xlsx?|xlsm|xlsb"
    r"|od[tspg]|bin|svg)$",
    re.IGNORECASE,
)
# Members that describe the document and are never seen as text, whatever package they are in.
_DESCRIPTIVE = re.compile(
    r"(?:^|/)(?:_rels|docProps|customXml|theme|themes|printerSettings|activeX|slideMasters"
    r"|slideLayouts|notesMasters|handoutMasters|tags|META-INF|Configurations2|Thumbnails"
    r"|webextensions|revisions|externalLinks|ctrlProps|fonts|media)/"
    r"|(?:^|/)(?:\[Content_Types\]|settings|webSettings|fontTable|stylesWithEffects|styles"
    r"|numbering|people|presProps|viewProps|tableStyles|commentAuthors|authors|calcChain|metadata"
    r"|meta|manifest|layout-cache|vbaProject|vbaData|attachedToolbars|keyMapping\w*|customizations"
    r"|diagrams/(?:colors|layout|quickStyle|drawing)\d+|charts/(?:style|colors)\d+"
    r"|sharedStrings|connections|volatiledependencies"
    r"|pivotCache\w*|pivotTable\w*|table\d+|queryTable\d+|slicer\w*|xmlMaps)\.(?:xml|bin|rdf|rels)$",
    re.IGNORECASE,
)
_WORDS = re.compile(rb">[^<>]*[A-Za-z\x80-\xff][^<>]*<")
_DECLARATIONS = re.compile(
    rb"<!ENTITY|<!DOCTYPE[^<>\[]*\[|<\0!\0E\0N\0T\0I\0T\0Y|<\0!\0D\0O\0C\0T\0Y\0P\0E"
)
_DOCUMENT_TYPE = re.compile(rb"<!DOCTYPE|<\0!\0D")
_MOST_NAMED = 10
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"

# Algorithms that only obfuscate fonts (https://www.w3.org/TR/epub-33/#sec-font-obfuscation).
_FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


@dataclass(frozen=True, slots=True)
class Relationship:
    """A reference from one part of an Office file to another: the kind and the member."""

    kind: str
    member: str


class Package:
    """An open package. Its size must have been checked before (:mod:`.archive`)."""

    def __init__(self, data: bytes, name: str) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        self._name = name
        # Some programs write backslashes. Of members with the same name, the last one counts.
        self._members = {
            member.filename.replace("\\", "/"): member for member in self._archive.infolist()
        }
        self._opened: set[str] = set()
        self._relationships: dict[str, dict[str, Relationship]] = {}

    @property
    def members(self) -> list[str]:
        """The names of all members."""
        return list(self._members)

    def __contains__(self, member: str) -> bool:
        return member in self._members

    def read(self, member: str) -> bytes:
        """The bytes of a member. Raises BrokenDocument if there is none of that name."""
        if member not in self._members:
            raise BrokenDocument(
                f"{self._name!r} has no member {member[:80]!r}.",
                remedy="It may be incomplete: download or save it again.",
            )
        self._opened.add(member)
        return self._archive.read(self._members[member])

    def xml(self, member: str) -> Element:
        """The root element of an XML member; raises as :func:`parse_xml` does."""
        return _with_one_alternative(parse_xml(_transitional(self.read(member)), self._name))

    def skip(self, *members: str) -> None:
        """Count members as opened, because a reader reports them itself."""
        self._opened.update(members)

    def relationships(self, part: str) -> dict[str, Relationship]:
        """What a part refers to within the package, by relationship id."""
        if part not in self._relationships:
            self._relationships[part] = self._read_relationships(part)
        return self._relationships[part]

    def _read_relationships(self, part: str) -> dict[str, Relationship]:
        folder, file = posixpath.split(part)
        path = posixpath.join(folder, "_rels", f"{file}.rels")
        if path not in self:
            return {}
        return {
            attribute(relation, "Id"): Relationship(
                attribute(relation, "Type").rpartition("/")[2],
                resolved(folder, attribute(relation, "Target")),
            )
            for relation in self.xml(path)
            if attribute(relation, "TargetMode") != "External"
        }

    def related(self, part: str, kind: str) -> list[str]:
        """The existing members of one kind to which a part refers."""
        found = (each.member for each in self.relationships(part).values() if each.kind == kind)
        return [member for member in found if member in self]

    def main_part(self, usual: str) -> str:
        """The part with which an Office file begins; ``usual`` if nothing says so."""
        found = self.related("", "officeDocument")
        return found[0] if found else usual

    def title(self, member: str) -> str:
        """The title among the properties (Dublin Core); "" if there is none."""
        if member not in self:
            return ""
        try:
            root = self.xml(member)
        except (ParseError, ValueError, BrokenDocument):
            return ""  # the document can be read without a title
        return next((each.text or "" for each in root.iter() if local(each) == "title"), "")

    def unread(self) -> list[str]:
        """The members that a person may see as text and that were not opened."""
        found: list[str] = []
        for member in self._members:
            if member in self._opened or not _TEXTUAL.search(member) or _DESCRIPTIVE.search(member):
                continue
            if member.endswith((".xml", ".svg")) and not _WORDS.search(self._data(member)):
                continue
            found.append(member)
        return found

    def warnings(self) -> list[str]:
        """A warning that names the members that were not read, if there are any."""
        unread = self.unread()
        return [f"These parts were not read: {listed(unread)}."] if unread else []

    def refuse_encrypted(self) -> None:
        """Raise PasswordProtected if the contents are encrypted (OpenDocument, EPUB).

        Obfuscated fonts do no harm.
        """
        algorithms: list[str] = []
        for member, element in (
            ("META-INF/manifest.xml", "encryption-data"),
            ("META-INF/encryption.xml", "EncryptionMethod"),
        ):
            if member in self:
                algorithms += [
                    attribute(each, "Algorithm")
                    for each in self.xml(member).iter()
                    if local(each) == element
                ]
        if any(algorithm not in _FONT_OBFUSCATION for algorithm in algorithms):
            raise PasswordProtected(
                f"{self._name!r} is encrypted.", remedy="Save a copy without a password."
            )

    def _data(self, member: str) -> bytes:
        return self._archive.read(self._members[member])


def _transitional(data: bytes) -> bytes:
    """Strict Office Open XML with the namespaces of the transitional form, which is common."""
    if b"purl.oclc.org/ooxml" not in data:
        return data
    return _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", data)


def _with_one_alternative(root: Element) -> Element:
    """Keep only the first of alternative contents, which repeat the same text."""
    for element in root.iter(f"{_COMPATIBILITY}AlternateContent"):
        choice = element.find(f"{_COMPATIBILITY}Choice")
        fallback = element.find(f"{_COMPATIBILITY}Fallback")
        chosen = fallback if choice is None else choice
        element[:] = [] if chosen is None else list(chosen)
    return root


def parse_xml(data: bytes, name: str) -> Element:
    """The root element of an XML document.

    A document type that only refers to an external definition is ignored. Raises BrokenDocument for
    entities and other declarations, and whatever the parser raises.
    """
    refuse_declarations(data, name)
    if _DOCUMENT_TYPE.search(data):
        root: Element = fromstring(data, forbid_dtd=False)
        return root
    # Without a document type there are no entities, and this parser takes two thirds of the time.
    return parse_without_types(data)  # noqa: S314


def refuse_declarations(data: bytes, name: str) -> None:
    """Raise BrokenDocument if XML declares entities or has an internal document type."""
    # In XML text "<" is written "&lt;", so these are always markup.
    if _DECLARATIONS.search(data):
        raise BrokenDocument(
            f"{name!r} was refused: it defines XML entities, which no program writes.",
            remedy="Open it in the program that wrote it and save it again.",
        )


def resolved(folder: str, target: str) -> str:
    """The member to which ``target`` refers from a part in ``folder``."""
    path = unquote(target.partition("#")[0])
    return posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def attribute(element: Element, name: str) -> str:
    """An attribute by its name without namespace; "" if there is none."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value
    return ""


def diagram_texts(root: Element) -> Iterator[str]:
    """The texts of an Office diagram (SmartArt), one for each shape."""
    for point in (element for element in root.iter() if local(element) == "pt"):
        lines = (
            "".join(text.text or "" for text in paragraph.iter() if local(text) == "t")
            for paragraph in point.iter()
            if local(paragraph) == "p"
        )
        if text := " ".join(line.strip() for line in lines if line.strip()):
            yield text


def listed(names: list[str]) -> str:
    """Names for a warning: the first ten, and how many more there are."""
    shown = ", ".join(name[:80] for name in names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
