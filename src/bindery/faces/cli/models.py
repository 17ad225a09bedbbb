"""``bindery models``: the models of the catalog and their states."""

from typing import Any

from rich.text import Text

from bindery.errors import ModelMissing
from bindery.faces.cli.exits import described
from bindery.faces.cli.printing import new_table, output, print_json, printable
from bindery.faces.python import open_library
from bindery.library import ModelState, ModelStatus
from bindery.models.card import CatalogEntry, Entry
from bindery.settings import Settings

_STYLES = {
    ModelState.LOADED: "green",
    ModelState.PRESENT: "green",
    ModelState.REMOTE: "green",
    ModelState.MISSING: "yellow",
    ModelState.FAILING: "red",
    ModelState.REFUSED: "red",
    ModelState.UNSUPPORTED: "dim",
}


def models(settings: Settings, *, json: bool) -> None:
    """List the models of the catalog."""
    library = open_library(settings)
    statuses = library.statuses()
    if json:
        print_json(
            {"models": [_facts(status, library.catalog[status.card.id]) for status in statuses]}
        )
        return
    headings = ("model", "family", "dims", "tokens", "state", "licence")
    table = new_table(*headings, right=["tokens"])
    for column in table.columns:
        column.no_wrap = True
    unchecked = [one.card.id for one in statuses if verified(library.catalog[one.card.id]) is False]
    for status in statuses:
        table.add_row(*_row(status, mark=" *" if status.card.id in unchecked else ""))
    output().print(table)
    if unchecked:
        output().print("\n* Not yet checked against the files on the hub.")
    absent = [one.card.id for one in statuses if isinstance(one.error, ModelMissing)]
    if absent:
        # In one line, because most machines have few of the models.
        what = f"Not on this machine: {', '.join(absent)}. Run `bindery preload MODEL`."
        output().print(f"\n{what}", soft_wrap=True)
    for status in statuses:
        if status.error and status.card.id not in absent:
            output().print(f"\n{status.card.id}: {printable(str(status.error))}", soft_wrap=True)


def verified(entry: Entry) -> bool | None:
    """Whether the entry was checked against the files; None for remote models, without files."""
    return entry.verified if isinstance(entry, CatalogEntry) else None


def _row(status: ModelStatus, *, mark: str) -> list[Text]:
    card = status.card
    least = f"{card.nested_dimensions[-1]}-" if card.nested_dimensions else ""
    return [
        Text(card.id + mark, style="bold"),
        Text(card.family),
        Text(f"{least}{card.dimensions}"),
        Text(str(card.max_tokens)),
        Text(status.state, style=_STYLES[status.state]),
        Text(card.licence or "not known"),
    ]


def _facts(status: ModelStatus, entry: Entry) -> dict[str, Any]:
    card = status.card
    return {
        "id": card.id,
        "family": card.family,
        "dimensions": card.dimensions,
        "nested_dimensions": card.nested_dimensions,
        "max_tokens": card.max_tokens,
        "languages": card.languages,
        "state": status.state,
        "licence": card.licence,
        "repository": card.repository,
        "revision": card.revision,
        "verified": verified(entry),
        "error": described(status.error) if status.error else None,
    }
