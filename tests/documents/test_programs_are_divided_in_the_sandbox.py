"""Grammars are native code that strangers' programs are fed to: what they do hurts nobody."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import orjson
import psutil
import pytest
from tests.chunking.programs import PROGRAMS, PYTHON
from tests.chunking.strategies import needs_grammars
from tests.documents.hostile import misbehaving
from tests.documents.hostile.programs import damaged, hostile_programs
from tests.documents.hostile.trial import processes

from bindery.documents import divide, parse
from bindery.documents.programs import DEPTHS, GRAMMARS
from bindery.documents.sandbox import client
from bindery.documents.sandbox.protocol import Request, SandboxLimits, Task, unpack_points
from bindery.errors import BrokenDocument, InvalidValue, ParseTimeout
from bindery.types import Document

pytestmark = needs_grammars

# Bash's scanner takes time with the square of this, for minutes.
SLOW = Document("<<E\n" * 100_000, "code", "slow.sh")


def program(text: str, name: str) -> Document:
    return Document(text, "code", name)


def test_places_are_where_definitions_members_and_statements_begin() -> None:
    depths = divide(program(PYTHON, "a.py"))
    begins = [[PYTHON[place:].split("\n")[0] for place in places] for places in depths]
    assert begins == [
        ["import os", "import sys", "# What greets.", "def alone():"],
        ["def hello(self):", "def goodbye(self):"],
        ["# A remark.", "return first + second"],
        [],
    ]


def test_no_grammar_is_loaded_where_the_service_runs() -> None:
    script = (
        "import sys\nfrom bindery.documents import divide\nfrom bindery.types import Document\n"
        "print(divide(Document('a\\nb', 'code', 'a.py'))[0])\n"
        "print([name for name in sys.modules if name.startswith('tree_sitter')])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[0, 2]\n[]\n", "")


def test_a_fresh_process_does_the_same_where_none_can_be_forked() -> None:
    request = Request("a.py", SandboxLimits(1 << 30, 60), PYTHON.encode(), Task.DIVIDE)
    packed = client.ask_fresh_process(request, 60.0)
    assert unpack_points(packed, "a.py", len(PYTHON)) == divide(program(PYTHON, "a.py"))


def test_whatever_is_in_a_name_it_is_data() -> None:
    for name in ("\udcff.py", "a\n\0.py", "../../a.py", f"{'a' * 5_000}.py"):
        assert divide(program("a\nb", name))[0] == [0, 2]


@pytest.mark.parametrize("limits", [{"timeout_s": 0}, {"memory_bytes": 1}])
def test_limits_without_sense_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(InvalidValue):
        divide(program("a", "a.py"), **limits)


def test_a_program_that_its_grammar_does_not_get_through_is_given_up() -> None:
    with pytest.raises(ParseTimeout, match=r"'slow.sh' was not read within 0.3 s") as caught:
        divide(SLOW, timeout_s=0.3)
    assert caught.value.param == "strategy"
    assert "another strategy" in caught.value.remedy
    assert processes() == []


def test_a_program_that_needs_too_much_memory_is_given_up() -> None:
    with pytest.raises(BrokenDocument, match="crash") as caught:
        divide(program(PYTHON * 20_000, "a.py"), memory_bytes=128 << 20)
    assert caught.value.param == "strategy"
    assert processes() == []


@pytest.fixture
def bad_grammars(tmp_path, monkeypatch) -> Iterator[None]:
    """A template where some grammars are those of :mod:`tests.documents.hostile.grammars`."""
    for name in ("misbehaving.py", "grammars.py"):
        shutil.copy(Path(misbehaving.__file__).with_name(name), tmp_path)
    described = tmp_path / "grammars-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Name: grammars\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[bindery.readers]\nmisbehaving=grammars:ROW\n")
    made = client.Template()
    monkeypatch.setattr(client, "_TEMPLATE", made)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    parse(b"warm", "x.txt")
    yield
    made.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a platform that can fork")
def test_what_a_grammar_does_to_itself_is_told_and_the_next_program_is_divided(bad_grammars):
    before = psutil.Process().memory_info().rss
    for name, error, says in (
        ("a.go", BrokenDocument, "SIGSEGV"),
        ("a.java", ParseTimeout, r"0\.5 s"),
        ("a.rs", BrokenDocument, "exit code 1"),
        ("a.c", BrokenDocument, "exit code 0"),
        ("a.cpp", BrokenDocument, "invalid answer"),
        ("a.sh", BrokenDocument, "invalid answer"),
    ):
        with pytest.raises(error, match=says) as caught:
            divide(program("a\nb", name), timeout_s=0.5 if name == "a.java" else 30.0)
        assert caught.value.param == "strategy"
        assert divide(program("a\nb", "a.py"))[0] == [0, 2]
        assert parse(b"fine", "x.txt").text == "fine"
    assert processes() == []
    assert psutil.Process().memory_info().rss - before < 50 << 20


@pytest.mark.parametrize(
    "wrong",
    [
        *(b"", b"[]", b"null", b"{}", b"\x80\x04."),
        *(
            orjson.dumps({"points": points})
            for points in (
                *(5, "ab", [5], [["0"]], [[0.0]], [[True]], [[None]], [[[0]]], {"a": [0]}),
                *([[-1]], [[3]], [[0, 0]], [[1, 0]], [[0], [2, 1]], [[1 << 63]]),
                [[]] * (DEPTHS + 1),
            )
        ),
        orjson.dumps({"error": "internal_error", "message": "m", "remedy": "r"}),
    ],
)
def test_an_answer_that_is_none_is_not_believed(wrong: bytes) -> None:
    assert unpack_points(b'{"points": [[0, 2], []]}', "x", 3) == [[0, 2], []]
    with pytest.raises(BrokenDocument, match="invalid answer"):
        unpack_points(wrong, "x", 3)


def check_divided(document: Document) -> None:
    """It is, and its places are such."""
    found = divide(document)
    assert len(found) == DEPTHS
    for places in found:
        assert all(a < b for a, b in pairwise((-1, *places, len(document.text))))
        assert not any(document.text[place].isspace() for place in places)


@pytest.mark.parametrize("language", GRAMMARS)
def test_texts_that_are_no_programs_end_well(language: str) -> None:
    extension = GRAMMARS[language].extensions[0]
    texts = [(name, text) for name, text in hostile_programs(4_000) if name.endswith(extension)]
    assert len(texts) > 10
    for name, text in texts:
        check_divided(program(text, name))
    assert processes() == []


@pytest.mark.parametrize("extension", PROGRAMS)
def test_damaged_programs_end_well(extension: str) -> None:
    chance = random.Random(1)
    for _ in range(20):
        text = damaged(damaged(PROGRAMS[extension][0], chance), chance)
        if text.strip():
            check_divided(program(text, f"a{extension}"))


@pytest.mark.parametrize(("text", "name"), [("'''\n`", "a.go"), ("a\\\\\\\n", "a.sh")])
def test_what_a_grammar_misses_at_the_end_is_no_place(text: str, name: str) -> None:
    check_divided(program(text, name))
