"""``bindery serve``: the REST API on an address of this machine."""

import logging
import os

from rich.text import Text

from bindery import __version__
from bindery.faces.cli.printing import output
from bindery.faces.http.wire.server import serve as serve_http
from bindery.faces.logs import open_log
from bindery.library import DEFAULT_MODEL
from bindery.settings import FIELDS, Found, unknown_variables

_log = logging.getLogger(__name__)


def serve(found: Found) -> None:
    """Serve until stopped."""
    open_log(found.settings.log_format, found.settings.log_level)

    def tell(address: str) -> None:
        log_settings(found)
        announce(address)

    serve_http(found.settings, on_ready=tell)


def log_settings(found: Found) -> None:
    """Log what is set to something else than the default, and by what."""
    for name in found.origins:
        _log.info("Setting %s is %s (%s).", FIELDS[name].key, found.shown(name), found.origin(name))
    for name, hint in unknown_variables(os.environ).items():
        _log.warning("Unknown setting %s. %s", name, hint)


def announce(address: str) -> None:
    """Say where the server is, and one command to try."""
    console = output()
    console.print(Text(f"Bindery {__version__} serves on {address}", style="bold"), soft_wrap=True)
    console.print(f"Every route, with examples: {address}/docs", soft_wrap=True)
    console.print(
        "Try: "
        f"curl -s '{address}/embedding/{DEFAULT_MODEL}/generate?preview=4' "
        "-H 'content-type: application/json' "
        """-d '{"chunks": ["Loose paper is fragile."]}'""",
        soft_wrap=True,
    )
    console.print("Ctrl-C stops it.")
    # Through a pipe this would come only when the server ends.
    console.file.flush()
