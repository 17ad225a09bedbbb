"""What came of the checks: kept in one file, shown in the manual between two marks.

The files hold no dates and no times: they change when what clients can do changes.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.clients.environments import HERE, ROOT, Client, read_clients

RESULTS = HERE / "results.json"

_BEGIN = "<!-- clients: written by `make test-clients` -->"
_END = "<!-- clients: end -->"

COLUMNS: Mapping[str, Collection[str]] = {
    "vectors": ("vectors", "many"),
    "query, document": ("roles",),
    "dimensions": ("shorter",),
    "int8, bits": ("forms",),
    "rerank": ("rerank",),
    "search": ("search",),
    "vector stores": ("stores",),
    "errors": ("errors",),
}
"""The columns of the table, and the topics of checks behind each."""

TOPICS: Mapping[str, str] = {
    "many": "many texts",
    "roles": "query and document",
    "shorter": "shorter vectors",
    "forms": "int8 and bits",
    "stores": "vector stores",
}
"""What topics are called in docs/clients.md, where it is not as in the scripts."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one check; ``detail`` says why it failed."""

    topic: str
    check: str
    ok: bool
    detail: str = ""

    @classmethod
    def read(cls, line: Mapping[str, Any], kind: str) -> "Checked":
        """A line that a script wrote, asking a server of that kind."""
        detail = f"{kind}: {line['detail']}" if line["detail"] else ""
        return cls(line["topic"], line["check"], line["ok"], detail)


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one client's checks."""

    client: str
    version: str
    checks: Sequence[Checked]


def merge(parts: Sequence[Found]) -> Found:
    """The same client against several servers: a check holds if it held against each."""
    checks: dict[tuple[str, str], Checked] = {}
    for one in (one for part in parts for one in part.checks):
        known = checks.get((one.topic, one.check))
        if known is None or known.ok:
            checks[one.topic, one.check] = one
    return Found(parts[0].client, parts[0].version, list(checks.values()))


def summary(found: Iterable[Found]) -> str:
    """The table for the terminal, and below it what failed and why."""
    found = list(found)
    lines = [
        f"{one.client:24} {one.version:12} {sum(c.ok for c in one.checks):3} of {len(one.checks)}"
        for one in found
    ]
    failures = [
        f"\n{one.client}: {check.topic}: {check.check}\n    {check.detail}"
        for one in found
        for check in one.checks
        if not check.ok
    ]
    return "\n".join([*lines, *failures])


def write_results(found: Iterable[Found]) -> None:
    """Keep what came of it."""
    record = {
        one.client: {
            "version": one.version,
            "checks": [
                {key: value for key, value in asdict(check).items() if key != "detail"}
                for check in one.checks
            ],
        }
        for one in found
    }
    RESULTS.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def read_results() -> list[Found]:
    """What was kept."""
    record = json.loads(RESULTS.read_text())
    return [
        Found(name, row["version"], [Checked(**check) for check in row["checks"]])
        for name, row in record.items()
    ]


def sections(found: Sequence[Found]) -> dict[Path, str]:
    """The tables by the file that shows them."""
    return {ROOT / "docs" / "clients.md": f"{_matrix(found)}\n\n{_details(found)}"}


def write_documents(found: Sequence[Found]) -> None:
    """Put the tables between the marks of their files."""
    for path, table in sections(found).items():
        before, _, after = _parts(path)
        path.write_text(f"{before}{_BEGIN}\n{table}\n{_END}{after}")


def shown(path: Path) -> str:
    """What a file has between its marks."""
    return _parts(path)[1].strip("\n")


def _parts(path: Path) -> tuple[str, str, str]:
    text = path.read_text()
    if text.count(_BEGIN) != 1 or text.count(_END) != 1:
        raise ValueError(f"{path} must have {_BEGIN!r} and {_END!r} once each")
    before, rest = text.split(_BEGIN)
    table, after = rest.split(_END)
    return before, table, after


def _matrix(found: Sequence[Found]) -> str:
    """A row a client; a cell says whether every check of the topic holds."""
    head = ["client", "version", "speaks", *COLUMNS, "checks"]
    rows = [head, ["---"] * len(head)]
    for one, client in _with_clients(found):
        cells = [_cell([c for c in one.checks if c.topic in topics]) for topics in COLUMNS.values()]
        count = f"{sum(check.ok for check in one.checks)} of {len(one.checks)}"
        rows.append([client.title, one.version, client.speaks, *cells, count])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(checks: Sequence[Checked]) -> str:
    if not checks:
        return ""
    return "yes" if all(check.ok for check in checks) else "no"


def _details(found: Sequence[Found]) -> str:
    """A line a topic for each client: what was tried."""
    parts: list[str] = []
    for one, client in _with_clients(found):
        parts.append(f"**{client.title} {one.version}**, {client.speaks}\n")
        for topic in dict.fromkeys(check.topic for check in one.checks):
            checks = [check for check in one.checks if check.topic == topic]
            tried = "; ".join(c.check if c.ok else f"{c.check} (fails)" for c in checks)
            parts.append(f"- {TOPICS.get(topic, topic)}: {tried}")
        parts.append("")
    return "\n".join(parts).strip()


def _with_clients(found: Sequence[Found]) -> list[tuple[Found, Client]]:
    known = {client.name: client for client in read_clients()}
    return [(one, known[one.client]) for one in found]
