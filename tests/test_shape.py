"""The shape of the code itself: short files and functions, whole tables, no quiet corners."""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from bindery.chunking import CHUNKERS
from bindery.documents import READERS
from bindery.engines.graphs import GRAPHS

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "bindery"
PARTS = ("src", "tests", "benchmarks")

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 50


@dataclass(frozen=True)
class File:
    """A file of Python, read and parsed once for all rules."""

    path: Path

    @property
    def is_source(self) -> bool:
        return SOURCE in self.path.parents

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def module(self) -> str:
        parts = self.path.relative_to(SOURCE.parent).with_suffix("").parts
        return ".".join(parts).removesuffix(".__init__")

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text)))

    def of(self, *kinds: type) -> Iterator:
        return (node for node in self.nodes if isinstance(node, kinds))


# Rules that every file keeps by itself


def too_long(file: File) -> Iterator[str]:
    lines = len(file.text.splitlines())
    if lines > MOST_LINES_OF_A_FILE:
        yield f"{lines} lines"


def functions_too_long(file: File) -> Iterator[str]:
    for node in file.of(ast.FunctionDef, ast.AsyncFunctionDef):
        lines = node.end_lineno - node.lineno + 1
        if lines > MOST_LINES_OF_A_FUNCTION:
            yield f"{node.name} has {lines} lines"


def prints_outside_the_command_line(file: File) -> Iterator[str]:
    if file.is_source and SOURCE / "faces" / "cli" not in file.path.parents:
        for call in file.of(ast.Call):
            if isinstance(call.func, ast.Name) and call.func.id == "print":
                yield f"line {call.lineno}"


def unexplained_handlers(file: File) -> Iterator[str]:
    """A handler of everything, or of nothing, raises the same again or has a comment."""
    if not file.is_source:
        return
    explained: set[int] | None = None
    for handler in file.of(ast.ExceptHandler):
        last = handler.body[-1]
        raises = isinstance(last, ast.Raise) and last.exc is None
        hides = is_broad(handler) or isinstance(handler.body[0], ast.Pass)
        if hides and not raises:
            explained = comments(file.text) if explained is None else explained
            if not explained & set(range(handler.lineno - 1, handler.end_lineno + 1)):
                yield f"line {handler.lineno}"


def is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


def comments(text: str) -> set[int]:
    """The lines with a comment that says more than that a rule is switched off."""
    bare = re.compile(r"# *(noqa\b:?( ?[A-Z]+[0-9]+,?)*|(pyright|type): ignore\S*)$")
    return {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and not bare.match(token.string)
    }


RULES: tuple[Callable[[File], Iterator[str]], ...] = (
    too_long,
    functions_too_long,
    prints_outside_the_command_line,
    unexplained_handlers,
)


@dataclass(frozen=True)
class Code:
    """What all files together are: offences by rule, modules, imports and classes."""

    offences: Mapping[str, list[str]]
    imports: Mapping[str, set[str]]
    """By module of src: the modules of src that it imports anywhere, also within functions."""

    classes: Mapping[str, list[str]]
    """By name of a class in src: the modules that define one."""


@pytest.fixture(scope="module")
def code() -> Code:
    offences, classes = defaultdict(list), defaultdict(list)
    named: dict[str, set[str]] = {}
    for part in PARTS:
        for path in sorted((ROOT / part).rglob("*.py")):
            file = File(path)
            for rule in RULES:
                offences[rule.__name__] += [
                    f"{path.relative_to(ROOT)}: {found}" for found in rule(file)
                ]
            if file.is_source:
                named[file.module] = set(imported(file))
                for node in file.of(ast.ClassDef):
                    classes[node.name].append(file.module)
    imports = {
        module: {known(name, named) for name in names} - {module, ""}
        for module, names in named.items()
    }
    return Code(offences, imports, classes)


def imported(file: File) -> Iterator[str]:
    """Every name that is imported at run time, with its module."""
    for_types = {
        id(inner)
        for node in file.of(ast.If)
        if ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for one in node.body
        for inner in ast.walk(one)
    }
    for node in file.of(ast.Import, ast.ImportFrom):
        if id(node) not in for_types:
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield from (f"{prefix}{alias.name}" for alias in node.names)


def known(name: str, modules: Mapping[str, object]) -> str:
    """The module that an import reads: the name itself, or that which defines it; "" if neither."""
    owner = name.rpartition(".")[0]
    return next((one for one in (name, owner) if one in modules), "")


def test_there_is_something_to_look_at(code: Code) -> None:
    assert "bindery.library.library" in code.imports["bindery.library"]
    assert code.classes["Library"] == ["bindery.library.library"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(code: Code, rule: Callable[[File], Iterator[str]]) -> None:
    assert not code.offences[rule.__name__]


def test_imports_make_no_circle(code: Code) -> None:
    """Neither at the top of files nor hidden within functions."""
    try:
        TopologicalSorter(code.imports).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_class_names_are_unique(code: Code) -> None:
    """One word has one meaning."""
    twice = {name: modules for name, modules in code.classes.items() if len(modules) > 1}
    assert not twice


# Tables

# What else lies in the same folder.
FORMATS_CORE = {"archive", "builder", "docx_styles", "encoding", "numbering", "ocr", "package"}
FORMATS_CORE |= {
    "page_headings",
    "page_layout",
    "page_picture",
    "page_rules",
    "page_tables",
    "sparse_sheets",
    "symbols",
    "xls_records",
}
GRAPH_CORE = {"attention", "parts", "rotary"}


FAMILIES = {
    "data",
    "images",
    "mail",
    "opendocument",
    "plain_markup",
    "spreadsheet",
    "subtitles",
} | {
    "text",
    "xml_data",
}


def modules(folder: str) -> set[str]:
    return {path.stem for path in (SOURCE / folder).glob("*.py")} - {"__init__"}


def homes(table: Mapping[str, object]) -> set[str]:
    return {value.__module__.rpartition(".")[2] for value in table.values()}


def test_every_strategy_is_in_its_table() -> None:
    written = {
        node.name
        for home in homes(CHUNKERS)
        for node in ast.parse((SOURCE / "chunking" / f"{home}.py").read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and ast.unparse(node.returns) == "Outline"
    }
    assert written == {chunker.__name__ for chunker in CHUNKERS.values()}
    assert written == {name.replace("-", "_") for name in CHUNKERS}
    assert homes(CHUNKERS) == {"strategies", "semantic"}


def test_every_graph_is_in_its_table() -> None:
    assert modules("engines/graphs") - GRAPH_CORE == homes(GRAPHS)


def test_every_reader_is_in_its_table() -> None:
    functions = {kind: reader.load() for kind, reader in READERS.items()}

    assert modules("documents/formats") - FORMATS_CORE == homes(functions)
    for kind, function in functions.items():
        assert function.__name__ == f"read_{kind}"
        # Kinds of a family share a file, and the others have one of their name.
        if function.__module__.rpartition(".")[2] not in FAMILIES:
            assert function.__module__ == f"bindery.documents.formats.{kind}"
