"""Exit codes, errors that say what to do, and help that shows how."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import typer.core
import typer.main
from tests.homes import home_with

from bindery import errors
from bindery.faces.cli.app import app
from bindery.faces.cli.exits import EXIT_CODES, exit_code
from bindery.library import DEFAULT_MODEL, Library
from bindery.options import ChunkOptions
from bindery.vectors.rotation import Rotation

from .conftest import Run


def commands(group: typer.core.TyperGroup, above: str = "") -> dict[str, typer.core.TyperCommand]:
    """Every command by all that is typed, those of groups within the group too."""
    found = {}
    for name, command in group.commands.items():
        whole = f"{above}{name}"
        within = isinstance(command, typer.core.TyperGroup)
        found |= commands(command, f"{whole} ") if within else {whole: command}
    return found


COMMANDS = commands(typer.main.get_group(app))


def classes(root: type[errors.BinderyError]) -> list[type[errors.BinderyError]]:
    return [root, *(below for child in root.__subclasses__() for below in classes(child))]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example(name: str, run: Run):
    result = run(*name.split(), "--help")
    assert result.exit_code == 0, result.output
    assert re.search(rf"Examples?:\s+.*bindery {name}", result.stdout, re.DOTALL)


def test_every_command_that_gives_data_can_give_json():
    without = {
        name
        for name, command in COMMANDS.items()
        if not any("--json" in option.opts for option in command.params)
    }
    assert without == {"mcp"}  # it speaks JSON anyway


def test_every_command_can_be_quiet():
    groups = {"files", "jobs", "models"}
    found = COMMANDS | {name: typer.main.get_group(app).commands[name] for name in groups}
    for name, command in found.items():
        assert any("--quiet" in option.opts for option in command.params), name


LISTS = ["settings", "models", "demo", "files", "jobs", "disk", "keys list", "rotate list",
         "collections list"]  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_json_is_one_document_and_quiet_shows_nothing_else(name: str, run: Run):
    result = run(*name.split(), "--json", "--quiet")
    assert result.exit_code == 0, result.output
    assert isinstance(json.loads(result.stdout), dict)
    assert result.stderr == ""


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", [*LISTS, "--help", *(f"{name} --help" for name in COMMANDS)])
def test_what_people_read_fits_their_terminal(name: str, columns: int, run: Run):
    if columns > 80 and "help" in name:
        return
    result = run(*name.split(), COLUMNS=str(columns))
    assert "\x1b" not in result.stdout  # no colours outside of a terminal
    # Paths and commands are not broken, so that they can be copied.
    wide = [line for line in result.stdout.splitlines() if len(line) > columns and "/" not in line]
    assert not wide


def test_quiet_still_tells_what_failed(run: Run, tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    result = run("embed", tmp_path / "a.bin", "--quiet")
    assert result.exit_code == 4
    assert result.stderr.startswith("error (")
    assert result.stderr.count("a.bin") == 1


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["embed", "-", "--model", "vanila"], "vanilla"),
        (["chunk", "-", "--strategy", "sentense"], "sentence"),
        (["search", "x", "--collection", "paper"], "papers"),
        (["search", "x", "--mode", "lexcal"], "lexical"),
        (["evaluate", "papers", "sentenses"], "sentences"),
        (["chunk", "NOTES/reprot.md"], "report.md"),
        (["add", "NOTES/reprot.md"], "report.md"),
        (["embed", "-", "--rotation", "shelv"], "shelf"),
        (["collections", "remove", "papers", "reprot.md"], "report.md"),
    ],
)
def test_a_misspelt_name_is_corrected(
    arguments: list[str], meant: str, run: Run, minilm_folder: Path, tmp_path: Path
):
    home = home_with(minilm_folder, tmp_path / "home")
    library = Library(home)
    library.rotations.save("shelf", Rotation(np.eye(2, dtype="f"), np.full(2, 0.5), "m", "r", 2))
    (tmp_path / "report.md").write_text("Oak lasts.")
    if "paper" in " ".join(arguments):
        run("add", tmp_path / "report.md", "--collection", "papers", BINDERY_HOME=str(home))
    given = [one.replace("NOTES", str(tmp_path)) for one in arguments]
    result = run(*given, input="oak", BINDERY_HOME=str(home))
    assert result.exit_code in (2, 4)
    assert f"Did you mean '{meant}'?" in result.stderr


def test_the_defaults_are_the_library_s():
    defaults = {option.name: option.default for option in COMMANDS["embed"].params}
    assert (defaults["model"], defaults["strategy"]) == (DEFAULT_MODEL, ChunkOptions().strategy)


@pytest.mark.parametrize("kind", classes(errors.BinderyError), ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code(kind: type[errors.BinderyError]):
    assert exit_code(kind("x")) in range(1, 6)


def test_the_nearest_class_decides():
    assert exit_code(errors.InvalidValue("x")) == 2
    assert exit_code(errors.UnknownFile("x")) == 4
    assert exit_code(errors.ModelGated("x")) == 3
    assert set(EXIT_CODES.values()) == {1, 2, 3, 4, 5}


WRONG = [
    (["embed", "x.txt", "--out", "x.csv"], 2, "invalid_value", ".parquet, .arrow, .jsonl, .npz"),
    (["embed", "x.txt", "--format", "npz"], 2, "invalid_value", "give a folder as --out"),
    (["embed", "x.txt", "--out", "no/such/x.npz"], 5, "storage_error", "no/such"),
    (["embed", "x.txt", "--model", "nope"], 2, "unknown_model", "vanilla"),
    (["embed", "x.txt", "--model", "gemma"], 3, "model_missing", "bindery preload gemma"),
    (["embed", "x.txt", "--precision", "f8"], 2, "invalid_value", "auto, f32, bf16"),
    (["chunk", "x.txt", "--strategy", "nope"], 2, "unknown_strategy", "recursive"),
    (["chunk", "x.txt", "--size", "0"], 2, "invalid_value", "Choose 1 or more"),
    (["chunk", "x.txt", "--size", "4", "--overlap", "4"], 2, "invalid_value", "0 to 3"),
    (["chunk", "x.txt"], 4, "unknown_file", "x.txt"),
    (["preload", "nope"], 2, "unknown_model", "vanilla"),
    (["serve", "--host", "0.0.0.0"], 2, "invalid_value", "127.0.0.1"),
]


@pytest.mark.parametrize(("arguments", "code", "name", "hint"), WRONG, ids=str)
def test_an_error_is_told_with_what_to_do(
    arguments: list[str], code: int, name: str, hint: str, run: Run, own_logging: None
):
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith(f"error ({name}): ")
    assert hint in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["--dimensions", "100"], "384"), (["--role", "nope"], "document")],
    ids=str,
)
def test_what_the_model_does_not_allow_is_told_before_files_are_read(
    arguments: list[str], hint: str, run: Run
):
    result = run("embed", "x.txt", *arguments)
    assert result.exit_code == 2, result.output
    assert hint in result.stderr
    assert "x.txt" not in result.stderr


def test_with_json_an_error_is_json_too(run: Run):
    result = run("chunk", "x.txt", "--json")
    assert result.exit_code == 4
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "unknown_file"
    assert error["remedy"]
    assert "error (unknown_file)" in result.stderr


def test_a_wrong_option_is_wrong_use(run: Run):
    assert run("embed", "x.txt", "--nope").exit_code == 2
    assert run("nope").exit_code == 2
    assert run("embed").exit_code == 2


def test_a_wrong_setting_names_its_variable(run: Run):
    result = run("models", BINDERY_PORT="high")
    assert result.exit_code == 2
    assert "BINDERY_PORT must be" in result.stderr
    assert "got 'high'" in result.stderr


def test_chunks_are_shown_and_counted(run: Run, documents: Path):
    file = documents / "long.md"
    shown = run("chunk", file, "--size", 40)
    assert shown.exit_code == 0, shown.output
    answer = json.loads(run("chunk", file, "--size", 40, "--json").stdout)
    text = file.read_text(encoding="utf-8")
    assert answer["kind"] == "markdown"
    assert answer["total_chunks"] == len(answer["chunks"]) == len(shown.stdout.splitlines()) - 1
    for index, chunk in enumerate(answer["chunks"]):
        assert chunk["index"] == index
        assert chunk["text"] == text[chunk["start"] : chunk["end"]]
        assert chunk["tokens"] <= 40
        row = shown.stdout.splitlines()[1 + index].split()
        assert row[:4] == [str(chunk[key]) for key in ("index", "start", "end", "tokens")]


def test_a_chunk_is_shown_with_its_place(run: Run, documents: Path):
    file = documents / "placed.md"
    file.write_text("# One\n\ntext\n\n## Two\n\nmore " + "and more " * 30)
    options = ("--strategy", "parent-child", "--size", 24, "--parent-size", 48)
    asked = ("chunk", file, *options, "--context", "headings")
    answer = json.loads(run(*asked, "--json").stdout)
    last = answer["chunks"][-1]
    assert answer["context"] == "headings"
    assert (last["headings"], last["context"]) == (["One", "Two"], "One > Two\n\n")
    assert last["parent"]["start"] < last["start"] < last["end"] == last["parent"]["end"]
    assert (last["page"], last["cut_at"]) == (None, None)
    shown = run(*asked).stdout.splitlines()
    assert shown[0].split() == ["index", "start", "end", "tokens", "parent", "headings", "text"]
    parent = f"{last['parent']['start']}:{last['parent']['end']}"
    assert shown[-1].split()[4:8] == [parent, "One", ">", "Two"]


def test_chunks_over_the_window_are_told(run: Run, documents: Path):
    result = run("chunk", documents / "long.md", "--size", 1000, "--json")
    answer = json.loads(result.stdout)
    assert [one["tokens_cut"] for one in answer["chunks"]] == [
        max(0, one["tokens"] - 254) for one in answer["chunks"]
    ]
    assert any(one["tokens_cut"] for one in answer["chunks"])
    for one in answer["chunks"]:
        assert (one["cut_at"] is not None) == (one["tokens_cut"] > 0)
    assert "longer than the 254 tokens" in run("chunk", documents / "long.md", "--size", 999).stderr


def test_what_a_document_holds_cannot_steer_the_terminal(run: Run):
    result = run("chunk", "-", input="plain \x9b31mred and \u202eback")
    assert result.exit_code == 0, result.output
    assert "plain \ufffd31mred and \ufffdback" in result.stdout


def test_models_are_listed_with_what_to_do(run: Run, tmp_path: Path):
    listed = {one["id"]: one for one in json.loads(run("models", "--json").stdout)["models"]}
    assert listed["vanilla"]["state"] == "present"
    assert listed["vanilla"]["licence"] == "apache-2.0"
    assert listed["gemma"]["nested_dimensions"] == [512, 256, 128]
    assert listed["colbert"]["state"] == "missing"
    missing = run("models", BINDERY_HOME=str(tmp_path))
    assert missing.exit_code == 0
    assert "missing" in missing.stdout
    assert "bindery preload MODEL" in missing.stdout


def test_the_demonstration_answers_in_less_than_a_screen(run: Run):
    result = run("demo")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) < 30
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "lignin" in result.stdout or "linen" in result.stdout
    assert "tissue mend a torn page" in " ".join(result.stdout.split())
    assert "Wet books should be frozen" in " ".join(result.stdout.split())
