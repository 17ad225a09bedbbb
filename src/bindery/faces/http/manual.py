"""``/docs``: all routes with examples to read, copy and try. Works without a network."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from bindery.errors import NotFound

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent / "manual_page"
_PAGES: Mapping[str, tuple[str, str]] = {
    "": ("manual.html", "text/html"),
    "manual.css": ("manual.css", "text/css"),
    "manual.js": ("manual.js", "text/javascript"),
}
# The page uses its own script and style, and connects only to this server.
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


@router.get("/docs")
async def manual() -> Response:
    """The page."""
    return _page("")


@router.get("/docs/{name}")
async def part(name: str) -> Response:
    """The script and the style of the page."""
    return _page(name)


def _page(name: str) -> Response:
    if name not in _PAGES:
        raise NotFound("This page does not exist.", remedy="See /docs.")
    file, kind = _PAGES[name]
    content = (_FOLDER / file).read_bytes()
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=_HEADERS)
