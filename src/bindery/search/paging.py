"""Pages of a search: a cursor says how far it was read, and nothing is kept at the server.

A cursor holds what a walk over pages must not forget: the generation, how many candidates each leg
gave, the newest file when the walk began, the lowest score shown, and which chunks were shown.
Therefore no chunk comes twice and none is skipped, whatever is added or deleted between two pages:
what is new is not part of the walk, and what is gone is left out.

A checksum finds a cursor that was damaged. One that was made up can only leave out chunks of the
search that its holder may make anyway.
"""

import binascii
import hashlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from bindery.errors import CursorExpired, InvalidCursor
from bindery.options import SearchOptions

MOST_SHOWN = 10_000
"""How many chunks a walk shows at most: a cursor has 8 characters for each."""

_HEADER = struct.Struct("<B8sQIQf")
_VERSION = 1
_CHECKSUM_BYTES = 8
# 48 bits of a chunk's id: two of 10,000 chunks share them with a probability of 2 in 10 million.
_KEY_BYTES = 6
_MOST_DEPTH = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """How far a search was read. ``depth`` is how many candidates each leg gave at first.

    Files with a number over ``newest_file`` came after the walk began. ``lowest`` is the lowest
    score shown. ``shown`` (m,) are the :func:`keys_of` of the chunks that were shown, rising.
    """

    depth: int
    newest_file: int
    lowest: float
    shown: npt.NDArray[np.uint64]

    def has_shown(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which chunks (m,), given by their keys, were shown."""
        return np.isin(keys, self.shown) if len(self.shown) else np.zeros(len(keys), np.bool_)

    def after(self, keys: npt.NDArray[np.uint64], lowest: float) -> "Walk":
        """The walk once these chunks were shown too."""
        shown = np.union1d(self.shown, keys) if len(self.shown) else np.sort(keys)
        return Walk(self.depth, self.newest_file, min(self.lowest, lowest), shown)


def begin_walk(depth: int, newest_file: int) -> Walk:
    """A walk that has shown nothing."""
    return Walk(depth, newest_file, float("inf"), np.zeros(0, dtype=np.uint64))


def keys_of(ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The last 48 bits (m,) of chunk ids (m, 2) as numbers."""
    return ids[:, 1].astype(np.uint64) & np.uint64((1 << 8 * _KEY_BYTES) - 1)


@dataclass(frozen=True, slots=True)
class SearchScope:
    """The search that a cursor belongs to."""

    query: str
    options: SearchOptions
    collection_id: str
    generation: int

    @property
    def digest(self) -> bytes:
        """8 bytes for everything but the generation and the number of hits on a page."""
        chosen = [
            (one.name, getattr(self.options, one.name))
            for one in fields(self.options)
            if one.name not in {"top", "cursor"}
        ]
        asked = repr((self.collection_id, self.query, chosen))
        return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).digest()[:8]


def write_cursor(walk: Walk, scope: SearchScope) -> str:
    """The walk as text that is safe in a URL."""
    header = _HEADER.pack(
        _VERSION, scope.digest, scope.generation, walk.depth, walk.newest_file, walk.lowest
    )
    shown = walk.shown.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :_KEY_BYTES]
    data = header + shown.tobytes()
    return urlsafe_b64encode(data + _checksum(data)).decode("ascii").rstrip("=")


def read_cursor(cursor: str, scope: SearchScope) -> Walk:
    """The walk that a cursor names.

    Raises InvalidCursor if it is damaged or belongs to another search, and CursorExpired if the
    collection has been rebuilt since.
    """
    try:
        data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        data, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        version, digest, generation, depth, newest_file, lowest = _HEADER.unpack_from(data)
        rest = data[_HEADER.size :]
        whole = np.frombuffer(rest, dtype=np.uint8).reshape(-1, _KEY_BYTES)
    except (ValueError, binascii.Error, struct.error) as error:
        raise _damaged() from error
    if _checksum(data) != checksum or version != _VERSION or not 0 < depth <= _MOST_DEPTH:
        raise _damaged()
    if digest != scope.digest:
        raise InvalidCursor(
            "The cursor belongs to another query, other options or another collection.",
            remedy="Repeat the search that gave it, or leave the cursor out.",
            param="cursor",
        )
    if generation != scope.generation:
        raise CursorExpired(
            "The collection has been rebuilt since the cursor was made.",
            remedy="Search again from the first page.",
            param="cursor",
        )
    shown = np.zeros((len(whole), 8), dtype=np.uint8)
    shown[:, :_KEY_BYTES] = whole
    return Walk(depth, newest_file, lowest, shown.view("<u8").reshape(-1).astype(np.uint64))


def _damaged() -> InvalidCursor:
    return InvalidCursor(
        "The cursor is damaged, or not one.",
        remedy="Send the next_cursor of an answer as it is.",
        param="cursor",
    )


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_CHECKSUM_BYTES]
