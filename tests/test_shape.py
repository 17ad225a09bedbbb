"""The shape of the code itself: short files and functions, whole tables, no quiet corners."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from bindery.chunking import CHUNKERS
from bindery.documents import READERS
from bindery.engines.graphs import GRAPHS

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "bindery"
PARTS = ("src", "tests", "benchmarks")
FILES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))
SOURCE_FILES = [path for path in FILES if SOURCE in path.parents]

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 50


def offenders(paths: Iterable[Path], find: Callable[[Path], Iterable[object]]) -> list[str]:
    """What was found, each with the file that it is in."""
    return [f"{path.relative_to(ROOT)}: {one}" for path in paths for one in find(path)]


def nodes(path: Path, *kinds: type) -> Iterator:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def test_there_is_something_to_look_at() -> None:
    assert SOURCE / "library" / "library.py" in SOURCE_FILES
    assert Path(__file__) in FILES


def test_files_are_short() -> None:
    def too_long(path: Path) -> Iterator[int]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES_OF_A_FILE:
            yield lines

    assert not offenders(FILES, too_long)


def test_functions_are_short() -> None:
    def too_long(path: Path) -> Iterator[str]:
        for node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                yield f"{node.name} has {lines} lines"

    assert not offenders(FILES, too_long)


def test_only_the_command_line_prints() -> None:
    def prints(path: Path) -> Iterator[int]:
        for call in nodes(path, ast.Call):
            if isinstance(call.func, ast.Name) and call.func.id == "print":
                yield call.lineno

    quiet = [path for path in SOURCE_FILES if SOURCE / "faces" / "cli" not in path.parents]
    assert not offenders(quiet, prints)


def test_what_is_caught_widely_or_passed_over_says_why() -> None:
    """Such a handler raises the same again, or has a comment: above, beside or within it."""

    def unexplained(path: Path) -> Iterator[int]:
        explained = comments(path)
        for handler in nodes(path, ast.ExceptHandler):
            last = handler.body[-1]
            raises = isinstance(last, ast.Raise) and last.exc is None
            hides = is_broad(handler) or isinstance(handler.body[0], ast.Pass)
            lines = range(handler.lineno - 1, handler.end_lineno + 1)
            if hides and not raises and not explained & set(lines):
                yield handler.lineno

    assert not offenders(SOURCE_FILES, unexplained)


def is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


def comments(path: Path) -> set[int]:
    """The lines that carry a comment which says more than that a rule is switched off."""
    source = io.StringIO(path.read_text(encoding="utf-8"))
    bare = re.compile(r"# *(noqa\b:?( ?[A-Z]+[0-9]+,?)*|(pyright|type): ignore\S*)$")
    return {
        token.start[0]
        for token in tokenize.generate_tokens(source.readline)
        if token.type == tokenize.COMMENT and not bare.match(token.string)
    }


# Tables

# What else lies in the same folder.
FORMATS_CORE = {"archive", "builder", "encoding", "ocr", "package", "page_layout", "sparse_sheets"}
GRAPH_CORE = {"attention", "parts", "rotary", "settings"}


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
        if function.__module__.rpartition(".")[2] not in {"data", "images", "spreadsheet", "text"}:
            assert function.__module__ == f"bindery.documents.formats.{kind}"
