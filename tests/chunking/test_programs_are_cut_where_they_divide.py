"""`code` in each of its languages: definitions, members, statements, lines."""

import sys

import pytest
from tests.chunking.programs import PROGRAMS, PYTHON
from tests.chunking.strategies import needs_grammars
from tests.chunking.tokenisers import Utf8Bytes

from bindery.chunking import chunk
from bindery.documents import divide
from bindery.documents.programs import LANGUAGES
from bindery.errors import InvalidValue, UnknownStrategy, UnsupportedKind
from bindery.options import ChunkOptions
from bindery.types import Document


def cut(text: str, name: str, size: int) -> list[str]:
    document, strategy = Document(text, "code", name), "code"
    chunks = chunk(document, Utf8Bytes(), ChunkOptions(strategy=strategy, size=size), divide=divide)
    return [piece.text for piece in chunks]


@needs_grammars
def test_definitions_come_before_members_and_these_before_statements() -> None:
    greeter, alone = cut(PYTHON, "a.py", 250)
    assert greeter.endswith("return 3")
    assert alone == "def alone():\n    pass"

    members = cut(PYTHON, "a.py", 130)
    begins = [piece.split("\n")[0] for piece in members]
    assert begins == ["import os", "def hello(self):", "def goodbye(self):"]
    statements = cut(PYTHON, "a.py", 60)
    assert statements[0] == "import os\nimport sys"
    assert statements[1].startswith("# What greets.\n@once\nclass Greeter:")
    statements = cut(PYTHON, "a.py", 60)
    assert "def hello(self):\n        first = 1" in statements
    assert any(piece.startswith("# A remark.\n        second = 2") for piece in statements)


@needs_grammars
@pytest.mark.parametrize("ending", PROGRAMS)
def test_every_language_is_cut_between_its_definitions(ending: str) -> None:
    text, begins = PROGRAMS[ending]
    pieces = cut(text, f"A File{ending.upper()}", max(len(text) * 2 // 3, 20))
    assert len(pieces) == len(begins)
    for piece, begin in zip(pieces, begins, strict=True):
        assert piece.startswith(begin)


@needs_grammars
def test_every_grammar_can_be_loaded() -> None:
    for ending in LANGUAGES:
        assert cut("x", f"a{ending}", 9) == ["x"]


@needs_grammars
def test_offsets_are_code_points_and_not_bytes() -> None:
    text = "a = '東京👍'\n\ndef é():\n    return 'ü'\n\ndef b():\n    return 2\n"
    assert cut(text, "a.py", 36) == [part.strip() for part in text.split("\n\n")]


@needs_grammars
@pytest.mark.parametrize("text", ["{\n" * 20_000, "def f(\n" * 5_000, "if a:\n" + " (\n" * 20_000])
def test_deep_nests_and_broken_programs_are_cut_all_the_same(text: str) -> None:
    pieces = cut(text, "a.js", 100)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@needs_grammars
@pytest.mark.parametrize("name", ["notes.txt", "Makefile", ".py", "a.rb"])
def test_a_name_of_no_known_language_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedKind, match=name) as caught:
        cut("x = 1", name, 9)
    assert ".py" in caught.value.remedy
    assert caught.value.param == "strategy"
    assert cut(" \n", name, 9) == []


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tree_sitter_go", None)
    with pytest.raises(UnknownStrategy, match="tree_sitter") as caught:
        cut("package p", "a.go", 9)
    assert "bindery-search[code]" in caught.value.remedy
    assert caught.value.param == "strategy"


def test_without_the_extra_an_empty_text_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a job is refused before it begins, whatever its files are called."""
    monkeypatch.setitem(sys.modules, "tree_sitter", None)
    with pytest.raises(UnknownStrategy, match="'tree_sitter'"):
        cut("", "", 9)


def test_without_what_divides_programs_it_is_said_what_does() -> None:
    with pytest.raises(InvalidValue, match="needs a function that finds") as caught:
        chunk(Document("x", "code", "a.py"), Utf8Bytes(), ChunkOptions(strategy="code", size=9))
    assert "divide" in caught.value.remedy
    assert caught.value.param == "strategy"
