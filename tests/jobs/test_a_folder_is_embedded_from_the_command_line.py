"""``bindery embed FOLDER --out DIR`` as a process: it ends well, badly, or by a signal."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.engines.checkpoints import TINY
from tests.faces.commands import BINDERY
from typer.testing import CliRunner, Result

from bindery.faces.cli.app import app
from bindery.vectors import load

COMMAND = (*BINDERY, "embed")
# Two batches: some of it is kept before the rest is done.
FILES, SENTENCES = 24, 96

pytestmark = pytest.mark.usefixtures("minilm_folder")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=600)


def invoke(*arguments: str | Path) -> Result:
    """The same within this process, with a tiny model: which one makes no difference here."""
    given = ["embed", *map(str, arguments), "--model", str(TINY / "gte")]
    return CliRunner().invoke(app, given)


def events(text: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in text.splitlines()]


def stop_when_some_is_kept(arguments: Sequence[str | Path], number: int) -> tuple[int, str]:
    """Send a signal once a file is done; how it ended and what it said on standard error."""
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if '"event":"file"' in line:
            process.send_signal(number)
            break
    _, said = process.communicate(timeout=300)
    return process.returncode, said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    for file in range(FILES):
        text = " ".join(f"Sheet {n} of book {file} is bound in calf." for n in range(SENTENCES))
        (folder / f"{file:02}.txt").write_text(text)
    return folder


@pytest.mark.slow
def test_what_was_killed_or_stopped_goes_on_and_nothing_is_twice_there(
    folder: Path, tmp_path: Path
) -> None:
    arguments = (folder, "--out", tmp_path, "--size", "64")
    code, _ = stop_when_some_is_kept(arguments, signal.SIGKILL)
    assert code == -signal.SIGKILL
    code, said = stop_when_some_is_kept(arguments, signal.SIGINT)
    assert code == 130
    assert "Run the same command again to resume" in said
    assert not (tmp_path / "embeddings.jsonl").exists()

    ended = run(*arguments, "--format", "jsonl", "--json")

    assert ended.returncode == 0, ended.stderr
    end = events(ended.stdout)[-1]
    records = events((tmp_path / "embeddings.jsonl").read_text())
    assert (end["event"], end["files_done"], end["chunks"]) == ("end", FILES, len(records))
    assert sorted({one["file"] for one in records}) == sorted(p.name for p in folder.iterdir())
    assert len({one["id"] for one in records}) == len(records)
    for file in {one["file"] for one in records}:
        text = (folder / file).read_text()
        own = [one for one in records if one["file"] == file]
        assert all(text[one["start"] : one["end"]] == one["text"] for one in own)
        assert " ".join(one["text"] for one in own) == text
    # Of what was kept nothing was lost, and nothing was embedded again.
    assert end["tokens_used"] == sum(one["tokens"] + 2 for one in records)


@pytest.mark.slow
def test_other_inputs_may_follow_a_run_that_was_killed_before_it_had_results(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = (folder, "--out", out, "--size", "64")
    assert stop_when_some_is_kept(arguments, signal.SIGKILL)[0] == -signal.SIGKILL
    (tmp_path / "other.txt").write_text("Vellum lasts.")

    ended = run(tmp_path / "other.txt", "--out", out, "--format", "jsonl")

    assert ended.returncode == 0, ended.stderr
    assert files_in(out / "embeddings.jsonl") == [str(tmp_path / "other.txt")]


def test_bad_files_are_told_and_the_others_are_written(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "good.md").write_text("# Title\n\nVellum lasts.")
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7\nno more than a beginning")
    (folder / ".hidden.txt").write_text("Nobody asked for this.")
    (folder / "outside").symlink_to("/")

    ended = run(folder, "--out", out, "--form", "int8", "--context", "headings")

    assert ended.returncode == 4
    assert "broken_document" in ended.stderr
    report = orjson.loads((out / "report.json").read_bytes())
    assert [(one["file"], one["code"]) for one in report["failed"]] == [
        ("bad.pdf", "broken_document")
    ]
    assert {one["file"] for one in report["skipped"]} == {".hidden.txt", "outside"}
    assert (report["model"], report["form"], report["chunks"]) == ("vanilla", "int8", 1)
    vectors = load(out / "embeddings.parquet")
    assert len(vectors) == 1
    assert not list(out.glob(".embeddings*"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("IN", "IN", "--out", "OUT"), 2, "given twice"),
        (("IN", "--out", "OUT", "--lines", "--size", "12"), 2, "not cut into chunks"),
        (("IN", "--out", "OUT", "--title", "On paper"), 2, "does not support titles"),
        (("IN", "--out", "OUT", "--strategy", "odd"), 2, "odd"),
        (("EMPTY", "--out", "OUT"), 4, "no file to embed"),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    for name in ("IN", "EMPTY"):
        (tmp_path / name).mkdir()
    (tmp_path / "IN" / "a.txt").write_text("Vellum lasts.")
    given = [str(tmp_path / one) if one.isupper() else one for one in arguments]

    ended = invoke(*given)

    assert ended.exit_code == code
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "OUT").exists()


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Two folders and a file, each with a text of its own."""
    for name in ("one/a.txt", "two/a.txt", "three.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"The text of {name} is bound in calf.")
    return tmp_path


def files_in(path: Path) -> list[str]:
    return [one["file"] for one in events(path.read_text())]


@pytest.mark.parametrize("out", ["out", "out.parquet", "out.arrow", "out.npz", "out.jsonl"])
def test_other_inputs_are_refused_unless_they_replace_or_come_together(
    inputs: Path, out: str
) -> None:
    target = inputs / out
    one, two = inputs / "one", inputs / "two"
    assert invoke(one, "--out", target).exit_code == 0
    assert invoke(one, "--out", target).exit_code == 0

    refused = invoke(two, inputs / "three.txt", "--out", target)
    if target.suffix == ".jsonl":
        assert "'a.txt'" in refused.stderr
    else:
        assert str(one) in refused.stderr
    assert refused.exit_code == 2
    assert "--replace" in refused.stderr

    given = [one, two, inputs / "three.txt"]
    replaces = ["--replace"] if target.suffix == ".jsonl" else []
    together = invoke(*given, "--out", target, *replaces)
    assert together.exit_code == 0, together.stderr
    assert "3 chunks from 3 files" in together.stdout
    assert invoke(two, "--out", target, "--replace").exit_code == 0


def test_other_inputs_may_follow_a_run_without_results(inputs: Path) -> None:
    (inputs / "bad.pdf").write_bytes(b"%PDF-1.7\nno more than a beginning")
    assert invoke(inputs / "bad.pdf", "--out", inputs / "out").exit_code == 4
    assert invoke(inputs / "three.txt", "--out", inputs / "out").exit_code == 0


def test_folders_and_files_go_to_standard_output_and_into_one_file(inputs: Path) -> None:
    given = [inputs / "one", inputs / "three.txt"]
    lines = invoke(*given)
    assert lines.exit_code == 0, lines.stderr
    names = [f"{inputs}/one/a.txt", f"{inputs}/three.txt"]
    assert [one["file"] for one in events(lines.stdout)] == names
    assert invoke(*given, "--out", inputs / "all.jsonl").exit_code == 0
    assert files_in(inputs / "all.jsonl") == names
    alone = invoke(inputs / "three.txt", "--out", inputs / "out", "--format", "jsonl", "--lines")
    assert alone.exit_code == 0, alone.stderr
    assert files_in(inputs / "out" / "embeddings.jsonl") == [f"{inputs}/three.txt"]


def test_a_reader_that_leaves_ends_the_stream(inputs: Path) -> None:
    (inputs / "lines.txt").write_text("calf\n" * 200_000)
    command = [*COMMAND, inputs / "lines.txt", "--lines"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert orjson.loads(process.stdout.readline())["text"] == "calf"
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""
