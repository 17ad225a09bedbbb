"""The styles and lists of a Word document."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from bindery.documents.formats.numbering import ListLevel
from bindery.documents.formats.package import Package

_NAMESPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
}


def qualified(name: str) -> str:
    """The name of an element or attribute, such as ``w:p``, with its namespace."""
    prefix, _, local = name.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"


_q = qualified
_RUN, _VALUE = _q("w:r"), _q("w:val")
_RUN_PROPERTIES, _PARAGRAPH_PROPERTIES = _q("w:rPr"), _q("w:pPr")
_RUN_STYLE, _PARAGRAPH_STYLE = _q("w:rStyle"), _q("w:pStyle")
_VANISH, _OUTLINE, _NUMBERING = _q("w:vanish"), _q("w:outlineLvl"), _q("w:numPr")
_LIST_ID, _LIST_DEPTH = _q("w:numId"), _q("w:ilvl")
_OFF = frozenset({"0", "false", "off"})
_DEEPEST_HEADING = 6


@dataclass(frozen=True, slots=True)
class ParagraphStyle:
    """A paragraph style: the level of a heading (0: none), its list, and whether it is hidden."""

    level: int = 0
    list_id: str = ""
    list_depth: int | None = None
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Numbering:
    """A list: the definition that counts for several lists, its levels, and where it restarts."""

    key: str
    levels: Mapping[int, ListLevel]
    restarts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class StyleSheet:
    """The styles and lists of a document by id, and the ids of hidden styles."""

    styles: Mapping[str, ParagraphStyle] = field(default_factory=dict[str, ParagraphStyle])
    lists: Mapping[str, Numbering] = field(default_factory=dict[str, Numbering])
    hidden: frozenset[str | None] = frozenset()

    def is_hidden(self, element: Element) -> bool:
        """Whether a run or paragraph is hidden, by itself or by its style."""
        is_run = element.tag == _RUN
        properties = element.find(_RUN_PROPERTIES if is_run else _PARAGRAPH_PROPERTIES)
        if properties is None:
            return False
        if is_run and (hidden := properties.find(_VANISH)) is not None:
            return hidden.get(_VALUE) not in _OFF
        named = properties.find(_RUN_STYLE if is_run else _PARAGRAPH_STYLE)
        return named is not None and named.get(_VALUE) in self.hidden


def style_sheet_of(package: Package, main: str) -> StyleSheet:
    """The styles and lists of the document whose main part is ``main``."""
    lists: dict[str, Numbering] = {}
    depths: dict[str, int] = {}
    for part in package.related(main, "numbering"):
        root = package.xml(part)
        lists |= _lists(root)
        depths |= _depths_by_style(root)
    styles: dict[str, ParagraphStyle] = {}
    for part in package.related(main, "styles"):
        styles |= _styles(package.xml(part), depths)
    hidden = frozenset(name for name, style in styles.items() if style.is_hidden)
    return StyleSheet(styles, lists, hidden)


def paragraph_style(paragraph: Element, styles: Mapping[str, ParagraphStyle]) -> ParagraphStyle:
    """The named style, overridden by the paragraph's own properties."""
    properties = paragraph.find(_PARAGRAPH_PROPERTIES)
    if properties is None:
        return ParagraphStyle()
    style = styles.get(_value(properties.find(_PARAGRAPH_STYLE)) or "", ParagraphStyle())
    return _overridden(style, properties)


def _overridden(style: ParagraphStyle, properties: Element | None) -> ParagraphStyle:
    if properties is None:
        return style
    outline = properties.find(_OUTLINE)
    if outline is not None:  # 0 to 8 are headings, 9 is body text
        depth = integer(outline, 9)
        style = replace(style, level=min(depth + 1, _DEEPEST_HEADING) if depth < 9 else 0)
    numbering = properties.find(_NUMBERING)
    if numbering is None:
        return style
    number, depth = numbering.find(_LIST_ID), numbering.find(_LIST_DEPTH)
    list_id = style.list_id if number is None else number.get(_VALUE) or ""
    return replace(
        style,
        list_id="" if list_id == "0" else list_id,
        list_depth=style.list_depth if depth is None else integer(depth, 0),
    )


def _styles(root: Element, depths: Mapping[str, int]) -> dict[str, ParagraphStyle]:
    """Styles by id, each with what it inherits from the style it is based on.

    ``depths`` are the levels of lists that name a style.
    """
    elements = {style.get(_q("w:styleId")) or "": style for style in root.findall(_q("w:style"))}
    resolved: dict[str, ParagraphStyle] = {}
    for style_id in elements:
        chain: list[str] = []
        current: str = style_id
        while current in elements and current not in resolved and current not in chain:
            chain.append(current)
            current = _value(elements[current].find(_q("w:basedOn"))) or ""
        style = resolved.get(current, ParagraphStyle())
        for link in reversed(chain):
            style = _named(elements[link], style)
            if link in depths:
                style = replace(style, list_depth=depths[link])
            resolved[link] = style
    return resolved


def _named(element: Element, inherited: ParagraphStyle) -> ParagraphStyle:
    """One style. Built-in names are English in Word of every language; their case varies."""
    style = _overridden(inherited, element.find(_q("w:pPr")))
    hidden = element.find(f"{_q('w:rPr')}/{_q('w:vanish')}")
    if hidden is not None:
        style = replace(style, is_hidden=hidden.get(_VALUE) not in _OFF)
    words = (_value(element.find(_q("w:name"))) or "").lower().split()
    if words == ["title"]:
        return replace(style, level=1, list_id="")
    if len(words) == 2 and words[0] == "heading" and words[1] in {*"123456789"}:
        return replace(style, level=min(int(words[1]), _DEEPEST_HEADING))
    return style


def _lists(root: Element) -> dict[str, Numbering]:
    """The lists of a document by id. Several lists may continue the same definition."""
    definitions = {
        abstract.get(_q("w:abstractNumId")) or "": {
            _integer_of(level.get(_q("w:ilvl")), 0): _level(level)
            for level in abstract.findall(_q("w:lvl"))
        }
        for abstract in root.findall(_q("w:abstractNum"))
    }
    linked = {
        _value(abstract.find(_q("w:styleLink"))): abstract.get(_q("w:abstractNumId")) or ""
        for abstract in root.findall(_q("w:abstractNum"))
    }
    # A definition may only refer to the list style that another one defines.
    same = {
        abstract.get(_q("w:abstractNumId")) or "": linked.get(link, "")
        for abstract in root.findall(_q("w:abstractNum"))
        if (link := _value(abstract.find(_q("w:numStyleLink"))))
    }
    lists: dict[str, Numbering] = {}
    for number in root.findall(_q("w:num")):
        key = _value(number.find(_q("w:abstractNumId"))) or ""
        key = same.get(key, key)
        levels, restarts = dict(definitions.get(key, {})), dict[int, int]()
        for override in number.findall(_q("w:lvlOverride")):
            depth = _integer_of(override.get(_q("w:ilvl")), 0)
            level, start = (
                override.find(_q("w:lvl")),
                override.find(_q("w:startOverride")),
            )
            if level is not None:
                levels[depth] = _level(level)
            if start is not None:
                restarts[depth] = integer(start, 1)
        lists[number.get(_q("w:numId")) or ""] = Numbering(key, levels, restarts)
    return lists


def _level(element: Element) -> ListLevel:
    return ListLevel(
        _value(element.find(_q("w:numFmt"))) or "decimal",
        _value(element.find(_q("w:lvlText"))) or "",
        integer(element.find(_q("w:start")), 1),
        restarts=integer(element.find(_q("w:lvlRestart")), 1) > 0,
        is_legal=element.find(_q("w:isLgl")) is not None,
    )


def _depths_by_style(root: Element) -> dict[str, int]:
    return {
        style: _integer_of(level.get(_q("w:ilvl")), 0)
        for level in root.iter(_q("w:lvl"))
        if (style := _value(level.find(_q("w:pStyle"))))
    }


def _value(element: Element | None) -> str | None:
    return None if element is None else element.get(_VALUE)


def integer(element: Element | None, otherwise: int) -> int:
    """The value of an element as a number; ``otherwise`` if it has none."""
    return _integer_of(_value(element), otherwise)


def _integer_of(text: str | None, otherwise: int) -> int:
    text = text or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise
