"""``bindery backup``, ``restore``, ``disk``, ``files``, ``jobs`` and ``models remove``."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.faces.commands import BINDERY
from tests.homes import home_with

from bindery.jobs import Jobs
from bindery.jobs.values import JobRequest
from bindery.library import Library


@pytest.fixture
def stored(minilm_folder: Path, tmp_path: Path) -> tuple[Path, str, str]:
    """A home with a file and a job: its folder, and the ids of both."""
    home = home_with(minilm_folder, tmp_path / "stored")
    library = Library(home)
    with library.files.receive(limit_bytes=1 << 20) as incoming:
        incoming.write(b"Loose paper is fragile.")
        file = incoming.keep("paper.txt")
    job = Jobs(library).submit(JobRequest((file.id,)))
    library.close()
    return home, file.id, job.id


def test_files_and_jobs_are_listed_and_deleted(run, stored) -> None:
    home, file_id, job_id = stored
    there = {"BINDERY_HOME": str(home)}

    assert "paper.txt" in run("files", **there).stdout
    assert json.loads(run("files", "--json", **there).stdout)["files"][0]["id"] == file_id
    assert job_id in run("jobs", **there).stdout
    assert "0 of 1 file" in run("jobs", "show", job_id, **there).stdout
    assert "cancelled" in run("jobs", "cancel", job_id, **there).stdout
    assert run("jobs", "delete", job_id, **there).exit_code == 0
    assert run("jobs", **there).stdout == "There are no jobs.\n"
    assert run("files", "delete", file_id[:8], **there).exit_code == 2  # nobody confirms it
    assert run("files", "delete", file_id[:8], "--yes", **there).exit_code == 0
    assert run("files", **there).stdout == "There are no stored files.\n"
    assert run("files", "delete", file_id, "--yes", **there).exit_code == 4


def test_a_home_is_backed_up_and_restored(run, stored, tmp_path: Path) -> None:
    home, file_id, _ = stored
    other = {"BINDERY_HOME": str(tmp_path / "other")}

    made = json.loads(run("backup", tmp_path / "copy", "--json", BINDERY_HOME=str(home)).stdout)
    assert (made["contents"], made["missing"]) == (1, [])
    assert run("restore", tmp_path / "copy", **other).exit_code == 0
    assert json.loads(run("files", "--json", **other).stdout)["files"][0]["id"] == file_id
    again = run("restore", tmp_path / "copy", **other)
    assert again.exit_code == 2
    assert "has data already" in again.stderr
    assert run("backup", tmp_path / "more", BINDERY_HOME=str(tmp_path / "none")).exit_code == 2


def test_disk_says_what_takes_space(run, stored) -> None:
    answer = json.loads(run("disk", "--json", BINDERY_HOME=str(stored[0])).stdout)
    assert {"bindery.db", "files"} <= {part["path"] for part in answer["parts"]}
    assert answer["size_bytes"] == sum(part["size_bytes"] for part in answer["parts"])


def test_a_model_is_removed(run, minilm_folder: Path, tmp_path: Path) -> None:
    home = home_with(minilm_folder, tmp_path / "home")
    there = {"BINDERY_HOME": str(home)}
    assert run("models", "remove", "vanilla", **there).exit_code == 2  # nobody confirms it
    answer = run("models", "remove", "vanilla", "--yes", "--json", **there)
    assert json.loads(answer.stdout)["removed"]
    assert minilm_folder.is_dir()
    assert run("models", "remove", "vanilla", "--yes", **there).exit_code == 3
    assert run("models", "remove", "nothing", "--yes", **there).exit_code == 2


def test_commands_print_on_consoles_that_lack_characters(environment, tmp_path: Path) -> None:
    (tmp_path / "köln.txt").write_text("Köln → “Papier” 北京 😀", encoding="utf-8")
    command = [*BINDERY, "chunk", str(tmp_path / "köln.txt")]
    for encoding in ("ascii", "cp1252"):
        variables = {**environment, "PYTHONIOENCODING": encoding}
        done = subprocess.run(command, env=variables, capture_output=True, check=True)
        assert b"ln ? " in done.stdout
