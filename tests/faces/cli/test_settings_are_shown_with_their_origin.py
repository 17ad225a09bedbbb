"""`settings` shows what is set and by what; `serve` takes a flag for each; secrets stay hidden."""

import json
from pathlib import Path

import pytest

from bindery.settings import FIELDS

from .conftest import Run

CANARY = "q7zx5vk2wp9jmb4t"
PARTS = [CANARY[start : start + 6] for start in range(len(CANARY) - 5)]
ROWS = """
[models.far]
vendor = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "far"
key = "FAR_KEY"
dimensions = 384
max_tokens = 256
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text("# mine\nport = 81\nallowed_hosts = ['a.example', 'b.example']\n")
    return file


def test_every_setting_is_shown_with_its_origin(run: Run, config: Path):
    result = run("settings", "--json", "--config", config, BINDERY_THREADS="2")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    rows = {row["key"]: row for row in found["settings"]}
    assert list(rows) == [field.key for field in FIELDS.values()]
    assert found["file"] == str(config)
    expected = {
        "port": ("81", f"file {config}, line 2"),
        "allowed_hosts": ("a.example, b.example", f"file {config}, line 3"),
        "threads": ("2", "environment BINDERY_THREADS"),
        "host": ("127.0.0.1", "default"),
        "token": ("absent", "default"),
    }
    assert {key: (rows[key]["value"], rows[key]["origin"]) for key in expected} == expected
    assert (rows["drain_delay_s"]["flag"], rows["token"]["flag"]) == ("--drain-delay-s", None)

    plain = run("settings", "--config", config, BINDERY_THREADS="2", COLUMNS="200").stdout
    for key, (value, origin) in expected.items():
        [line] = [line for line in plain.splitlines() if line.split()[:1] == [key]]
        assert value in line
        assert origin in line
    assert str(config) in plain.splitlines()[-1]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["plain", "json"])
def test_of_secrets_nothing_is_told_but_whether_they_are_there(
    run: Run, tmp_path: Path, options: list[str]
):
    rows = tmp_path / "rows.toml"
    rows.write_text(ROWS + ROWS.replace("far]", "near]").replace("FAR_KEY", "NEAR_KEY"))
    given = {"HF_TOKEN": f"hf_{CANARY}", "FAR_KEY": f"sk-{CANARY}", "BINDERY_CATALOG": str(rows)}
    address = f"https://me:{CANARY}@h.example?key={CANARY}"
    result = run("settings", *options, **given, OTEL_EXPORTER_OTLP_ENDPOINT=address)
    assert result.exit_code == 0, result.output
    assert not [part for part in PARTS if part in result.output]
    assert result.stdout.count("present") == 2
    assert result.stdout.count("absent") == 1
    assert "h.example" in result.stdout


def test_a_misspelt_variable_is_told(run: Run):
    result = run("settings", BINDERY_PROT="1")
    assert (result.exit_code, "Did you mean BINDERY_PORT?" in result.stderr) == (0, True)


def test_serve_has_a_flag_for_every_setting_but_the_secret_one(run: Run):
    shown = run("serve", "--help", COLUMNS="200").stdout
    for field in FIELDS.values():
        assert (f" {field.flag} " in shown) != field.is_secret
        assert (field.help in shown) != field.is_secret
    assert "port to listen on; 0 picks a free one [8000]" in shown


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--port", "70000"], "--port must be a whole number from 0 to 65535, got '70000'"),
        (["--log-level", "loud"], "got 'loud'"),
        (["--config", "/nowhere/at/all.toml"], "/nowhere/at/all.toml"),
        (["--host", "0.0.0.0"], "0.0.0.0"),
        (["--cors-origins", "*"], "'*' is not an origin"),
    ],
    ids=lambda value: "" if isinstance(value, str) else value[0],
)
def test_what_cannot_be_served_is_named_before_anything_starts(
    run: Run, own_logging: None, tmp_path: Path, options: list[str], named: str
):
    result = run("serve", *options, BINDERY_HOME=str(tmp_path))
    assert result.exit_code == 2
    assert named in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output
