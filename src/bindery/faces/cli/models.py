"""``bindery models``: what there is, and how far each is from answering."""

from typing import Any

from rich.table import Table
from rich.text import Text

from bindery.faces.cli.exits import described
from bindery.faces.cli.printing import output, print_json, printable
from bindery.faces.python import open_library
from bindery.library import ModelState, ModelStatus
from bindery.settings import Settings

_STYLES = {
    ModelState.LOADED: "green",
    ModelState.PRESENT: "green",
    ModelState.MISSING: "yellow",
    ModelState.REFUSED: "red",
    ModelState.UNSUPPORTED: "dim",
}


def models(settings: Settings, *, json: bool) -> None:
    """List the models of the catalog."""
    statuses = open_library(settings).statuses()
    if json:
        print_json({"models": [_facts(status) for status in statuses]})
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("model", "family", "dimensions", "tokens", "state", "licence"):
        right = "right" if heading == "tokens" else "left"
        table.add_column(heading, justify=right, no_wrap=heading != "dimensions")
    for status in statuses:
        table.add_row(*_row(status))
    output().print(table)
    for status in statuses:
        if status.error:
            output().print(f"\n{status.card.id}: {printable(str(status.error))}", soft_wrap=True)


def _row(status: ModelStatus) -> list[Text]:
    card = status.card
    dimensions = (card.dimensions, *card.nested_dimensions)
    return [
        Text(card.id, style="bold"),
        Text(card.family),
        Text(", ".join(map(str, dimensions))),
        Text(str(card.max_tokens)),
        Text(status.state, style=_STYLES[status.state]),
        Text(card.licence or "not known"),
    ]


def _facts(status: ModelStatus) -> dict[str, Any]:
    card = status.card
    return {
        "id": card.id,
        "family": card.family,
        "dimensions": card.dimensions,
        "nested_dimensions": card.nested_dimensions,
        "max_tokens": card.max_tokens,
        "state": status.state,
        "licence": card.licence,
        "repository": card.repository,
        "revision": card.revision,
        "error": described(status.error) if status.error else None,
    }
