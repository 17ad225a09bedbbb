"""Gather the pages of the manual: those of docs/, and those made from the program itself.

    python ops/manual.py FOLDER

`make docs` builds the site from the folder.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.core
import typer.main

import bindery
from bindery.faces.cli.app import app
from bindery.faces.http.app import create_app
from bindery.library import Library
from bindery.settings import Settings

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Write all pages into the folder that is named."""
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    (folder / "commands.md").write_text("\n".join(commands()), encoding="utf-8")
    (folder / "routes.md").write_text("\n".join(routes(folder)), encoding="utf-8")
    (folder / "python.md").write_text("\n".join(classes()), encoding="utf-8")
    for name in ("CHANGELOG", "CONTRIBUTING"):
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8").replace("](docs/", "](")
        (folder / f"{name.lower()}.md").write_text(text, encoding="utf-8")
    for page in folder.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for name in ("CHANGELOG", "CONTRIBUTING"):
            text = text.replace(f"(../{name}.md", f"({name.lower()}.md")
        page.write_text(text, encoding="utf-8")


def commands() -> Iterator[str]:
    """The reference of the command line, from its help."""
    yield "# Commands\n"
    yield "This page lists every command with its arguments and options, as `--help` shows them.\n"
    for name, command in _leaves(typer.main.get_group(app), ""):
        yield f"## bindery {name}\n"
        yield f"{_plain(command.help or '')}\n"
        yield "| option | meaning |\n|---|---|"
        for one in command.params:
            if one.name != "help":
                names = ", ".join(f"`{name}`" for name in one.opts)
                if one.param_type_name == "argument":
                    names = f"`{one.metavar or (one.name or '').upper()}`"
                yield f"| {names} | {_cell(getattr(one, 'help', '') or '')} |"
        yield ""
        if epilog := command.epilog:
            lines = [line.strip() for line in epilog.splitlines()[1:]]
            yield "```sh\n" + "\n".join(lines) + "\n```\n"


def _leaves(
    group: typer.core.TyperGroup, above: str
) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            if command.invoke_without_command:
                yield above + name, command
            yield from _leaves(command, f"{above}{name} ")
        else:
            yield above + name, command


def routes(folder: Path) -> Iterator[str]:
    """The reference of the HTTP API, from its OpenAPI description."""
    settings = Settings(home=folder / "home")
    described = create_app(Library(settings.home), settings).openapi()
    yield "# Routes\n"
    yield "This page lists every route of the server, as `/openapi.json` describes them.\n"
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            yield f"## {method.upper()} {path.replace('{', '&#123;').replace('}', '&#125;')}\n"
            yield f"{route.get('summary', '')}.\n"
            yield f"{route.get('description', '')}\n"
            rows = [*_parameters(route), *_body(route, described)]
            if rows:
                yield "| name | in | type | meaning |\n|---|---|---|---|"
                yield from rows
                yield ""


def _parameters(route: dict[str, Any]) -> Iterator[str]:
    for one in route.get("parameters", ()):
        kind = _kind(one.get("schema", {}))
        yield f"| `{one['name']}` | {one['in']} | {kind} | {_cell(one.get('description', ''))} |"


def _body(route: dict[str, Any], described: dict[str, Any]) -> Iterator[str]:
    for content in route.get("requestBody", {}).get("content", {}).values():
        schema = content.get("schema", {})
        if name := schema.get("$ref", "").rpartition("/")[2]:
            schema = described["components"]["schemas"][name]
        for name, field in schema.get("properties", {}).items():
            yield f"| `{name}` | body | {_kind(field)} | {_cell(field.get('description', ''))} |"


def _kind(schema: dict[str, Any]) -> str:
    if choices := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(_kind(one) for one in choices))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type") or schema.get("$ref", "").rpartition("/")[2] or "any")


def classes() -> Iterator[str]:
    """The reference of the library: the public names, whose docstrings the site shows."""
    yield "# Python\n"
    yield "This page lists the public names of the package `bindery`, from their docstrings.\n"
    for name in sorted(name for name in bindery.__all__ if not name.startswith("_")):
        found = getattr(bindery, name)
        where = getattr(found, "__module__", None) or "bindery"
        yield f"## {name}\n\n::: {where}.{getattr(found, '__qualname__', name)}"
        yield "    options:\n      show_root_heading: false\n      show_source: false\n"


def _plain(text: str) -> str:
    return re.sub(r"\\\[", "[", text).strip()


def _cell(text: str) -> str:
    return " ".join(_plain(text).replace("|", "\\|").replace("<", "&lt;").split())


if __name__ == "__main__":
    main()
