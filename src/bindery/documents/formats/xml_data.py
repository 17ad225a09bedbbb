"""XML: articles (JATS), feeds (RSS, Atom) and outlines (OPML) as text; other data by its names.

Text is written without markup, and titles become headings. XML that is not data for readers, such
as a drawing or a build file, stays as it is written.
"""

import re
from collections.abc import Iterator
from html import escape
from xml.etree.ElementTree import Element, ParseError, tostring

from bindery.documents.formats.builder import DocumentBuilder, code_block
from bindery.documents.formats.encoding import DecodedText, decode
from bindery.documents.formats.html import write_page
from bindery.documents.formats.package import attribute, local, parse_xml
from bindery.documents.formats.symbols import script_sign
from bindery.documents.formats.text import as_written
from bindery.errors import BrokenDocument
from bindery.types import Document

_DEEPEST_HEADING = 6
_DEEPEST_INDENT = 8
_DECLARED_ENCODING = re.compile(r"\A(\s*<\?xml[^>]*?)\s+encoding\s*=\s*(?:\"[^\"]*\"|'[^']*')")

_NOT_VALID = "The file is not valid XML and was read as text."

# JATS (https://jats.nlm.nih.gov/archiving/tag-library/1.3/)
_JATS_PARAGRAPHS = frozenset(
    {"p", "mixed-citation", "citation", "disp-formula", "attrib", "verse-line", "term", "speaker"}
    | {"article-title", "subtitle", "subject", "corresp", "statement"}
)
# Parts whose words have no blanks between them.
_JATS_RECORDS = frozenset({"contrib", "aff", "element-citation", "nlm-citation"})
_JATS_CODE = frozenset({"code", "preformat"})
# Parts that stand on their own, also within a paragraph.
_JATS_BLOCKS = frozenset(
    {"list", "disp-quote", "disp-formula", "fig", "fig-group", "table-wrap", "boxed-text", "speech"}
    | {"def-list", "verse-group", "supplementary-material", "statement", *_JATS_CODE}
)
# Identifiers, dates and rights, and what is written with the section that it belongs to.
_JATS_LEFT_OUT = frozenset(
    {"journal-meta", "article-id", "article-categories", "pub-date", "volume", "issue", "fpage"}
    | {"lpage", "elocation-id", "history", "permissions", "self-uri", "kwd-group", "counts"}
    | {"custom-meta-group", "funding-group", "related-article", "title", "label", "page-range"}
    | {"issue-id", "isbn", "conference", "product", "pub-history", "processing-meta"}
)
_JATS_HEADINGS = {"abstract": "Abstract", "ref-list": "References", "ack": "Acknowledgements"}
"""Sections that journals print with a heading, and JATS often stores without one."""

_FEED_ITEMS = frozenset({"item", "entry"})
_FEED_BODIES = ("encoded", "content", "description", "summary", "subtitle")
"""The text of an item, the fullest first."""

# Generic data: elements or attributes that name the element that they belong to.
_NAMES = ("title", "name", "label", "heading")
_LEAST_TEXT = 0.2
"""Share of a file outside its markup, and of its texts with several words, to be text."""

_WORDS_OF_TEXT = 3


def read_jats(data: bytes, name: str) -> Document:
    """Read a journal article: title, authors, abstract, sections, figures, tables, references."""
    decoded = decode(data)
    root = _parsed(decoded, name)
    if root is None:
        return as_written(decoded, "jats", name, _NOT_VALID)
    writer = _ArticleWriter(DocumentBuilder())
    writer.write(root)
    title = next((_text(e) for e in root.iter() if local(e) == "article-title"), "")
    return writer.builder.document("jats", name, decoded.warnings, title=title)


def read_feed(data: bytes, name: str) -> Document:
    """Read an RSS or Atom feed: its title, then each item with its title, date and text."""
    decoded = decode(data)
    root = _parsed(decoded, name)
    if root is None:
        return as_written(decoded, "feed", name, _NOT_VALID)
    builder = DocumentBuilder()
    channel = next((e for e in root if local(e) == "channel"), root)
    title = _plain(_child_text(channel, "title"))
    builder.heading(title, 1)
    _write_feed_body(builder, channel)
    # In RSS 1.0 the items are beside the channel.
    for item in (e for e in root.iter() if local(e) in _FEED_ITEMS):
        builder.heading(_plain(_child_text(item, "title")), 2)
        about = [_child_text(item, key) for key in ("creator", "author")]
        about += [next(filter(None, (_child_text(item, k) for k in _DATES)), "")]
        builder.add("\n".join(filter(None, about)))
        _write_feed_body(builder, item)
    return builder.document("feed", name, decoded.warnings, title=title)


_DATES = ("pubDate", "published", "updated", "date")


def read_opml(data: bytes, name: str) -> Document:
    """Read an outline as nested lists, with the notes of its entries."""
    decoded = decode(data)
    root = _parsed(decoded, name)
    if root is None:
        return as_written(decoded, "opml", name, _NOT_VALID)
    builder = DocumentBuilder()
    title = next((_text(e) for e in root.iter() if local(e) == "title"), "")
    builder.heading(title, 1)
    bodies = [e for e in root if local(e) == "body"]
    waiting = [(entry, 0) for body in reversed(bodies) for entry in reversed(body)]
    while waiting:
        entry, depth = waiting.pop()
        indent = "  " * min(depth, _DEEPEST_INDENT)
        text = _plain(attribute(entry, "text") or attribute(entry, "title"))
        if text:
            builder.add(f"{indent}- {text}", "list_item")
        for extra in ("_note", "description", "xmlUrl"):
            more = _plain(attribute(entry, extra))
            if more and more != text:
                builder.add(f"{indent}  {more}", "list_item")
        waiting.extend((inner, depth + 1) for inner in reversed(entry))
    return builder.document("opml", name, decoded.warnings, title=title)


def read_xml(data: bytes, name: str) -> Document:
    """Read data as text with the names of its elements; other XML as it is written."""
    decoded = decode(data)
    root = _parsed(decoded, name)
    if root is None or not _is_text(root, decoded.text):
        return as_written(decoded, "xml", name)
    builder = DocumentBuilder()
    _write_data(builder, root)
    return builder.document("xml", name, decoded.warnings)


def _parsed(decoded: DecodedText, name: str) -> Element | None:
    """The root element; None if it is not valid XML, or declares entities."""
    text = _DECLARED_ENCODING.sub(r"\1", decoded.text)
    try:
        return parse_xml(text.lstrip().encode(), name)
    except (ParseError, ValueError, BrokenDocument):
        return None


def _text(element: Element) -> str:
    """All text in an element, on one line, with signs for superscripts and subscripts."""
    pieces: list[str] = []
    waiting: list[Element | str] = [element]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            pieces.append(part)
            continue
        if part is not element and part.tail:
            waiting.append(part.tail)
        if pieces and local(part) in {"sup", "sub"} and not len(part):
            is_raised = local(part) == "sup"
            pieces[-1] += script_sign(pieces[-1], part.text or "", is_raised=is_raised)
        waiting.extend(reversed(part))
        if part.text:
            waiting.append(part.text)
    return " ".join("".join(pieces).split())


def _child_text(element: Element, name: str) -> str:
    return next((_text(child) for child in element if local(child) == name), "")


def _plain(text: str) -> str:
    """The text of a title that may contain HTML."""
    if "<" not in text and "&" not in text:
        return text
    builder = DocumentBuilder()
    write_page(builder, text)
    return " ".join(builder.document("html", "").text.split())


def _write_feed_body(builder: DocumentBuilder, element: Element) -> None:
    """Write the fullest text of a feed or an item, which is HTML, escaped or not."""
    for key in _FEED_BODIES:
        for child in element:
            if local(child) == key and (page := _markup(child)).strip():
                write_page(builder, page)
                return


def _markup(element: Element) -> str:
    """The HTML in an element: as its text, or as elements of XHTML."""
    if len(element) == 0:
        text = element.text or ""
        return escape(text) if attribute(element, "type") == "text" else text
    for node in element.iter():
        node.tag = local(node)
    return tostring(element, encoding="unicode", method="html")


class _ArticleWriter:
    """Writes the parts of a journal article in order."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder

    def write(self, root: Element) -> None:
        """Walk the tree without recursion; a section is one level deeper than the one around it."""
        waiting: list[tuple[Element, int]] = [(root, 1)]
        while waiting:
            element, level = waiting.pop()
            tag = local(element)
            if tag in _JATS_LEFT_OUT:
                continue
            if tag == "article-title" and level == 1:
                self.builder.heading(_text(element), 1)
            elif tag == "table":
                write_page(self.builder, _markup(element))
            elif tag == "list":
                self._write_list(element)
            elif tag in _JATS_RECORDS:
                self.builder.add(" ".join(_words(element)))
            elif tag in _JATS_CODE:
                self.builder.add(code_block("".join(element.itertext())), "code")
            elif tag in _JATS_PARAGRAPHS or _is_mixed(element):
                waiting.extend((part, level) for part in reversed(self._begin(element)))
            else:
                level = self._write_title(element, tag, level)
                waiting.extend((child, level) for child in reversed(element))

    def _begin(self, paragraph: Element) -> list[Element]:
        """Write a paragraph to the first part that stands on its own; returns what follows."""
        place = next((n for n, e in enumerate(paragraph) if local(e) in _JATS_BLOCKS), None)
        if place is None:
            self.builder.add(_text(paragraph))
            return []
        head, rest = Element("p"), Element("p")
        head.text, head[:] = paragraph.text, paragraph[:place]
        self.builder.add(_text(head))
        block = paragraph[place]
        rest.text, rest[:] = block.tail, paragraph[place + 1 :]
        block.tail = None
        return [block, rest]

    def _write_title(self, element: Element, tag: str, level: int) -> int:
        """Write the title of a section or a figure; returns the level for what is in it."""
        label = _child_text(element, "label")
        title = _child_text(element, "title") or _JATS_HEADINGS.get(tag, "")
        words = " ".join(filter(None, (label, title)))
        if tag in {"sec", "abstract", "trans-abstract", "ack", "app", "ref-list"} and title:
            level = min(level + 1, _DEEPEST_HEADING)
            self.builder.heading(words, level)
        elif tag != "ref":
            self.builder.add(words)
        return level

    def _write_list(self, element: Element) -> None:
        for item in element.iter():
            if local(item) == "list-item":
                words = [_text(part) for part in item if local(part) not in {"list", "label"}]
                label = _child_text(item, "label") or "-"
                self.builder.add(f"{label} {' '.join(words)}", "list_item")


def _words(element: Element) -> Iterator[str]:
    """The texts of an element's parts, one by one: names have no blanks between them."""
    for text in element.itertext():
        if words := " ".join(text.split()):
            yield words


def _is_text(root: Element, source: str) -> bool:
    """Whether a file holds sentences or titles between its markup, rather than settings."""
    texts = [text for text in map(str.split, root.itertext()) if text]
    inside = sum(len(word) for text in texts for word in text)
    long = sum(len(text) >= _WORDS_OF_TEXT for text in texts)
    is_long = long >= _LEAST_TEXT * len(texts) and inside >= _LEAST_TEXT * len(source)
    return len(root) > 0 and is_long


def _write_data(builder: DocumentBuilder, root: Element) -> None:
    """Write elements in order: one with parts and a name as a heading, a leaf as "name: text"."""
    lines: list[str] = []

    def flush() -> None:
        builder.add("\n".join(lines))
        lines.clear()

    waiting: list[tuple[Element, int]] = [(root, 1)]
    while waiting:
        element, level = waiting.pop()
        values = [f"{_label(key)}: {value}" for key, value in element.items() if value.strip()]
        if len(element) == 0 or _is_mixed(element):
            text = _text(element)
            if text or values:
                shown = f"{_label(local(element))}: {text}" if text else _label(local(element))
                lines.append(f"{shown} ({', '.join(values)})" if values else shown)
            continue
        flush()
        named = next(
            filter(None, (attribute(element, n) or _child_text(element, n) for n in _NAMES)), ""
        )
        builder.heading(named or _label(local(element)), level)
        lines += [value for value in values if not named or not value.endswith(f": {named}")]
        inner = min(level + 1, _DEEPEST_HEADING)
        waiting.extend((child, inner) for child in reversed(element))
    flush()


def _is_mixed(element: Element) -> bool:
    """Whether there are words between the parts of an element, as in a paragraph."""
    return bool((element.text or "").strip()) or any((part.tail or "").strip() for part in element)


def _label(name: str) -> str:
    """The name of an element or attribute as words."""
    return re.sub(r"[-_.]+", " ", name.rpartition("}")[2])
