"""Programs: cut between definitions, then between their members, then between statements.

Grammars are those of tree-sitter (the extra ``code``), chosen by the ending of the file's name.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

import numpy as np

from bindery.chunking import boundaries
from bindery.chunking.characters import Positions, distinct
from bindery.chunking.outline import Outline, Source
from bindery.errors import ParseTimeout, UnknownStrategy, UnsupportedKind
from bindery.types import Document

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

INSTALL_CODE = '`pip install "bindery[code]"`'

# Per language: its module, the function there that gives the grammar, and the endings of names.
# Headers go to C++, whose grammar takes nearly all of C.
_GRAMMARS = {
    "python": ("tree_sitter_python", "language", ".py .pyi"),
    "javascript": ("tree_sitter_javascript", "language", ".js .mjs .cjs .jsx"),
    "typescript": ("tree_sitter_typescript", "language_typescript", ".ts .mts .cts"),
    "tsx": ("tree_sitter_typescript", "language_tsx", ".tsx"),
    "go": ("tree_sitter_go", "language", ".go"),
    "rust": ("tree_sitter_rust", "language", ".rs"),
    "java": ("tree_sitter_java", "language", ".java"),
    "c": ("tree_sitter_c", "language", ".c"),
    "cpp": ("tree_sitter_cpp", "language", ".cpp .cc .cxx .hpp .hh .hxx .h"),
    "bash": ("tree_sitter_bash", "language", ".sh .bash"),
}
LANGUAGES = {ending: name for name, (_, _, ends) in _GRAMMARS.items() for ending in ends.split()}
"""Which language a name's ending stands for."""

# Nodes, in any of the grammars, whose children follow one another, each whole by itself.
_BODIES = frozenset({
    "ERROR", "block", "case_item", "case_statement", "class_body", "compound_statement",
    "constructor_body", "declaration_list", "do_group", "enum_body", "enum_body_declarations",
    "enum_variant_list", "enumerator_list", "field_declaration_list", "interface_body",
    "interface_type", "match_block", "object_type", "statement_block", "statement_list",
    "switch_block", "switch_body",
})  # fmt: skip

# What stands before a definition and belongs to it.
_HEADS = frozenset(
    {"comment", "line_comment", "block_comment", "attribute_item", "access_specifier"}
)

# Ranks of places by how deep they are: in no body, in a class, in a method, deeper.
_DEPTHS = 4

_LEAST_FILL = 0.25  # as recursive has it

# A megabyte of its language takes a grammar about a second, a megabyte of nonsense seven at most,
# on one core. But bash's scanner takes time with the square of some texts that are no program.
_PARSE_SECONDS, _PARSE_SECONDS_PER_BYTE = 10.0, 30e-6
_READ_BYTES = 4096

# A text without a word has no chunks, whatever it is called; but the extra must be there.
_EMPTY_NAME = "empty.py"


def code(source: Source) -> Outline:
    """Cut a program where a definition, a member or a statement begins, else between lines.

    Comments and attributes stay with what they stand before, and the first statement with the line
    that opens its block.

    Raises UnknownStrategy where the extra ``code`` is not installed, UnsupportedKind for a text
    whose name is of no known language, and ParseTimeout for one that its grammar does not get
    through.
    """
    characters, document = source.characters, source.document
    parser = _parser(document.name if len(characters.word_starts) else _EMPTY_NAME)
    ranks = [characters.cuts(places) for places in _places(document, parser)]
    lines, words = boundaries.lines(characters), boundaries.words(characters)
    return Outline(
        ranks=(*ranks, lines, words),
        steps=(distinct(*ranks, lines), words, characters.cuts(source.tokens.starts)),
        least_fill=_LEAST_FILL,
        balanced=True,
    )


def _parser(name: str) -> "Parser":
    """A parser for the language that the ending of a name stands for."""
    language = LANGUAGES.get(PurePath(name).suffix.lower())
    if language is None:
        raise UnsupportedKind(
            f"The strategy 'code' has no grammar for {name!r}, by the ending of that name.",
            remedy=f"Choose another strategy, or a name that ends in {', '.join(LANGUAGES)}.",
            param="strategy",
        )
    module, function, _ = _GRAMMARS[language]
    try:
        from tree_sitter import Language, Parser

        grammar = import_module(module)
    except ModuleNotFoundError as error:
        raise UnknownStrategy(
            f"The strategy 'code' needs the package {error.name!r}, which is not installed.",
            remedy=f"Install the extra: {INSTALL_CODE}.",
            param="strategy",
        ) from None
    # Grammars older than 0.25 hand over an address where newer ones hand over a capsule.
    return Parser(Language(cast("object", getattr(grammar, function)())))


def _places(document: Document, parser: "Parser") -> list[Positions]:
    """Where a definition, member or statement begins, by depth."""
    data = document.text.encode()
    found: list[list[int]] = [[] for _ in range(_DEPTHS)]
    root = _parse(data, document.name, parser)
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        is_body = node is root or node.type in _BODIES
        children = node.named_children
        if is_body:
            # The first statement of a block stays with the line that opens it.
            starts = itertools.islice(_starts(children), 1 if depth else 0, None)
            found[min(depth, _DEPTHS - 1)].extend(starts)
        waiting += [
            (child, depth + is_body)
            for child in children
            if child.start_point.row < child.end_point.row
        ]
    begins = (np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80
    code_points = np.cumsum(begins) - 1
    return [code_points[np.sort(np.array(starts, dtype=np.int64))] for starts in found]


def _parse(data: bytes, name: str, parser: "Parser") -> "Node":
    deadline = time.monotonic() + _PARSE_SECONDS + _PARSE_SECONDS_PER_BYTE * len(data)
    # Asked now and then, which also lets other threads run.
    try:
        tree = parser.parse(
            lambda start, _: data[start : start + _READ_BYTES],
            progress_callback=lambda _start, _has_error: time.monotonic() > deadline,
        )
    except ValueError:
        raise ParseTimeout(
            f"The grammar for {name!r} did not get through it in good time.",
            remedy="Choose another strategy; the text may not be what its name says.",
            param="strategy",
        ) from None
    return tree.root_node


def _starts(siblings: Sequence["Node"]) -> Iterator[int]:
    """The bytes at which siblings begin that begin on a line of their own.

    One that heads the next stands for both, unless a blank line parts them.
    """
    last_row = -1
    head: int | None = None
    for node in siblings:
        row = node.start_point.row
        if head is not None and row > last_row + 1:
            yield head
            head = None
        begins_line = row > last_row
        if node.type in _HEADS:
            head = node.start_byte if head is None and begins_line else head
        else:
            if head is not None or begins_line:
                yield node.start_byte if head is None else head
            head = None
        # A comment may take the end of its line with it.
        last_row = node.end_point.row - (node.end_point.column == 0)
    if head is not None:
        yield head
