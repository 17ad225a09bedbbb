"""Finds the definitions, members and statements of programs with tree-sitter grammars.

The grammars come with the extra ``code`` and are chosen by the file's extension. They are native
code that parses untrusted text, so :func:`division_points` must only run in the sandbox
(:func:`bindery.documents.divide`).
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

from bindery.errors import UnknownStrategy, UnsupportedKind

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

INSTALL_CODE = '`pip install "bindery-search[code]"`'

_LIBRARY = "tree_sitter"


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language: the module of its grammar, the function that returns it, and file extensions."""

    module: str
    function: str
    extensions: tuple[str, ...]

    @property
    def missing(self) -> str | None:
        """A package that it needs and that is not installed, if any; nothing is imported."""
        return next((name for name in (_LIBRARY, self.module) if find_spec(name) is None), None)

    def parser(self) -> "Parser":
        """A parser for the language."""
        from tree_sitter import Language, Parser

        # Grammars older than 0.25 return an address, newer ones a capsule.
        address = cast("object", getattr(import_module(self.module), self.function)())
        return Parser(Language(address))


GRAMMARS: Mapping[str, Grammar] = {
    "python": Grammar("tree_sitter_python", "language", (".py", ".pyi")),
    "javascript": Grammar("tree_sitter_javascript", "language", (".js", ".mjs", ".cjs", ".jsx")),
    "typescript": Grammar("tree_sitter_typescript", "language_typescript", (".ts", ".mts", ".cts")),
    "tsx": Grammar("tree_sitter_typescript", "language_tsx", (".tsx",)),
    "go": Grammar("tree_sitter_go", "language", (".go",)),
    "rust": Grammar("tree_sitter_rust", "language", (".rs",)),
    "java": Grammar("tree_sitter_java", "language", (".java",)),
    "c": Grammar("tree_sitter_c", "language", (".c",)),
    # Headers are parsed as C++, whose grammar accepts nearly all of C.
    "cpp": Grammar(
        "tree_sitter_cpp", "language", (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".h")
    ),
    "bash": Grammar("tree_sitter_bash", "language", (".sh", ".bash")),
}
"""The supported languages."""

LANGUAGES: Mapping[str, str] = {
    extension: language
    for language, grammar in GRAMMARS.items()
    for extension in grammar.extensions
}
"""The language for each file extension."""

# Nodes, in any grammar, whose children are complete units one after another.
_BODIES = frozenset({
    "ERROR", "block", "case_item", "case_statement", "class_body", "compound_statement",
    "constructor_body", "declaration_list", "do_group", "enum_body", "enum_body_declarations",
    "enum_variant_list", "enumerator_list", "field_declaration_list", "interface_body",
    "interface_type", "match_block", "object_type", "statement_block", "statement_list",
    "switch_block", "switch_body",
})  # fmt: skip

# Nodes before a definition that belong to it.
_HEADS = frozenset(
    {"comment", "line_comment", "block_comment", "attribute_item", "access_specifier"}
)

DEPTHS = 4
"""Depths that are told apart: top level, in a class, in a method, deeper."""

# The bytes of UTF-8 that continue a character.
_CONTINUING = bytes(range(0x80, 0xC0))


def grammar_of(name: str) -> Grammar:
    """The installed grammar for the extension of a name.

    Raises UnsupportedKind if there is none, and UnknownStrategy without the extra ``code``.
    """
    language = LANGUAGES.get(PurePath(name).suffix.lower())
    if language is None:
        raise UnsupportedKind(
            f"The strategy 'code' does not know the extension of {name!r}.",
            remedy=f"Choose another strategy, or a file name with one of: {', '.join(LANGUAGES)}.",
            param="strategy",
        )
    check_installed(GRAMMARS[language])
    return GRAMMARS[language]


def check_installed(grammar: Grammar) -> None:
    """Raise UnknownStrategy if a package that the grammar needs is missing."""
    if grammar.missing:
        raise UnknownStrategy(
            f"The strategy 'code' needs the package {grammar.missing!r}, which is not installed.",
            remedy=f"Install the extra: {INSTALL_CODE}.",
            param="strategy",
        )


def load_grammars() -> None:
    """Import the installed grammars: 15 ms and 2 MB for all, nothing without the extra."""
    for module in (_LIBRARY, *(grammar.module for grammar in GRAMMARS.values())):
        # A grammar that cannot be imported raises when its language is used.
        with contextlib.suppress(ImportError):
            import_module(module)


def division_points(data: bytes, name: str) -> list[list[int]]:
    """The code points at which a definition, member or statement begins, by depth, rising.

    ``data`` is a program in UTF-8; its language follows from ``name``. Comments and attributes stay
    with the definition after them, and the first statement with the line that opens its block.
    """
    found: list[set[int]] = [set() for _ in range(DEPTHS)]
    root = grammar_of(name).parser().parse(data).root_node
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        is_body = node is root or node.type in _BODIES
        children = node.named_children
        if is_body:
            # The first statement of a block stays with the line that opens it.
            starts = itertools.islice(_starts(children), 1 if depth else 0, None)
            found[min(depth, DEPTHS - 1)].update(starts)
        waiting += [
            (child, depth + is_body)
            for child in children
            if child.start_point.row < child.end_point.row
        ]
    # A grammar places what it misses at the very end after the last character.
    end = len(data)
    return [_code_points(data, sorted(starts - {end})) for starts in found]


def _starts(siblings: Sequence["Node"]) -> Iterator[int]:
    """The byte offsets of the siblings that begin on a line of their own.

    A comment or attribute before a definition starts both, unless a blank line is between them.
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
        # A comment may include the end of its line.
        last_row = node.end_point.row - (node.end_point.column == 0)
    if head is not None:
        yield head


def _code_points(data: bytes, starts: Sequence[int]) -> list[int]:
    """Rising byte offsets as code-point offsets."""
    if data.isascii():
        return list(starts)
    pieces = (data[start:end] for start, end in itertools.pairwise((0, *starts)))
    lengths = (len(piece.translate(None, _CONTINUING)) for piece in pieces)
    return list(itertools.accumulate(lengths))
