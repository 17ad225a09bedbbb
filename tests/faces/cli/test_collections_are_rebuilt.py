"""``bindery collections``: change, rebuild, rollback, generations, verify and delete."""

import json
from pathlib import Path

import pytest

from bindery.faces.cli.exits import FAILED, WRONG_USE

TEXT = "# Keys\n\nA heliotrope turns to the sun.\n\n" + "Paper is thin, and it is bound. " * 60


@pytest.fixture
def made(run, tmp_path: Path):
    """A collection of one file, by its name."""
    (tmp_path / "a.md").write_text(TEXT)
    name = tmp_path.name
    done = run("add", tmp_path / "a.md", "--collection", name)
    assert done.exit_code == 0, done.stderr
    return name


def test_a_collection_is_rebuilt_and_taken_back(run, made):
    asked = ("collections", "rebuild", made, "--size", 32)
    estimate = json.loads(run(*asked, "--estimate", "--json").stdout)
    assert estimate["files"] == 1
    refused = run(*asked)
    assert (refused.exit_code, "--yes" in refused.stderr) == (WRONG_USE, True)

    done = run(*asked, "--yes")
    assert done.exit_code == 0, done.stderr
    assert "size 32" in done.stdout
    assert "bindery collections rollback" in " ".join(done.stdout.split())

    listed = json.loads(run("collections", "generations", made, "--json").stdout)["generations"]
    assert [(one["state"], one["size"]) for one in listed] == [("former", 128), ("active", 32)]
    assert run("collections", "rollback", made).exit_code == 0
    assert "1 generation dropped" in run("collections", "rebuild", made, "--drop").stdout
    assert run("collections", "rollback", made).exit_code == WRONG_USE


def test_an_index_is_verified_and_made_again(run, made, home):
    assert "all as the catalog has them" in run("collections", "verify", made).stdout
    assert run("collections", "rebuild", made).exit_code == 0
    for path in (home / "indexes").glob("*/*.segment"):
        path.write_bytes(path.read_bytes()[:-1])
    found = run("collections", "verify", made)
    assert found.exit_code == FAILED
    assert "is not what its name says" in " ".join(found.stderr.split())
    assert run("collections", "rebuild", made).exit_code == 0
    assert run("collections", "verify", made).exit_code == 0


def test_a_collection_is_renamed_and_deleted_once_that_is_confirmed(run, made):
    changed = run("collections", "change", made, "--weight", 0.2, "--name", f"{made} new", "--json")
    assert json.loads(changed.stdout)["weight"] == 0.2
    refused = run("collections", "delete", f"{made} new")
    assert refused.exit_code == WRONG_USE
    assert "Confirm with --yes" in refused.stderr
    assert run("collections", "delete", f"{made} new", "--yes").exit_code == 0
    assert run("collections", "files", f"{made} new").exit_code == WRONG_USE
