"""The tables of the manual are those of the code, and what runs the service knows the settings."""

import re
from pathlib import Path

import pytest
from tests.manual import DOCS, TABLES, with_table

from bindery.settings import FIELDS, VARIABLES, find_settings


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_that_of_the_code(name: str) -> None:
    page = (DOCS / TABLES[name][0]).read_text(encoding="utf-8")

    assert page == with_table(page, name), "run: python -m tests.manual"


def test_every_setting_is_in_the_table() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `(\w+)`", page, re.M)) == set(VARIABLES)


def test_the_example_of_a_settings_file_is_one(tmp_path: Path) -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    example = re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)[0]
    file = tmp_path / "bindery.toml"
    file.write_text(example)

    assert len(find_settings({}, config=file).origins) == example.count("=")


def test_what_runs_the_service_names_only_settings_that_there_are() -> None:
    for name in ("Dockerfile", "compose.yaml", "docs/operations.md", "docs/security.md"):
        content = (DOCS.parent / name).read_text(encoding="utf-8")
        assert set(re.findall(r"BINDERY_\w+\b(?<!_)", content)) <= set(VARIABLES), name
        assert set(re.findall(r"`(drain_\w+|log_\w+)`", content)) <= set(FIELDS), name
