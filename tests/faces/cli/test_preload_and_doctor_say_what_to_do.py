"""Preload goes on past what cannot be had; doctor finds what is wrong; neither tells a secret."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from bindery.models.catalog import CATALOG
from bindery.models.sources import FolderSource
from bindery.settings import FIELDS

from .conftest import UNREACHABLE, Run

CANARY = "hf_canaryCanaryCanary"


@pytest.fixture
def other_home(home: Path, tmp_path: Path) -> Path:
    """A home of its own: the large file is shared, the others may be changed."""
    other = tmp_path / "home"

    def share(source: str, target: str) -> None:
        (os.link if source.endswith(".safetensors") else shutil.copyfile)(source, target)

    shutil.copytree(home, other, copy_function=share)
    return other


def checks(result) -> dict[str, dict]:
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def test_what_is_there_is_left_alone(run: Run):
    result = run("preload", "vanilla")
    assert result.exit_code == 0, result.output
    assert "vanilla: already here" in result.stdout


def test_by_default_only_vanilla_is_fetched_and_others_are_listed(run: Run):
    result = run("preload", HF_TOKEN=CANARY)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        "vanilla: already here",
        "gemma: not downloaded; for it: bindery preload gemma",
        "colbert: not downloaded; for it: bindery preload colbert",
    ]
    assert lines[3] == f"{len(CATALOG) - 3} more models can be downloaded: bindery models"
    assert "Models are stored in" in lines[-1]
    assert "failed" not in result.output
    assert CANARY not in result.output


def test_what_cannot_be_had_says_why_and_what_to_do(run: Run):
    result = run("preload", "gemma", "colbert", HF_TOKEN=CANARY)
    assert result.exit_code == 3
    assert f"hub {UNREACHABLE}: config.json: the hub cannot" in result.stderr
    assert "Check the network connection" in result.stderr
    assert "https://huggingface.co/google/embeddinggemma-300m" in result.stderr
    assert result.stderr.count("trying hub") == 1, "a hub that does not answer is asked once"


def test_without_the_first_model_preload_fails(run: Run, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("bindery.faces.cli.preload.WheelSource", lambda: FolderSource(tmp_path))
    result = run("preload", "--json", BINDERY_HOME=str(tmp_path / "home"))
    assert result.exit_code == 3, result.output
    answer = json.loads(result.stdout)
    assert [one["id"] for one in answer["models"]] == ["vanilla"]
    assert answer["others"] == [name for name in CATALOG if name != "vanilla"]

    plain = run("preload", BINDERY_HOME=str(tmp_path / "home"))
    assert plain.exit_code == 3
    assert "vanilla: failed\n" in plain.stdout
    assert "Models are stored in" not in plain.stdout
    assert plain.stderr.count("error (") == 1

    assert run("up", "--no-page", BINDERY_HOME=str(tmp_path / "home")).exit_code == 3


def test_a_model_comes_from_a_folder(run: Run, minilm_folder: Path, tmp_path: Path):
    result = run(
        "preload", "vanilla", "--from", minilm_folder, "--json", BINDERY_HOME=str(tmp_path)
    )
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert [(one["id"], one["state"]) for one in answer["models"]] == [("vanilla", "fetched")]
    assert answer["models"][0]["source"] == f"folder {minilm_folder}"
    assert "vanilla: model.safetensors, 90.9 MB" in result.stderr


def test_preload_goes_on_past_a_model_that_cannot_be_had(run: Run):
    result = run("preload", "colbert", "vanilla", "gemma", "--json", HF_TOKEN=CANARY)
    assert result.exit_code == 3, result.output
    states = {one["id"]: one for one in json.loads(result.stdout)["models"]}
    assert list(states) == ["colbert", "vanilla", "gemma"]
    assert [one["state"] for one in states.values()] == ["failed", "present", "failed"]
    assert states["gemma"]["error"]["remedy"]
    assert CANARY not in result.output

    plain = run("preload", "gemma", HF_TOKEN=CANARY)
    assert plain.exit_code == 3
    assert "error (source_error)" in plain.stderr
    assert "Check the network connection" in plain.stderr
    assert CANARY not in plain.output


def test_models_are_listed_with_what_is_known_of_their_rows(run: Run):
    rows = {one["id"]: one for one in json.loads(run("models", "--json").stdout)["models"]}
    assert list(rows) == list(CATALOG)
    assert {name for name, row in rows.items() if row["verified"]} == {"vanilla"}
    assert {name for name, row in rows.items() if row["state"] == "present"} == {"vanilla"}

    plain = run("models", COLUMNS="80").stdout
    assert max(map(len, plain.partition("Download")[0].splitlines())) <= 80
    assert "model                     dims     lang.     MB  state    for" in plain
    assert "gemma *" in plain
    assert "vanilla *" not in plain
    assert "* Not yet checked against the files on the hub." in plain
    assert all(f"\n{name} " in plain for name in CATALOG)
    # What is absent is not explained once for each.
    assert plain.count("bindery preload MODEL") == 1
    assert "gemma is gated: accept its terms at" in plain
    assert "https://huggingface.co/google/embeddinggemma-300m" in plain
    assert "apache-2.0" in run("models", COLUMNS="120").stdout


def test_the_token_leaves_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", CANARY)
    run("models", HF_TOKEN=CANARY)
    seen: list[bool] = []
    monkeypatch.setattr(
        "bindery.faces.cli.models.print_json", lambda _: seen.append("HF_TOKEN" in os.environ)
    )
    run("models", "--json", HF_TOKEN=CANARY)
    assert seen == [False]


def test_doctor_finds_nothing_wrong(run: Run):
    result = run("doctor", "--json", HF_TOKEN=CANARY)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["ok"] is True
    found = checks(result)
    assert "loaded in f32" in found["vanilla"]["detail"]
    assert "self-test passed" in found["vanilla"]["detail"]
    # Only what is used is named.
    assert not {"gemma", "colbert"} & set(found)
    assert found["others"]["verdict"] == "ok"
    assert f"{len(CATALOG) - 1} not downloaded" in found["others"]["detail"]
    assert found["HF_TOKEN"]["detail"] == "present (environment HF_TOKEN)"
    assert found["BINDERY_PORT"]["detail"] == "8000 (default)"
    assert found["BINDERY_PRECISION"]["detail"] == "f32 (environment BINDERY_PRECISION)"
    assert found["sandbox"]["verdict"] == "ok"
    assert CANARY not in result.output


def test_doctor_shows_every_setting_the_keys_and_the_port(run: Run, home: Path):
    found = checks(run("doctor", "--json"))
    assert {field.variable for field in FIELDS.values()} <= {*found}
    assert (found["keys"]["verdict"], found["port"]["group"]) == ("ok", "server")


def test_doctor_finds_a_server_that_would_be_open_to_strangers(run: Run, tmp_path: Path):
    home = str(tmp_path / "none")
    keys = checks(run("doctor", "--json", BINDERY_HOME=home, BINDERY_HOST="0.0.0.0"))["keys"]
    assert keys["verdict"] == "problem"
    assert "bindery keys create" in keys["remedy"]
    run("keys", "create", "--name", "x", BINDERY_HOME=home)
    keys = checks(run("doctor", "--json", BINDERY_HOME=home, BINDERY_HOST="0.0.0.0"))["keys"]
    assert (keys["verdict"], keys["detail"]) == ("ok", "1 key; the server requires one")


def test_doctor_notes_a_variable_that_is_misspelt_and_a_port_that_is_taken(run: Run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        found = checks(run("doctor", "--json", BINDERY_PORT=port, BINDERY_PRECISON="f32"))
    assert found["BINDERY_PRECISON"]["remedy"] == "Did you mean BINDERY_PRECISION?"
    assert (found["port"]["verdict"], f"Port {port}" in found["port"]["detail"]) == ("note", True)


def test_doctor_says_what_to_do_about_a_missing_model(run: Run, tmp_path: Path):
    result = run("doctor", BINDERY_HOME=str(tmp_path / "none"))
    assert result.exit_code == 1
    assert "problem" in result.stdout
    assert "Run `bindery preload vanilla`" in result.stdout
    assert "1 problem found" in result.stdout


def test_doctor_says_what_is_wrong_with_a_broken_model(run: Run, other_home: Path):
    (tokenizer,) = other_home.rglob("tokenizer.json")
    tokenizer.write_bytes(tokenizer.read_bytes()[:-1000])
    result = run("doctor", "--json", BINDERY_HOME=str(other_home))
    assert result.exit_code == 1
    vanilla = checks(result)["vanilla"]
    assert vanilla["verdict"] == "problem"
    assert "tokenizer.json" in vanilla["detail"]
    assert "preload" in vanilla["remedy"]


def test_a_password_in_the_hub_s_address_is_not_shown(run: Run):
    result = run("doctor", "--json", HF_ENDPOINT=f"https://me:{CANARY}@hub.invalid")
    assert result.exit_code == 1
    assert checks(result)["HF_ENDPOINT"]["verdict"] == "problem"
    assert CANARY not in result.output
    assert CANARY not in run("preload", HF_ENDPOINT=f"https://me:{CANARY}@hub.invalid").output
