"""Where programs divide: at their definitions, members and statements, as their grammars see them.

Grammars are those of tree-sitter (the extra ``code``), chosen by the ending of the file's name.
They are native code that strangers' texts are fed to, so :func:`places` is for the sandboxed
process alone (:func:`bindery.documents.divide`); others only ask whether there is a grammar.
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

INSTALL_CODE = '`pip install "bindery[code]"`'

_LIBRARY = "tree_sitter"


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language: the module of its grammar, the function that gives it, and endings of names."""

    module: str
    function: str
    extensions: tuple[str, ...]

    @property
    def missing(self) -> str | None:
        """The package that it needs and that is not installed, if any; none is imported."""
        return next((name for name in (_LIBRARY, self.module) if find_spec(name) is None), None)

    def parser(self) -> "Parser":
        """What parses the language."""
        from tree_sitter import Language, Parser

        # Grammars older than 0.25 hand over an address where newer ones hand over a capsule.
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
    # Headers go to C++, whose grammar takes nearly all of C.
    "cpp": Grammar(
        "tree_sitter_cpp", "language", (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".h")
    ),
    "bash": Grammar("tree_sitter_bash", "language", (".sh", ".bash")),
}
"""The languages whose programs can be divided."""

LANGUAGES: Mapping[str, str] = {
    extension: language
    for language, grammar in GRAMMARS.items()
    for extension in grammar.extensions
}
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

DEPTHS = 4
"""How deep places are told apart: in no body, in a class, in a method, deeper."""

# The bytes of UTF-8 that continue a character.
_CONTINUING = bytes(range(0x80, 0xC0))


def grammar_of(name: str) -> Grammar:
    """The installed grammar that the ending of a name stands for.

    Raises UnsupportedKind where there is none, and UnknownStrategy without the extra ``code``.
    """
    language = LANGUAGES.get(PurePath(name).suffix.lower())
    if language is None:
        raise UnsupportedKind(
            f"The strategy 'code' has no grammar for {name!r}, by the ending of that name.",
            remedy=f"Choose another strategy, or a name that ends in {', '.join(LANGUAGES)}.",
            param="strategy",
        )
    check_installed(GRAMMARS[language])
    return GRAMMARS[language]


def check_installed(grammar: Grammar) -> None:
    """Raise UnknownStrategy where a package is missing that the grammar needs."""
    if grammar.missing:
        raise UnknownStrategy(
            f"The strategy 'code' needs the package {grammar.missing!r}, which is not installed.",
            remedy=f"Install the extra: {INSTALL_CODE}.",
            param="strategy",
        )


def load_grammars() -> None:
    """Import what is installed of them: 15 ms and 2 MB for all, nothing without the extra."""
    for module in (_LIBRARY, *(grammar.module for grammar in GRAMMARS.values())):
        # One that cannot be imported fails for its own language, when that is asked for.
        with contextlib.suppress(ImportError):
            import_module(module)


def places(data: bytes, name: str) -> list[list[int]]:
    """The code points where a definition, member or statement begins, by depth, rising.

    ``data`` is a program in UTF-8, ``name`` tells its language. Comments and attributes stay with
    what they stand before, and the first statement with the line that opens its block.
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
    # What a grammar misses at the very end it puts behind the last character.
    end = len(data)
    return [_code_points(data, sorted(starts - {end})) for starts in found]


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


def _code_points(data: bytes, starts: Sequence[int]) -> list[int]:
    """Rising places of bytes as places of characters."""
    if data.isascii():
        return list(starts)
    pieces = (data[start:end] for start, end in itertools.pairwise((0, *starts)))
    lengths = (len(piece.translate(None, _CONTINUING)) for piece in pieces)
    return list(itertools.accumulate(lengths))
