"""RTF (specification 1.9.1): the words of paragraphs, tables and footnotes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bindery.documents.formats.builder import DocumentBuilder, markdown_table
from bindery.documents.formats.symbols import LEVEL, LOWERED, RAISED, marked_scripts, symbol
from bindery.types import Document

_TOKEN = re.compile(
    r"\\([A-Za-z]{1,32})(-?\d{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\(.)|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)
# Groups whose contents are not text, and those that are text although they are marked as optional.
_SKIPPED = frozenset(
    {"fonttbl", "colortbl", "stylesheet", "listtable", "listoverridetable", "revtbl", "rsidtbl"}
    | {"generator", "themedata", "colorschememapping", "latentstyles", "datastore", "filetbl"}
    | {"pict", "fldinst", "datafield", "xe", "tc", "sp", "template", "header", "headerl", "headerr"}
    | {"headerf", "footer", "footerl", "footerr", "footerf", "annotation", "atnid", "atnauthor"}
    | {"atndate", "atnref", "objdata", "objclass", "objname", "nonesttables", "bkmkstart"}
    | {"bkmkend", "private", "shprslt", "nonshppict"}
)
_ENTERED = frozenset({"shpinst", "shptxt", "footnote"})
_SCRIPTS = {"super": RAISED, "sub": LOWERED, "nosupersub": LEVEL}
_LABELS = frozenset({"listtext", "pntext"})
_HEADING_STYLE = re.compile(r"heading (\d)\b", re.IGNORECASE)
_BODY_LEVEL = 9
_DEEPEST_HEADING = 6
_NAMED: Mapping[str, str] = {
    "pict": "pictures",
    "objdata": "embedded objects",
    "header": "headers and footers",
    "footer": "headers and footers",
    "annotation": "comments",
}
_CHARACTERS: Mapping[str, str] = {
    "line": "\n",
    "tab": "\t",
    "bullet": "•",
    "emdash": "—",
    "endash": "–",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "emspace": " ",
    "enspace": " ",
    "~": "\u00a0",
    "_": "-",
    "{": "{",
    "}": "}",
    "\\": "\\",
    "softline": "\n",
}
_CODE_PAGES = frozenset({"437", "850", "852", "866", "874", "932", "936", "949", "950"}) | {
    f"125{number}" for number in range(9)
}
# The encodings of \fcharset; 0 and 1 leave that of the document or of Windows.
_CHARSETS: Mapping[int, str] = {
    0: "cp1252",
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "cp936",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}
_SYMBOL_CHARSET = 2
_SETS = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}


def read_rtf(data: bytes, name: str) -> Document:
    """Read headings, lists, paragraphs and tables, then footnotes; a warning names other parts."""
    builder = DocumentBuilder()
    title, warnings = write_rtf(builder, data)
    return builder.document("rtf", name, warnings, title=title)


def write_rtf(builder: DocumentBuilder, data: bytes) -> tuple[str, list[str]]:
    """Write the text of an RTF file; returns its title, and warnings."""
    # RTF is ASCII; other bytes are text in the code page of the file.
    reader = _RtfReader(builder)
    reader.read(data.decode("latin-1"))
    left_out = [what for what in dict.fromkeys(_NAMED.values()) if what in reader.left_out]
    return reader.title, [f"These were not read: {', '.join(left_out)}."] if left_out else []


@dataclass(frozen=True, slots=True)
class _Group:
    """The state that ends with a group; ``fallback`` characters follow each Unicode character."""

    destination: str = ""
    font: int = -1
    fallback: int = 1
    is_hidden: bool = False
    is_script: bool = False


@dataclass(slots=True)
class _Font:
    name: str = ""
    codec: str = ""


@dataclass(slots=True)
class _Text:
    """A text under construction: bytes are decoded when their encoding is known to end."""

    pieces: list[str] = field(default_factory=list[str])
    pending: bytearray = field(default_factory=bytearray)

    def taken(self, codec: str) -> str:
        self.end(codec)
        text = "".join(self.pieces).strip()
        self.pieces.clear()
        return marked_scripts(text) if LEVEL in text or RAISED in text or LOWERED in text else text

    def end(self, codec: str) -> None:
        if self.pending:
            self.pieces.append(self.pending.decode(codec, "replace"))
            self.pending.clear()


def _heading_level(number: int) -> int:
    return min(number, _DEEPEST_HEADING) if 0 < number <= _BODY_LEVEL else 0


class _RtfReader:
    """Reads the tokens in order, with a stack of groups."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.title = ""
        self.left_out: set[str] = set()
        self._builder = builder
        self._group: _Group = _Group()
        self._outer: list[_Group] = []
        self._fonts: dict[int, _Font] = {}
        self._codec = "cp1252"
        self._body, self._title, self._label = _Text(), _Text(), _Text()
        self._style, self._styles = 0, dict[int, int]()  # the level of each style
        self._style_name = ""
        self._level = 0
        self._notes: list[_Text] = []
        self._skip = 0
        self._is_optional = self._in_table = False
        self._cells: list[str] = []
        self._rows: list[list[str]] = []

    def read(self, source: str) -> None:
        position = 0
        while found := _TOKEN.match(source, position):
            position = found.end()
            word, number, code, sign, brace, text = found.groups()
            if word == "bin":
                position += max(int(number or 0), 0)
            elif word:
                self._word(word, None if number is None else int(number))
            elif code:
                self._bytes(bytes([int(code, 16)]))
            elif sign:
                self._sign(sign)
            elif brace:
                self._brace(brace)
            elif text:
                self._bytes(text.encode("latin-1"))
        self._end_paragraph()
        self._end_table()
        self.title = self._title.taken(self._codec)
        for number, note in enumerate(self._notes, 1):
            if text := note.taken(self._codec):
                self._builder.add(f"[^{number}]: {text}")

    def _brace(self, brace: str) -> None:
        self._end_bytes()
        self._skip = 0
        self._is_optional = False
        if brace == "{":
            self._outer.append(self._group)
        elif self._outer:
            inner, self._group = self._group, self._outer.pop()
            if inner.is_script and not self._group.is_script:
                self._write(LEVEL)

    def _sign(self, sign: str) -> None:
        if sign == "*":
            self._is_optional = True
        elif sign in "\r\n":
            self._end_paragraph()
        else:
            self._write(_CHARACTERS.get(sign, ""))

    def _word(self, word: str, number: int | None) -> None:
        is_optional, self._is_optional = self._is_optional, False
        if word in _LABELS:
            self._group = replace(self._group, destination="label")
            self._label.taken(self._codec)
        elif (is_optional and word not in _ENTERED) or word in _SKIPPED | {"info", "title"}:
            self._enter(word)
        elif word == "footnote":
            self._write(f"[^{len(self._notes) + 1}]")
            self._notes.append(_Text())
            self._group = replace(self._group, destination="footnote")
        elif word == "u":
            self._write(chr((number or 0) & 0xFFFF))
            self._skip = self._group.fallback
        elif word in _CHARACTERS:
            self._write(_CHARACTERS[word])
        elif word in {"par", "sect", "page", "cell", "nestcell", "row", "nestrow", "pard", "intbl"}:
            self._structure(word)
        elif word in _SCRIPTS:
            self._write(_SCRIPTS[word])
            self._group = replace(self._group, is_script=word != "nosupersub")
        elif word in {"s", "outlinelevel"}:
            self._outline(word, number or 0)
        else:
            self._format(word, number)

    def _enter(self, word: str) -> None:
        """Begin a destination. What is inside a skipped one stays skipped."""
        if word[:6] in _NAMED or word in _NAMED:
            self.left_out.add(_NAMED.get(word) or _NAMED[word[:6]])
        inside = self._group.destination
        if word == "title" and inside == "info":
            self._group = replace(self._group, destination="title")
        elif word not in {"title"} and inside in {"", "footnote", "info"}:
            self._group = replace(self._group, destination=word)

    def _format(self, word: str, number: int | None) -> None:
        self._end_bytes()
        group = self._group
        if word == "ansicpg" and str(number) in _CODE_PAGES:
            self._codec = f"cp{number}"
        elif word in _SETS:
            self._codec = _SETS[word]
        elif word == "f" and number is not None:
            self._group = replace(group, font=number)
            self._fonts.setdefault(number, _Font())
        elif word == "fcharset" and group.destination == "fonttbl" and group.font in self._fonts:
            font = self._fonts[group.font]
            font.codec = "symbol" if number == _SYMBOL_CHARSET else _CHARSETS.get(number or 0, "")
        elif word == "uc":
            self._group = replace(group, fallback=number or 0)
        elif word in {"v", "deleted"}:
            self._group = replace(group, is_hidden=number != 0)
        elif word == "plain":
            self._group = replace(group, is_hidden=False, font=-1, is_script=False)
            if group.is_script:
                self._write(LEVEL)

    def _outline(self, word: str, number: int) -> None:
        """Note the style of a paragraph, or in the style sheet of a style, and its level."""
        if word == "outlinelevel":
            self._level = _heading_level(number + 1)
            if self._group.destination == "stylesheet":
                self._styles[self._style] = self._level
        else:
            self._style, self._style_name = number, ""
            self._level = self._styles.get(number, 0)

    def _structure(self, word: str) -> None:
        if self._group.destination == "footnote":
            self._write(" ")
        elif self._group.destination:
            return
        elif word in {"pard", "intbl"}:
            self._in_table = word == "intbl"
            self._level = 0 if word == "pard" else self._level
        elif word == "cell":
            self._cells.append(self._body.taken(self._encoding()))
        elif word == "row":
            self._rows.append(self._cells)
            self._cells = []
        elif word in {"nestcell", "nestrow"} or self._in_table:
            self._write(" ")
        else:
            self._end_paragraph()

    def _end_paragraph(self) -> None:
        if self._group.destination and self._outer:
            return
        label = self._label.taken(self._codec)
        if text := self._body.taken(self._encoding()):
            self._end_table()
            number = f"{label} " if any(map(str.isalnum, label)) else ""
            if self._level:
                self._builder.heading(number + text, self._level)
            elif label:
                self._builder.add((number or "- ") + text, "list_item")
            else:
                self._builder.add(text)

    def _end_table(self) -> None:
        self._builder.add(markdown_table(self._rows), "table")
        self._rows = []

    def _target(self) -> _Text | None:
        destination = self._group.destination
        if self._group.is_hidden:
            return None
        if destination == "footnote":
            return self._notes[-1]
        return {"": self._body, "title": self._title, "label": self._label}.get(destination)

    def _encoding(self) -> str:
        font = self._fonts.get(self._group.font)
        return font.codec if font and font.codec not in {"", "symbol"} else self._codec

    def _bytes(self, written: bytes) -> None:
        if self._group.destination == "fonttbl" and self._group.font in self._fonts:
            self._fonts[self._group.font].name += written.decode("latin-1")
        elif self._group.destination == "stylesheet":
            self._style_name += written.decode("latin-1")
            if found := _HEADING_STYLE.match(self._style_name):
                self._styles[self._style] = _heading_level(int(found[1]))
        skipped = min(self._skip, len(written))
        self._skip -= skipped
        target = self._target()
        font = self._fonts.get(self._group.font)
        if target is not None and font and font.codec == "symbol":
            self._write("".join(symbol(font.name, code) for code in written[skipped:]))
        elif target is not None:
            target.pending += written[skipped:]

    def _end_bytes(self) -> None:
        if (target := self._target()) is not None:
            target.end(self._encoding())

    def _write(self, text: str) -> None:
        self._end_bytes()
        self._skip = 0
        if (target := self._target()) is not None:
            target.pieces.append(text)
