"""The page at ``/`` and the manual of routes at ``/docs``: static files, which call the public API.

The files say nothing about documents, so they need no key; what they call does.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from bindery.errors import NotFound

router = APIRouter(include_in_schema=False)

_PAGE = Path(__file__).parent / "page"
_MANUAL = Path(__file__).parent / "manual_page"
_SAMPLE = Path(__file__).parent.parent / "cli" / "demo.md"
_KINDS: Mapping[str, str] = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".md": "text/markdown",
}
# Only scripts and styles of this server run, and the page connects to nothing else. Pictures of
# pages arrive with the key in a header, so they are shown from memory (blob:).
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-cache",
    "vary": "accept-encoding",
}


@dataclass(frozen=True, slots=True)
class _PageFile:
    plain: bytes
    packed: bytes
    media_type: str
    etag: str


@router.get("/")
@router.get("/view/{collection}/{file_id}")
async def page(request: Request) -> Response:
    """The page, which shows the view that its address names."""
    return _answer(request, _PAGE, "index.html")


@router.get("/page/{name}")
async def page_part(request: Request, name: str) -> Response:
    """A script, the style, the icon or the sample of the page."""
    return _answer(request, _PAGE, name)


@router.get("/docs")
async def manual(request: Request) -> Response:
    """All routes with examples to read, copy and try."""
    return _answer(request, _MANUAL, "manual.html")


@router.get("/docs/{name}")
async def manual_part(request: Request, name: str) -> Response:
    """The script and the style of the manual."""
    return _answer(request, _MANUAL, name)


def _answer(request: Request, folder: Path, name: str) -> Response:
    file = _files(folder).get(name)
    if file is None:
        raise NotFound("This file does not exist.", remedy="The page is at /, the manual at /docs.")
    headers = {**_HEADERS, "etag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(file.packed, media_type=file.media_type, headers=headers)
    return Response(file.plain, media_type=file.media_type, headers=headers)


@lru_cache(maxsize=2)
def _files(folder: Path) -> Mapping[str, _PageFile]:
    paths = {path.name: path for path in folder.iterdir() if path.suffix in _KINDS}
    if folder == _PAGE:
        paths["sample.md"] = _SAMPLE
    return {name: _read(path) for name, path in paths.items()}


def _read(path: Path) -> _PageFile:
    plain = path.read_bytes()
    return _PageFile(
        plain,
        gzip.compress(plain, mtime=0),
        f"{_KINDS[path.suffix]}; charset=utf-8",
        f'"{hashlib.sha256(plain).hexdigest()[:16]}"',
    )
