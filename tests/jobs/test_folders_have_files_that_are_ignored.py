"""`.binderyignore` means what `.gitignore` does; git itself is the oracle."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindery.jobs.ignoring import IgnoreRules
from bindery.jobs.sources import walk

PATHS = [
    "a.txt", "b.md", "notes/a.txt", "notes/deep/a.txt", "notes/deep/b.md", "build/out.txt",
    "src/build/out.txt", "src/build.txt", "#a", "!a", "a b.txt", "x/y/z/w.txt", "x/w.txt",
    "cat.log", "bat.log", "[a].txt", "star*.txt", "trailing ", "Umläut.txt",
]  # fmt: skip
PATTERNS = [
    "*.txt", "/a.txt", "notes/", "notes/a.txt", "build", "build/", "/build", "**/build", "x/**",
    "x/**/w.txt", "**/deep/*.md", "\\#a", "\\!a", "# a comment", "a b.txt", "a b.txt  ",
    "[cb]at.log",
    "[!c]at.log", "[a-b]at.log", "?at.log", "\\[a\\].txt", "star\\*.txt", "trailing\\ ", "!a.txt",
    "!notes/a.txt", "!build/", "*", "!*/", "notes/**", "**", "deep", "", "/", "[z-a].txt",
    "[", "x/*",
    "Uml*.txt", "[]a].txt", "***.md", "notes/*/a.txt",
]  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    if shutil.which("git") is None:
        pytest.skip("git is the oracle")
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", folder], check=True)
    for path in PATHS:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    return folder


@settings(max_examples=60, deadline=None)
@given(
    outer=st.lists(st.sampled_from(PATTERNS), max_size=4),
    inner=st.lists(st.sampled_from(PATTERNS), max_size=2),
)
def test_the_same_files_are_left_as_git_leaves(repository, outer, inner):
    for name in (".gitignore", ".binderyignore"):
        (repository / name).write_text("\n".join([*outer, "/.gitignore", "/notes/.gitignore"]))
        (repository / "notes" / name).write_text("\n".join(inner))

    listed = subprocess.run(
        ["git", "-C", repository, "ls-files", "-z", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip

    expected = {one for one in listed if one and not one.endswith(("ignore", "gitignore"))}
    found = walk(
        repository,
        without=repository / ".git",
        takes_hidden=False,
        skip=lambda *_: None,
        ignores=IgnoreRules(repository),
    )
    assert set(found) == expected


def test_secrets_packages_and_files_that_are_being_written_are_left_out(tmp_path):
    left = [
        ".git/config", "node_modules/x/readme.md", ".env", ".env.local", "a/__pycache__/x.pyc",
        "report.pdf.crdownload", "note.md~", "~$letter.docx", ".~lock.sheet.ods#",
        "x.tmp", ".x.swp",
        ".binderyignore",
    ]  # fmt: skip
    taken = ["env.md", "git/config", "a/readme.md", "keep.tmp", ".hidden.md"]
    for name in [*left, *taken]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("!keep.tmp" if name == ".binderyignore" else "x")
    reasons = {}
    found = walk(
        tmp_path,
        without=None,
        takes_hidden=True,
        skip=reasons.__setitem__,
        ignores=IgnoreRules(tmp_path),
    )
    assert sorted(found) == sorted(taken)
    assert set(reasons.values()) == {"ignored"}
    assert reasons["node_modules"] == "ignored"
