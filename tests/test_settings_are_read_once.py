"""Settings: flags, environment and file each set every one, wrong values are named with their
place, and the token is never shown.
"""

import os
import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindery.errors import InvalidValue
from bindery.settings import (
    FIELDS,
    VARIABLES,
    Field,
    Settings,
    find_settings,
    read_settings,
    take_settings,
    unknown_variables,
)

TOKEN = "hf_canary0123456789"
MB = 1024 * 1024

# By field: the variable, a value, and what that comes to.
SETS: dict[str, tuple[str, str, object]] = {
    "home": ("BINDERY_HOME", "/somewhere/else", Path("/somewhere/else")),
    "models_folder": ("BINDERY_MODELS", "/my/models", Path("/my/models")),
    "catalog": ("BINDERY_CATALOG", "/my/rows.toml", Path("/my/rows.toml")),
    "hub": ("HF_ENDPOINT", "https://mirror.example/", "https://mirror.example"),
    "precision": ("BINDERY_PRECISION", "bf16", "bf16"),
    "engine": ("BINDERY_ENGINE", "torch", "torch"),
    "device": ("BINDERY_DEVICE", "cuda:1", "cuda:1"),
    "threads": ("BINDERY_THREADS", "3", 3),
    "memory_budget_bytes": ("BINDERY_MEMORY_BUDGET_MB", "900", 900 * MB),
    "database_url": (
        "BINDERY_DATABASE_URL",
        "postgresql://db.example/bindery",
        "postgresql://db.example/bindery",
    ),
    "blobs_url": ("BINDERY_BLOBS_URL", "s3://bucket/files/", "s3://bucket/files"),
    "host": ("BINDERY_HOST", "0.0.0.0", "0.0.0.0"),
    "port": ("BINDERY_PORT", "0", 0),
    "public_url": (
        "BINDERY_PUBLIC_URL",
        "https://books.example/",
        "https://books.example",
    ),
    "mcp_writes": ("BINDERY_MCP_WRITES", "yes", True),
    "insecure": ("BINDERY_INSECURE", "true", True),
    "allowed_hosts": (
        "BINDERY_ALLOWED_HOSTS",
        "books.example, b.example",
        ("books.example", "b.example"),
    ),
    "cors_origins": ("BINDERY_CORS_ORIGINS", "https://a.example", ("https://a.example",)),
    "token_input": ("BINDERY_TOKEN_INPUT", "reject", "reject"),
    "request_timeout_s": ("BINDERY_REQUEST_TIMEOUT_S", "7.5", 7.5),
    "header_timeout_s": ("BINDERY_HEADER_TIMEOUT_S", "2", 2.0),
    "body_timeout_s": ("BINDERY_BODY_TIMEOUT_S", "3", 3.0),
    "body_limit_bytes": ("BINDERY_BODY_LIMIT_MB", "2", 2 * MB),
    "upload_limit_bytes": ("BINDERY_UPLOAD_LIMIT_MB", "7", 7 * MB),
    "parse_timeout_s": ("BINDERY_PARSE_TIMEOUT_S", "0.5", 0.5),
    "max_requests": ("BINDERY_MAX_REQUESTS", "10", 10),
    "queue_tokens": ("BINDERY_QUEUE_TOKENS", "4096", 4096),
    "cache_bytes": ("BINDERY_CACHE_MB", "0", 0),
    "shares_cache": ("BINDERY_SHARES_CACHE", "yes", True),
    "drain_delay_s": ("BINDERY_DRAIN_DELAY_S", "0", 0.0),
    "drain_timeout_s": ("BINDERY_DRAIN_TIMEOUT_S", "8", 8.0),
    "log_format": ("BINDERY_LOG_FORMAT", "json", "json"),
    "log_level": ("BINDERY_LOG_LEVEL", "debug", "debug"),
    "otel_endpoint": ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://traces:4318/", "http://traces:4318"),
}
WRONG = {
    "threads": ("0", "-1", "two", "1.5", "1e3", "²", "9" * 5000),
    "memory_budget_bytes": ("0", "1.5"),
    "port": ("-1", "65536", "http", "80 80"),
    "insecure": ("maybe", "2", "tru"),
    "token_input": ("cl200k", "CL100K"),
    "upload_limit_bytes": ("0", "-5", "1.5", "all"),
    "parse_timeout_s": ("0", "-1", "nan", "inf", "soon", "1,5"),
    "drain_delay_s": ("-1", "nan"),
    "log_level": ("loud", "INFO"),
    "log_format": ("xml",),
}
SETTABLE = [field for field in FIELDS.values() if not field.is_secret]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home, whatever this machine has."""
    return tmp_path / "home"


@pytest.fixture
def base(home: Path) -> dict[str, str]:
    return {"BINDERY_HOME": str(home)}


def toml(field: Field, text: str) -> str:
    """A line of the settings file, as somebody would write it."""
    if field.name in {"allowed_hosts", "cors_origins"}:
        return f"{field.key} = {[part.strip() for part in text.split(',')]}\n"
    bare = re.fullmatch(r"\d+(\.\d+)?|true|false", text)
    return f"{field.key} = {text if bare else f'{text!r}'}\n"


def test_every_setting_is_tried_and_every_field_can_be_set() -> None:
    assert {variable for variable, _, _ in SETS.values()} == {f.variable for f in SETTABLE}
    assert {*SETS, "token"} == {field.name for field in fields(Settings)} == set(FIELDS)
    assert {*VARIABLES} == {field.variable for field in FIELDS.values()} | {
        "BINDERY_CONFIG",
        "BINDERY_ENV_FILE",
    }


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("way", ["flag", "environment", "file"])
def test_each_way_sets_its_field_and_no_other(
    name: str, way: str, base: dict[str, str], tmp_path: Path
) -> None:
    field = FIELDS[name]
    variable, text, expected = SETS[name]
    file = tmp_path / "any.toml"
    if way == "file":
        file.write_text(f"# mine\n\n{toml(field, text)}")

    changed = find_settings(
        {**base, **({variable: text} if way == "environment" else {})}
        if name != "home"
        else ({variable: text} if way == "environment" else {}),
        flags={name: text} if way == "flag" else {},
        config=file if way == "file" else None,
    )

    assert getattr(changed.settings, name) == expected
    origins = {
        "flag": f"flag {field.flag}",
        "environment": f"environment {variable}",
        "file": f"file {file}, line 3",
    }
    assert changed.origin(name) == origins[way]
    for other in FIELDS:
        if other not in {name, "home"}:
            assert getattr(changed.settings, other) == FIELDS[other].default
            assert changed.origin(other) == "default"


@given(ways=st.lists(st.sampled_from(["flag", "environment", "file"]), unique=True))
def test_flags_go_before_the_environment_and_that_before_the_file(
    ways: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    ports = {"flag": "1", "environment": "2", "file": "3"}
    if "file" in ways:
        (home / "bindery.toml").write_text("port = 3\n")
    environment = {"BINDERY_HOME": str(home)}
    if "environment" in ways:
        environment["BINDERY_PORT"] = ports["environment"]

    found = find_settings(environment, flags={"port": ports["flag"] if "flag" in ways else None})

    first = next((way for way in ports if way in ways), None)
    assert found.settings.port == (int(ports[first]) if first else 8000)
    assert found.origin("port").partition(" ")[0] == (first or "default")


def test_the_file_is_the_one_that_is_named_else_the_one_in_the_home(
    base: dict[str, str], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    for number, folder in enumerate(
        (home, tmp_path / "named", tmp_path / "given", tmp_path / "cwd")
    ):
        folder.mkdir(exist_ok=True)
        (folder / "bindery.toml").write_text(f"port = {number + 1}\n")
    named = {**base, "BINDERY_CONFIG": str(tmp_path / "named" / "bindery.toml")}
    # A folder that somebody else has filled does not say where the server listens.
    monkeypatch.chdir(tmp_path / "cwd")

    assert read_settings(base).port == 1
    assert read_settings(named).port == 2
    assert find_settings(named, config=tmp_path / "given" / "bindery.toml").settings.port == 3
    (home / "bindery.toml").unlink()
    assert read_settings(base).port == 8000


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("nothing", ["", "  ", "\t\n"])
def test_an_empty_variable_is_an_absent_one(
    variable: str, nothing: str, base: dict[str, str]
) -> None:
    environment = {**base, variable: nothing}
    if variable != "BINDERY_HOME":
        assert read_settings(environment) == read_settings(base)
    else:
        assert read_settings(environment).home == read_settings({}).home


@pytest.mark.parametrize("name", SETS)
def test_blanks_around_a_value_are_dropped(name: str, base: dict[str, str]) -> None:
    variable, text, expected = SETS[name]

    assert getattr(read_settings({**base, variable: f" {text}\n"}), name) == expected


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_named_with_its_place_and_what_is_right(
    name: str, value: str, base: dict[str, str], tmp_path: Path
) -> None:
    field = FIELDS[name]
    file = tmp_path / "any.toml"
    file.write_text(f"hub = 'x'\n{field.key} = {value!r}\n")

    for param, given_so in (
        (field.variable, {"environment": {**base, field.variable: value}}),
        (field.flag, {"environment": base, "flags": {name: value}}),
        (field.key, {"environment": base, "config": file}),
    ):
        with pytest.raises(InvalidValue) as caught:
            find_settings(**given_so)
        assert caught.value.param == param
        expected = f"{param} must be {field.kind.expects}, got {value!r}"
        assert expected in caught.value.message
    assert f"{file}, line 2" in caught.value.message


@pytest.mark.parametrize(
    ("content", "line", "names"),
    [
        ("prot = 1\n", 1, "port"),
        ("host = 'x'\n\n[server]\nport = 1\n", 3, ""),
        ("drain_delay = 2\n", 1, "drain_delay_s"),
        ("BINDERY_PORT = 2\n", 1, ""),
    ],
)
def test_a_key_that_is_none_is_an_error_that_names_file_line_and_the_nearest(
    content: str, line: int, names: str, base: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "any.toml"
    file.write_text(content)

    with pytest.raises(InvalidValue) as caught:
        find_settings(base, config=file)

    assert f"{file}, line {line}" in caught.value.message
    assert (f"Did you mean {names}?" if names else "bindery settings") in caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [b"port 1", b"\xff\xfe", b"port = 1\nport = 2", b"port = " + b"9" * 5000, b"a." * 9999],
)
def test_a_file_that_is_no_settings_file_is_named(
    content: bytes, base: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "any.toml"
    file.write_bytes(content)

    with pytest.raises(InvalidValue, match=re.escape(str(file))) as caught:
        find_settings({**base, "BINDERY_CONFIG": str(file)})

    assert caught.value.remedy


def test_a_file_that_was_named_must_be_there(base: dict[str, str], tmp_path: Path) -> None:
    for wrong in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(InvalidValue, match="cannot be read") as caught:
            find_settings(base, config=wrong)
        assert "--config" in caught.value.remedy


@pytest.mark.parametrize("value", ["1979-05-27", "{a = 1}", "[[1, 2], 'x']", "12.5", "true"])
def test_a_value_of_another_kind_is_refused(
    value: str, base: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "any.toml"
    file.write_text(f"port = {value}\n")

    with pytest.raises(InvalidValue, match="port must be"):
        find_settings(base, config=file)


def test_other_variables_are_not_read_and_near_misses_are_told(base: dict[str, str]) -> None:
    others = {
        "BINDERY_PROT": "else",
        "HOME": "/x",
        "PORT": "1",
        "bindery_port": "2",
        "BINDERY_X": "",
    }

    assert read_settings({**base, **others}) == read_settings(base)
    assert unknown_variables({**base, **others}) == {
        "BINDERY_PROT": "Did you mean BINDERY_PORT?",
        "BINDERY_X": "`bindery settings` lists all settings.",
    }


def test_folders_are_absolute_and_the_users_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/own")

    found = read_settings({"BINDERY_HOME": "~/books", "BINDERY_MODELS": "models"})

    assert found.home == Path("/users/own/books")
    assert found.models_folder == Path.cwd() / "models"
    assert read_settings({}).home.is_absolute()


def test_what_is_shown_can_be_set_again(base: dict[str, str]) -> None:
    everything = {variable: text for variable, text, _ in SETS.values()} | base
    found = find_settings(everything)

    shown = {name: found.shown(name) for name in SETS}
    again = find_settings({}, flags=shown)

    assert again.settings == found.settings


def test_a_password_in_an_address_is_not_shown(base: dict[str, str]) -> None:
    for address in (
        "https://me:canary@h.example/x",
        "https://h.example/x?key=canary",
        "//a@canary@h",
    ):
        found = find_settings(
            {**base, "HF_ENDPOINT": address, "OTEL_EXPORTER_OTLP_ENDPOINT": address}
        )
        assert "canary" not in found.shown("hub") + found.shown("otel_endpoint")
        assert found.settings.hub == address


def test_the_token_is_never_shown(base: dict[str, str]) -> None:
    found = find_settings({**base, "HF_TOKEN": f" {TOKEN}\n"})

    assert found.settings.token is not None
    assert found.settings.token.reveal() == TOKEN
    for shown in (repr(found), str(found), repr(found.settings.token), found.shown("token")):
        assert TOKEN not in shown
        assert TOKEN[:6] not in shown
        assert TOKEN[3:] not in shown
    assert (found.shown("token"), find_settings(base).shown("token")) == ("present", "absent")
    with pytest.raises(TypeError, match="HF_TOKEN cannot be pickled"):
        asdict(found.settings)


@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8))
@settings(max_examples=50, deadline=None)
def test_whatever_the_token_is_the_settings_look_the_same(token: str) -> None:
    assert repr(read_settings({"HF_TOKEN": token})) == repr(read_settings({"HF_TOKEN": TOKEN}))


@pytest.mark.parametrize("token", [f"{TOKEN} {TOKEN}", f"{TOKEN}\x00", f"{TOKEN}é"])
def test_an_error_does_not_quote_the_token(token: str) -> None:
    with pytest.raises(InvalidValue, match="HF_TOKEN") as caught:
        read_settings({"HF_TOKEN": token})
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(caught.value)


def test_a_token_in_the_file_is_refused_and_not_quoted(base: dict[str, str], home: Path) -> None:
    home.mkdir()
    (home / "bindery.toml").write_text(f"port = 1\ntoken = '{TOKEN}'\n")

    with pytest.raises(InvalidValue, match="line 2") as caught:
        read_settings(base)

    assert TOKEN not in f"{caught.value}{caught.value.remedy}"
    assert "HF_TOKEN" in caught.value.remedy


def test_the_token_is_taken_out_of_the_environment(base: dict[str, str]) -> None:
    environment = {**base, "HF_TOKEN": TOKEN, "BINDERY_PORT": "1234", "OTHER": "kept"}

    taken = take_settings(environment)

    assert taken.settings == read_settings({**base, "HF_TOKEN": TOKEN, "BINDERY_PORT": "1234"})
    assert environment == {**base, "BINDERY_PORT": "1234", "OTHER": "kept"}
    assert take_settings(environment).settings.token is None


def test_no_process_started_afterwards_inherits_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    assert take_settings(os.environ).settings.token is not None

    assert "HF_TOKEN" not in os.environ
    assert os.getenv("HF_TOKEN") is None


def test_a_byte_order_mark_in_the_file_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "bindery.toml").write_bytes(b"\xef\xbb\xbfthreads = 3\n")
    assert read_settings({"BINDERY_HOME": str(tmp_path)}).threads == 3
