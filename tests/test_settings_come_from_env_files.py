"""The token and our own variables come from a .env file, and the token from the Hub's own tool."""

from pathlib import Path

import pytest

from bindery.errors import InvalidValue
from bindery.secret import Secret
from bindery.settings import Settings
from bindery.settings.reading import find_settings


@pytest.fixture
def base(tmp_path: Path) -> dict[str, str]:
    return {"BINDERY_HOME": str(tmp_path / "home"), "HF_HOME": str(tmp_path / "nothing")}


def test_an_env_file_gives_the_token_and_our_own_variables(
    base: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (
        "# ours\nexport BINDERY_PORT=9123\nHF_TOKEN='hf_abc'\nHF_ENDPOINT=https://evil.example\n"
    )
    (tmp_path / ".env").write_text(lines, encoding="utf-8-sig")
    found = find_settings(base)
    assert (found.settings.port, found.origin("port")) == (9123, f"file {tmp_path / '.env'}")
    assert found.settings.token == Secret("hf_abc", name="HF_TOKEN")
    assert found.settings.hub == Settings(home=tmp_path).hub  # only the token and BINDERY_*
    assert find_settings({**base, "BINDERY_PORT": "9124"}).settings.port == 9124

    (tmp_path / "other.env").write_text("BINDERY_PORT=9125")
    assert find_settings({**base, "BINDERY_ENV_FILE": "other.env"}).settings.port == 9125
    assert find_settings(base, env_file=Path("other.env")).settings.port == 9125
    for named, path in (({}, Path("none.env")), ({"BINDERY_ENV_FILE": "none.env"}, None)):
        with pytest.raises(InvalidValue, match="cannot be read") as raised:
            find_settings({**base, **named}, env_file=path)
        assert "--env-file" in raised.value.remedy
    (tmp_path / ".env").write_text("BINDERY_PORT=many")
    with pytest.raises(InvalidValue, match=r"port must be .*many.*\.env"):
        find_settings(base)


def test_the_token_of_the_hubs_own_tool_is_for_the_usual_hub(
    base: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hf_tool\n")
    tool = {**base, "HF_HOME": str(tmp_path)}
    found = find_settings(tool)
    assert found.settings.token == Secret("hf_tool", name="HF_TOKEN")
    assert found.origin("token") == f"file {tmp_path / 'token'}"
    assert find_settings({**tool, "HF_ENDPOINT": "https://mirror.example"}).settings.token is None
    own = find_settings({**tool, "HF_TOKEN": "hf_mine"}).settings.token
    assert own == Secret("hf_mine", name="HF_TOKEN")
    assert find_settings({**base, "HF_TOKEN_PATH": str(tmp_path / "none")}).settings.token is None
