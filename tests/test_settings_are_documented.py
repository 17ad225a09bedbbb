"""The manual lists every setting as the table has it, and what runs the service knows them."""

import re
from pathlib import Path

from bindery.settings import FIELDS, GROUPS, VARIABLES, find_settings

ROOT = Path(__file__).parent.parent


def test_the_manual_has_every_setting_as_the_table_has_it() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = ["| variable | key | default | what it sets |", "|---|---|---|---|"]
    rows.append("| `BINDERY_CONFIG` | | none | settings file |")
    for group, members in GROUPS.items():
        rows.append(f"| **{group}** | | | |")
        for field in members:
            key = "" if field.is_secret else f"`{field.key}` "
            rows.append(
                f"| `{field.variable}` | {key}| {field.shown(field.default)} | {field.help} |"
            )
    table = "\n".join(rows)

    assert table in page, f"docs/settings.md needs:\n{table}"


def test_the_example_of_a_settings_file_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    example = re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)[0]
    file = tmp_path / "bindery.toml"
    file.write_text(example)

    assert len(find_settings({}, config=file).origins) == example.count("=")


def test_what_runs_the_service_names_only_settings_that_there_are() -> None:
    for name in ("Dockerfile", "compose.yaml", "docs/operations.md", "docs/security.md"):
        content = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"BINDERY_\w+\b(?<!_)", content)) <= set(VARIABLES), name
        assert set(re.findall(r"`(drain_\w+|log_\w+)`", content)) <= set(FIELDS), name
