"""The MCP face: tools that chat assistants call, over standard input or at ``/mcp``."""

from importlib.util import find_spec

from bindery.errors import ExtraMissing


def check_installed() -> None:
    """Raise ExtraMissing if the SDK of the protocol is not installed."""
    if find_spec("mcp") is None:
        raise ExtraMissing(
            "Bindery was installed without the Model Context Protocol.",
            remedy='Run `pip install "bindery-search[mcp]"`, and restart the server if one runs.',
        )
