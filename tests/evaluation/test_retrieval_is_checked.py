"""Checks in a file hold or fail, and a failure says where the passage went."""

import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from tests.engines.checkpoints import TINY
from typer.testing import CliRunner, Result

from bindery.errors import InvalidValue
from bindery.evaluation.checks import read_checks, run_checks, to_junit
from bindery.faces.cli.app import app
from bindery.library import Library
from bindery.options import ModelOptions
from bindery.search.collection import Collection
from bindery.workspace import Workspace

TEXTS = {
    "keys.md": "A key is revoked by the command keys revoke.",
    "more.md": "A key, a key, a key: all about a key and how a key is kept.",
    "vault.md": "Vaults are opened on Mondays.",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("home")
    folder = root / "texts"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    library = Library(root / "home", ModelOptions(precision="f32", threads=1), takes_folders=True)
    with Workspace(library) as found:
        found.add([folder], model=str(TINY / "gte"))
        yield found


@pytest.fixture
def collection(workspace: Workspace) -> Collection:
    return workspace.collections.get("default")


def failures(collection: Collection, folder: Path, text: str) -> list[str]:
    path = folder / "checks.yaml"
    path.write_text(text, encoding="utf-8")
    [result] = run_checks(collection, read_checks(path))
    assert result.is_passed == (not result.failures)
    return list(result.failures)


@pytest.mark.parametrize(
    "text",
    [
        "- {question: revoked, file: keys.md, quote: keys revoke, within: 1, mode: lexical}",
        "- {question: vaults, mode: lexical, expected: [{file: vault, quote: on mondays}]}",
        "- {question: xylophone, mode: lexical, nothing: true}",
        "- {question: vaults, file: keys.md, absent: true, mode: lexical}",
        '- {question: key, file: more.md, filter: file = "texts/more.md", within: 1}',
    ],
)
def test_what_holds_passes(collection: Collection, tmp_path: Path, text: str) -> None:
    assert failures(collection, tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "- {question: key, file: keys.md, within: 1, mode: lexical}",
            ", lost by lexical (ranks: ",
        ),
        ("- {question: key, file: elm.md}", "(not_indexed): The collection has no file"),
        (
            "- {question: key, quote: words of no text at all}",
            "(not_indexed): No passage of the",
        ),
        (
            "- {question: key, file: vault.md, mode: lexical}",
            "(candidates): It is not among the best 200 of any leg: without any word",
        ),
        ("- {question: key, mode: lexical, nothing: true}", "hits, the first in 'texts/more.md'"),
        ("- {question: key, file: more.md, absent: true, mode: lexical}", "is at rank 1"),
        (
            '- {question: key, file: keys.md, filter: file = "texts/more.md"}',
            "(filter): The filter leaves it out",
        ),
        (
            "- {question: key, file: keys.md, mode: lexical, score_threshold: 50}",
            "(threshold): Its score of",
        ),
    ],
)
def test_a_failure_says_what_happened(
    collection: Collection, tmp_path: Path, text: str, said: str
) -> None:
    [failure] = failures(collection, tmp_path, text)
    assert said in failure


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no list of checks"),
        ("[", "cannot be read"),
        ("- 1", "Check 1 of 'c.yaml': It must have fields"),
        ("- {file: a}", "It has no question"),
        ("- {question: a}", "A check needs what is expected"),
        ("- {question: a, file: b, nothing: true}", "A check needs what is expected"),
        ("- {question: a, fil: b}", "Unknown field 'fil'"),
        ("- {question: a, file: b, within: 0}", "within must be 1 to 100, got 0"),
        ("- {question: a, file: b, within: x}", "within must be a whole number"),
        ("- {question: a, file: b, expected: []}", "expected must be a list"),
        ("- {question: a, file: b, mode: late}", "late"),
        ("- {question: a, file: b}\n- {question: a, file: b, page: x}", "Check 2 of 'c.yaml'"),
    ],
)
def test_wrong_files_are_refused_by_entry(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InvalidValue) as raised:
        read_checks(tmp_path / "c.yaml")
    assert said in raised.value.message


def test_the_command_ends_by_the_result_and_writes_junit(
    workspace: Workspace, tmp_path: Path
) -> None:
    path, junit = tmp_path / "checks.yaml", tmp_path / "report.xml"
    environment = {"BINDERY_HOME": os.fspath(workspace.library.home), "BINDERY_PRECISION": "f32"}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["check", str(path), *arguments], env=environment)

    path.write_text("- {question: revoked, file: keys.md, mode: lexical}\n")
    assert run().exit_code == 0
    with path.open("a") as file:
        file.write('- {question: "vaults <b>", file: keys.md, mode: lexical}\n')
    failed = run("--junit", str(junit))
    assert failed.exit_code == 1
    assert "failed: vaults <b>" in failed.output
    suite = fromstring(junit.read_bytes())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["revoked", "vaults <b>"]
    assert '"failed": 1' in run("--json").stdout
    assert to_junit("none", []).endswith(b"/>")
