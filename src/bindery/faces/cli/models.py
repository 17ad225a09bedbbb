"""``bindery models``: the models of the catalog and their states."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from typing import Any

from rich.text import Text

from bindery.errors import BinderyError, ModelMissing
from bindery.faces.cli.exits import described
from bindery.faces.cli.printing import new_table, output, print_json, printable
from bindery.faces.python import open_library
from bindery.library import ModelState, ModelStatus
from bindery.models.card import MULTILINGUAL, CatalogEntry, Entry, Family, ModelCard
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
_FAMILIES = {
    Family.DENSE: "one vector per text",
    Family.MATRYOSHKA: "one vector per text, which may be cut",
    Family.LATE_INTERACTION: "one vector per token",
}
# The least columns of a terminal that has room for all that people compare.
_WIDE = 110
_SHOWN_LANGUAGES = 2


def models(settings: Settings, *, json: bool) -> None:
    """List the models of the catalog."""
    with closing(open_library(settings)) as library:
        statuses = library.statuses()
        entries, unreadable = library.catalog, library.unreadable
    if json:
        rows = [_facts(status, entries[status.card.id]) for status in statuses]
        broken = [{"id": name, "error": described(error)} for name, error in unreadable.items()]
        print_json({"models": rows, "unreadable": broken})
        return
    _show(statuses, entries)
    absent = [one.card.id for one in statuses if isinstance(one.error, ModelMissing)]
    if absent:
        output().print("\nDownload a missing one: bindery preload MODEL")
    for status in statuses:
        entry = entries[status.card.id]
        if status.card.id in absent:
            if isinstance(entry, CatalogEntry) and entry.release.gated:
                _say(f"{status.card.id} is gated: accept its terms at {entry.release.page} first.")
        elif status.error:
            _say(f"{status.card.id}: {_whole(status.error)}")
    for name, error in unreadable.items():
        _say(f"{name}: {_whole(error)}")


def _say(line: str) -> None:
    output().print(printable(line), soft_wrap=not output().is_terminal)


def _whole(error: BinderyError) -> str:
    return f"{error.message} {error.remedy}".strip()


def verified(entry: Entry) -> bool | None:
    """Whether the entry was checked against the files; None for remote models, without files."""
    return entry.verified if isinstance(entry, CatalogEntry) else None


def _show(statuses: Sequence[ModelStatus], entries: Mapping[str, Entry]) -> None:
    more = ("tokens", "licence") if output().width >= _WIDE else ()
    headings = ("model", "dims", "lang.", "MB", "state", "for", *more)
    rows = {
        status.card.id: [*_row(status, entries[status.card.id])][: len(headings)]
        for status in statuses
    }
    by_family = sorted(statuses, key=lambda one: list(Family).index(one.card.family))
    for family, members in groupby(by_family, key=lambda one: one.card.family):
        output().print(Text.assemble((family.value, "bold"), (f": {_FAMILIES[family]}", "dim")))
        table = new_table(*headings, right=["MB", "tokens"])
        table.show_header = family is by_family[0].card.family
        # As wide in each family.
        for column, *cells in zip(table.columns, headings, *rows.values(), strict=True):
            column.no_wrap = column.header != "for"
            column.min_width = max(map(len, cells)) if column.no_wrap else None
        for status in members:
            table.add_row(*rows[status.card.id])
        output().print(table)
    if any(verified(entries[one.card.id]) is False for one in statuses):
        output().print("\n* Not yet checked against the files on the hub.")


def _row(status: ModelStatus, entry: Entry) -> Iterator[Text]:
    card = status.card
    least = f"{card.nested_dimensions[-1]}-" if card.nested_dimensions else ""
    yield Text(f"{card.id}{'' if verified(entry) in (True, None) else ' *'}")
    yield Text(f"{least}{card.dimensions}")
    yield Text(_languages(card))
    yield Text(f"{card.size_mb:,}" if card.size_mb else "")
    yield Text(status.state, style=_STYLES[status.state])
    yield Text(card.purpose)
    yield Text(str(card.max_tokens))
    yield Text(card.licence or "not known")


def _languages(card: ModelCard) -> str:
    if card.languages == (MULTILINGUAL,):
        return "many"
    if len(card.languages) > _SHOWN_LANGUAGES:
        return str(len(card.languages))
    return ",".join(card.languages)


def _facts(status: ModelStatus, entry: Entry) -> dict[str, Any]:
    card = status.card
    return {
        "id": card.id,
        "family": card.family,
        "dimensions": card.dimensions,
        "nested_dimensions": card.nested_dimensions,
        "max_tokens": card.max_tokens,
        "languages": card.languages,
        "size_mb": card.size_mb or None,
        "purpose": card.purpose,
        "state": status.state,
        "licence": card.licence,
        "repository": card.repository,
        "revision": card.revision,
        "verified": verified(entry),
        "error": described(status.error) if status.error else None,
    }
