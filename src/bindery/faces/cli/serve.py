"""``bindery serve`` and ``bindery settings``."""

import logging
import os
import sys
import webbrowser
from contextlib import closing

from rich.text import Text

from bindery import __version__
from bindery.faces.cli.printing import new_table, output, print_json, print_warning, printable
from bindery.faces.logs import open_log
from bindery.faces.mcp import check_installed
from bindery.faces.running import expected_address
from bindery.library import DEFAULT_MODEL
from bindery.models.card import RemoteEntry, Row
from bindery.models.catalog import read_catalog
from bindery.settings import FIELDS, GROUPS, Found, Settings, read_keys, unknown_variables
from bindery.store.keys import KeyStore

_log = logging.getLogger(__name__)


def serve(found: Found, *, opens_page: bool = False, json: bool = False) -> None:
    """Serve until stopped; if the user wants it and there is a desktop, open the page."""
    # FastAPI and uvicorn, which `bindery settings` does not need.
    from bindery.faces.http.wire.server import serve as serve_http

    open_log(found.settings.log_format, found.settings.log_level)

    def on_ready(address: str) -> None:
        log_settings(found)
        if json:
            print_json({"address": address, "bindery": __version__})
        else:
            announce(address, found.settings)
        if opens_page and _has_desktop():
            webbrowser.open(address)

    serve_http(found.settings, origins=found.origins, on_ready=on_ready)


def mcp(found: Found) -> None:
    """Answer an assistant on standard input and output. Raises ExtraMissing."""
    check_installed()
    # The SDK takes a second to import, and the library half of one.
    from bindery.faces.mcp.server import serve_stdio
    from bindery.faces.mcp.tools import Caller
    from bindery.faces.mcp.writing import Writer
    from bindery.faces.python import open_library
    from bindery.jobs import Jobs
    from bindery.search.collection import Collections

    open_log(found.settings.log_format, found.settings.log_level)
    settings = found.settings
    with closing(open_library(settings)) as library:
        collections, address = Collections(library), expected_address(settings)
        if not settings.mcp_writes:
            serve_stdio(Caller(collections, address))
            return
        serve_stdio(
            Writer(
                collections,
                address,
                files=library.files,
                jobs=lambda: Jobs(library, parse_timeout_s=settings.parse_timeout_s),
                owner="",
                limit_bytes=settings.upload_limit_bytes,
            )
        )


def _has_desktop() -> bool:
    # Elsewhere, webbrowser may start a browser for terminals, which would take this one.
    is_graphical = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or bool(is_graphical)


def log_settings(found: Found) -> None:
    """Log every setting that is not the default, and where it comes from."""
    for name in found.origins:
        _log.info("Setting %s is %s (%s).", FIELDS[name].key, found.shown(name), found.origin(name))
    for name, hint in unknown_variables(os.environ).items():
        _log.warning("Unknown setting %s. %s", name, hint)


def announce(address: str, settings: Settings) -> None:
    """Print the address of the server, and a command to try, with a key if the server has some."""
    console = output()
    console.print(Text(f"Bindery {__version__} serves on {address}", style="bold"), soft_wrap=True)
    console.print(f"Every route, with examples: {address}/docs", soft_wrap=True)
    if not any((settings.home / "models").glob("*")):
        console.print("No model is on this machine yet: run `bindery preload`, in this home.")
    has_keys = KeyStore(settings.home).path.exists()
    key = '-H "authorization: Bearer $BINDERY_KEY" ' if has_keys else ""
    console.print(
        "Try: "
        f"curl -s '{address}/embedding/{DEFAULT_MODEL}/generate?preview=4' "
        f"{key}-H 'content-type: application/json' "
        """-d '{"chunks": ["Loose paper is fragile."]}'""",
        soft_wrap=True,
    )
    console.print("Ctrl-C stops it.")
    # In a pipe it would otherwise stay buffered until the server stops.
    console.file.flush()


def settings(found: Found, *, json: bool) -> None:
    """Show every setting with its value and its origin; of secrets only whether they are set."""
    if json:
        print_json(described(found))
        return
    table = new_table("setting", "value", "from")
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
    """The same for JSON."""
    file = str(found.file) if found.file else None
    return {"file": file, "settings": found.facts(), "keys": vendor_keys(found)}


def vendor_keys(found: Found) -> dict[str, str]:
    """The variables with the API keys of remote models, each "present" or "absent"."""
    file = found.settings.catalog
    rows: list[Row] = list(read_catalog(file).values()) if file else []
    remote = [entry.endpoint for entry in rows if isinstance(entry, RemoteEntry)]
    names = sorted({endpoint.key for endpoint in remote if endpoint.key})
    given = read_keys(os.environ, names)
    return {name: "present" if name in given else "absent" for name in names}
