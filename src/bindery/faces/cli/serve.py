"""``bindery serve``: the REST API on an address of this machine."""

import logging
from dataclasses import replace

from rich.text import Text

from bindery import __version__
from bindery.faces.cli.printing import output
from bindery.faces.http.server import serve as serve_http
from bindery.library import DEFAULT_MODEL
from bindery.settings import Settings


def serve(settings: Settings, *, host: str | None, port: int | None) -> None:
    """Serve until stopped; the arguments go before the settings."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("bindery").setLevel(logging.INFO)
    address = replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
    )
    serve_http(address, on_ready=announce)


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
