"""Settings: every variable is read, wrong values are named, and the token is never shown."""

import os
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindery.errors import InvalidValue
from bindery.settings import VARIABLES, Settings, read_settings, take_settings

TOKEN = "hf_canary0123456789"

# By variable: a value, the field that it sets, and what that then is.
SETS: dict[str, tuple[str, str, object]] = {
    "BINDERY_HOME": ("/somewhere/else", "home", Path("/somewhere/else")),
    "BINDERY_MODELS": ("/my/models", "models_folder", Path("/my/models")),
    "BINDERY_CATALOG": ("/my/rows.toml", "catalog", Path("/my/rows.toml")),
    "BINDERY_PRECISION": ("bf16", "precision", "bf16"),
    "BINDERY_ENGINE": ("torch", "engine", "torch"),
    "BINDERY_DEVICE": ("cuda:1", "device", "cuda:1"),
    "BINDERY_THREADS": ("3", "threads", 3),
    "BINDERY_HOST": ("0.0.0.0", "host", "0.0.0.0"),
    "BINDERY_PORT": ("0", "port", 0),
    "BINDERY_UPLOAD_LIMIT_MB": ("7", "upload_limit_bytes", 7 * 1024 * 1024),
    "BINDERY_PARSE_TIMEOUT_S": ("0.5", "parse_timeout_s", 0.5),
    "HF_ENDPOINT": ("https://mirror.example/", "hub", "https://mirror.example"),
}
WRONG = {
    "BINDERY_THREADS": ("0", "-1", "two", "1.5", "1e3", "²"),
    "BINDERY_PORT": ("-1", "65536", "http", "80 80"),
    "BINDERY_UPLOAD_LIMIT_MB": ("0", "-5", "1.5", "all"),
    "BINDERY_PARSE_TIMEOUT_S": ("0", "-1", "nan", "inf", "soon", "1,5"),
    "HF_TOKEN": ("hf_\x00", "hf token", "hf_é"),
}


def test_every_variable_is_tried_and_every_field_can_be_set() -> None:
    assert {*SETS, "HF_TOKEN"} == set(VARIABLES)
    assert {name for _, name, _ in SETS.values()} | {"token"} == {f.name for f in fields(Settings)}


@pytest.mark.parametrize("variable", SETS)
def test_a_variable_sets_its_field_and_no_other(variable: str) -> None:
    value, name, expected = SETS[variable]

    changed = read_settings({variable: value})

    assert getattr(changed, name) == expected
    default = read_settings({})
    others = [field.name for field in fields(Settings) if field.name != name]
    assert all(getattr(changed, other) == getattr(default, other) for other in others)


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("nothing", ["", "  ", "\t\n"])
def test_an_empty_variable_is_an_absent_one(variable: str, nothing: str) -> None:
    assert read_settings({variable: nothing}) == read_settings({})


@pytest.mark.parametrize("variable", SETS)
def test_blanks_around_a_value_are_dropped(variable: str) -> None:
    value, name, expected = SETS[variable]

    assert getattr(read_settings({variable: f" {value}\n"}), name) == expected


@pytest.mark.parametrize(
    ("variable", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, value: str) -> None:
    with pytest.raises(InvalidValue, match=variable) as caught:
        read_settings({variable: value})
    assert caught.value.param == variable
    if variable != "HF_TOKEN":
        assert repr(value) in caught.value.message
        assert caught.value.remedy


def test_other_variables_are_not_read() -> None:
    others = {"BINDERY_SOMETHING": "else", "HOME": "/x", "PORT": "1", "bindery_port": "2"}

    assert read_settings(others) == read_settings({})


def test_folders_are_absolute_and_the_users_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/own")

    found = read_settings({"BINDERY_HOME": "~/books", "BINDERY_MODELS": "models"})

    assert found.home == Path("/users/own/books")
    assert found.models_folder == Path.cwd() / "models"
    assert read_settings({}).home.is_absolute()


def test_the_token_is_never_shown() -> None:
    found = read_settings({"HF_TOKEN": f" {TOKEN}\n"})

    assert found.token is not None
    assert found.token.reveal() == TOKEN
    for shown in (repr(found), str(found), f"{found}", repr(found.token)):
        assert TOKEN not in shown
        assert TOKEN[3:] not in shown
    with pytest.raises(TypeError, match="HF_TOKEN is not pickled"):
        asdict(found)


@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8))
@settings(max_examples=50, deadline=None)
def test_whatever_the_token_is_the_settings_look_the_same(token: str) -> None:
    assert repr(read_settings({"HF_TOKEN": token})) == repr(read_settings({"HF_TOKEN": TOKEN}))


def test_an_error_does_not_quote_the_token() -> None:
    with pytest.raises(InvalidValue) as caught:
        read_settings({"HF_TOKEN": f"{TOKEN} {TOKEN}"})
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(caught.value)


def test_the_token_is_taken_out_of_the_environment() -> None:
    environment = {"HF_TOKEN": TOKEN, "BINDERY_PORT": "1234", "OTHER": "kept"}

    taken = take_settings(environment)

    assert taken == read_settings({"HF_TOKEN": TOKEN, "BINDERY_PORT": "1234"})
    assert environment == {"BINDERY_PORT": "1234", "OTHER": "kept"}
    assert take_settings(environment).token is None


def test_no_process_started_afterwards_inherits_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    assert take_settings(os.environ).token is not None

    assert "HF_TOKEN" not in os.environ
    assert os.getenv("HF_TOKEN") is None
