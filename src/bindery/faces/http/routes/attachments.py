"""Files on their way out: to be saved, never to be shown, and never whole in memory."""

from collections.abc import AsyncGenerator, Mapping
from typing import BinaryIO
from urllib.parse import quote

from starlette.responses import StreamingResponse

from bindery.faces.http.pools import Pool

_PIECE_BYTES = 256 << 10
_PLAIN = "application/octet-stream"


def attachment(
    file: BinaryIO, size_bytes: int, name: str, pool: Pool, *, media_type: str = _PLAIN
) -> StreamingResponse:
    """The answer that gives ``file`` away, from where it stands, and closes it afterwards.

    The guard adds ``nosniff``; with that, a sandbox and "attachment" nobody's upload runs here.
    """
    return StreamingResponse(
        _pieces(file, pool),
        media_type=media_type,
        headers={"content-length": str(size_bytes), **marks(name)},
    )


def marks(name: str) -> Mapping[str, str]:
    """The headers of an answer that is to be saved under a name, whatever that holds (RFC 6266)."""
    plain = "".join(char if char.isascii() and char.isprintable() else "_" for char in name)
    plain = plain.translate(str.maketrans('"\\/', "___"))
    full = quote(name, safe="", errors="replace")
    return {
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}",
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, no-store",
    }


async def _pieces(file: BinaryIO, pool: Pool) -> AsyncGenerator[bytes]:
    # A client that leaves ends this at a yield; the file is closed with it.
    with file:
        while piece := await pool.run(file.read, _PIECE_BYTES):
            yield piece
