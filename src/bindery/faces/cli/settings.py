"""``bindery settings``: what everything is set to, and where from."""

import os

from rich.table import Table
from rich.text import Text

from bindery.faces.cli.printing import output, print_json, print_warning, printable
from bindery.models.card import Entry, RemoteEntry
from bindery.models.catalog_file import read_catalog
from bindery.settings import FIELDS, GROUPS, Found, read_keys, unknown_variables


def settings(found: Found, *, json: bool) -> None:
    """Show every setting with its value and its origin; of secrets only whether they are there."""
    if json:
        print_json(described(found))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("setting", "value", "from"):
        table.add_column(heading, overflow="fold")
    for group, fields in GROUPS.items():
        table.add_row(Text(group, style="bold"))
        for field in fields:
            origin = found.origin(field.name)
            style = "dim" if origin == "default" else ""
            table.add_row(f"  {field.key}", printable(found.shown(field.name)), origin, style=style)
    keys = vendor_keys(found)
    if keys:
        table.add_row(Text("Keys of remote models", style="bold"))
        for name, state in keys.items():
            table.add_row(f"  {name}", state, f"environment {name}" if state == "present" else "")
    output().print(table)
    output().print(f"\nSettings file: {found.file or 'none'}", soft_wrap=True)
    for name, hint in unknown_variables(os.environ).items():
        print_warning(f"Unknown setting {name}. {hint}")


def described(found: Found) -> dict[str, object]:
    """The same as JSON has it."""
    rows = [
        {
            "key": field.key,
            "value": found.shown(name),
            "origin": found.origin(name),
            "variable": field.variable,
            "flag": None if field.is_secret else field.flag,
        }
        for name, field in FIELDS.items()
    ]
    file = str(found.file) if found.file else None
    return {"file": file, "settings": rows, "keys": vendor_keys(found)}


def vendor_keys(found: Found) -> dict[str, str]:
    """The variables that the rows of remote models name, each present or absent."""
    file = found.settings.catalog
    rows: list[Entry] = list(read_catalog(file).values()) if file else []
    remote = [entry.endpoint for entry in rows if isinstance(entry, RemoteEntry)]
    names = sorted({endpoint.key for endpoint in remote if endpoint.key})
    given = read_keys(os.environ, names)
    return {name: "present" if name in given else "absent" for name in names}
