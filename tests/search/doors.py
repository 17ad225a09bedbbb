"""The doors to a search: each takes the same queries and options, and gives the same answers."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from starlette.testclient import TestClient
from typer.testing import CliRunner

from bindery.errors import BinderyError
from bindery.faces.cli.app import app
from bindery.filters import filter_from_json
from bindery.options import SearchOptions
from bindery.search.collection import Collections

Found: TypeAlias = list[dict[str, Any]] | dict[str, Any]
"""An answer for each query as JSON has it, or an error with its code, param and message."""
Door: TypeAlias = Callable[..., Found]
"""Takes the name of a collection, the queries, and the options by name; a filter is a text."""


def in_python(collections: Collections) -> Door:
    def search(name: str, queries: Sequence[str], **options: Any) -> Found:
        given = options.get("filter")
        if isinstance(given, dict):
            options["filter"] = filter_from_json(given)
        try:
            found = collections.get(name).search([*queries], SearchOptions(**options))
        except BinderyError as error:
            return {"code": error.code, "param": error.param, "message": error.message}
        return [one.facts() for one in found]

    return search


def over_http(client: TestClient) -> Door:
    def search(name: str, queries: Sequence[str], **options: Any) -> Found:
        body = {"query": [*queries], **options}
        answer = client.post(f"/collections/{name}/search", json=body)
        if answer.status_code == 200:
            return answer.json()["answers"]
        assert answer.status_code >= 400
        return answer.json()["error"]

    return search


def on_the_command_line(environment: Mapping[str, str | None], folder: Path) -> Door:
    def search(name: str, queries: Sequence[str], **options: Any) -> Found:
        path = folder / "queries.txt"
        path.write_text("\n".join(queries), encoding="utf-8")
        flags = [
            part
            for key, value in options.items()
            if value is not None and value is not False
            for part in ([f"--{key.replace('_', '-')}"] + ([] if value is True else [str(value)]))
        ]
        result = CliRunner().invoke(
            app,
            ["search", "--queries", str(path), "--collection", name, "--json", *flags],
            env=environment,
        )
        lines = result.stdout.splitlines()
        if result.exit_code == 0:
            return [json.loads(line) for line in lines]
        assert lines, result.stderr
        return json.loads(result.stdout)["error"]

    return search
