"""API keys, kept as digests in one file.

::

    keys.json    version, and for each key: id, name, scopes, created_at, sha256 of its secret,
                 and the collections that it is limited to

A key reads ``bindery_<id>_<secret>``. The secret is 256 random bits, so that its plain SHA-256
reveals nothing. It is shown once, when the key is created, and never stored.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import orjson
from filelock import FileLock

from bindery.disk import storage_errors, whole_file
from bindery.errors import InvalidValue, StorageError, UnknownKey
from bindery.secret import Secret

_log = logging.getLogger(__name__)

_VERSION = 1
# Older versions of Bindery would ignore the limits of keys, so they refuse a file that has some.
_VERSION_WITH_LIMITS = 2
_FORM = re.compile(r"bindery_([0-9a-f]{8})_([0-9a-f]{64})")
_LONGEST_NAME = 100
_LOCK_S = 10.0
# Unknown keys are compared with this, so that the answer takes as long as for a known key.
_NO_DIGEST = hashlib.sha256(b"").hexdigest()


class Scope(StrEnum):
    """What a key allows: vectors, files, searching, changing collections, or administration."""

    EMBED = "embed"
    FILES = "files"
    SEARCH = "search"
    COLLECTIONS = "collections"
    ADMIN = "admin"


_LIMITED_SCOPES = frozenset({Scope.FILES, Scope.SEARCH, Scope.COLLECTIONS})


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored. ``digest`` is the SHA-256 of its secret, in hexadecimal.

    ``collections`` are the names of the only collections that it may see; None for all.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    digest: str
    created_at: float
    collections: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > _LONGEST_NAME or not self.name.isprintable():
            raise InvalidValue(
                f"The name of a key must have 1 to {_LONGEST_NAME} printable characters.",
                param="name",
            )
        if not self.scopes:
            raise InvalidValue(
                "A key must have at least one scope.",
                remedy=f"Give it one or more of: {', '.join(Scope)}.",
                param="scope",
            )
        if self.collections is not None:
            self._check_limit(self.collections)

    def facts(self) -> dict[str, Any]:
        """What describes it, for JSON; nothing of its secret."""
        created = datetime.fromtimestamp(self.created_at, UTC).isoformat(timespec="seconds")
        return {
            "id": self.id,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "collections": None if self.collections is None else sorted(self.collections),
            "created_at": created,
        }

    def _check_limit(self, names: frozenset[str]) -> None:
        if not names or not all(one.strip() and one.isprintable() for one in names):
            raise InvalidValue(
                "A key must be limited to collections by their names.", param="collection"
            )
        if Scope.ADMIN in self.scopes or not self.scopes & _LIMITED_SCOPES:
            raise InvalidValue(
                f"A key with the scopes {', '.join(sorted(self.scopes))} cannot be limited to "
                "collections.",
                remedy=f"Give it one or more of: {', '.join(sorted(_LIMITED_SCOPES))}; "
                "and not 'admin'.",
                param="collection",
            )


class KeyStore:
    """The API keys of a home. Safe to use from several processes."""

    def __init__(self, home: Path) -> None:
        self.path = home / "keys.json"

    def read(self) -> Sequence[Key]:
        """Every key, oldest first. Raises StorageError if the file is damaged."""
        try:
            with storage_errors(self.path):
                content = self.path.read_bytes()
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return ()
            raise
        try:
            return _read(content)
        except (ValueError, KeyError, TypeError, AttributeError, InvalidValue) as error:
            raise StorageError(
                f"{self.path} is damaged ({type(error).__name__}).",
                remedy="Restore a backup of it, or delete it and create every key again.",
            ) from error

    def create(
        self, name: str, scopes: Collection[Scope], collections: Collection[str] | None = None
    ) -> tuple[Key, Secret]:
        """A new key, and its text, which is not shown again.

        ``collections`` are the names of those that it is limited to; they need not exist yet.
        Raises InvalidValue for an invalid name, no scopes or an invalid limit; StorageError.
        """
        key_id, secret = secrets.token_hex(4), secrets.token_hex(32)
        limit = None if collections is None else frozenset(collections)
        key = Key(key_id, name, frozenset(scopes), _digest(secret), time.time(), limit)
        with self._changing():
            self._write([*self.read(), key])
        return key, Secret(f"bindery_{key_id}_{secret}", name=f"key {key_id}")

    def revoke(self, key_id: str) -> Key:
        """Remove a key. Running servers notice within a second. Raises UnknownKey, StorageError."""
        with self._changing():
            keys = self.read()
            found = next((key for key in keys if key.id == key_id), None)
            if found is None:
                raise UnknownKey(
                    f"There is no key {key_id[:80]!r}.",
                    remedy="`bindery keys list` shows all keys by id.",
                    param="id",
                )
            self._write([key for key in keys if key is not found])
        return found

    @contextmanager
    def _changing(self) -> Generator[None]:
        lock = FileLock(self.path.with_name("keys.lock"), timeout=_LOCK_S)
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _write(self, keys: Sequence[Key]) -> None:
        rows = [
            {
                "id": key.id,
                "name": key.name,
                "scopes": sorted(key.scopes),
                "created_at": key.created_at,
                "sha256": key.digest,
                **({} if key.collections is None else {"collections": sorted(key.collections)}),
            }
            for key in keys
        ]
        has_limits = any(key.collections is not None for key in keys)
        version = _VERSION_WITH_LIMITS if has_limits else _VERSION
        content = orjson.dumps({"version": version, "keys": rows}, option=orjson.OPT_INDENT_2)
        with whole_file(self.path, mode=0o600) as file:
            file.write(content)


class KeyRing:
    """The keys of a running server, which checks their file twice a second.

    ``is_open`` is true if there has been no file since the server started: then no key is needed.
    Revoking the last key, or deleting the file of a running server, does not open it.
    """

    def __init__(self, store: KeyStore, *, recheck_s: float = 0.5) -> None:
        self._store = store
        self._recheck_s = recheck_s
        self._looked_at = float("-inf")
        self._version: tuple[int, ...] | None = None
        self._keys: dict[str, Key] = {}
        self._error: StorageError | None = None
        self.is_open = True
        self._look()

    def find(self, presented: str) -> Key | None:
        """The key of a text, or None.

        Raises StorageError while the file cannot be read: all requests are refused then.
        """
        self.refresh()
        if self._error is not None:
            raise self._error
        parts = _FORM.fullmatch(presented)
        key = self._keys.get(parts[1]) if parts else None
        secret = parts[2] if parts else ""
        is_right = hmac.compare_digest(_digest(secret), key.digest if key else _NO_DIGEST)
        return key if key and is_right else None

    def refresh(self) -> None:
        """Check the file for changes, unless it was checked just now."""
        if time.monotonic() - self._looked_at >= self._recheck_s:
            self._look()

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            state = self._store.path.stat()
            version = (state.st_ino, state.st_size, state.st_mtime_ns)
        except FileNotFoundError:
            version = None
        except OSError:
            version = ()  # reading it will raise the error
        if version == self._version:
            return
        self._version = version
        # From now on keys are required, whatever the file says.
        self.is_open = False
        try:
            self._keys, self._error = {key.id: key for key in self._store.read()}, None
        except StorageError as error:
            self._keys, self._error = {}, error
            _log.error("Every request that needs a key is refused: %s", error)
        else:
            _log.info("Keys: %d.", len(self._keys))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(content: bytes) -> Sequence[Key]:
    value = cast("dict[str, Any]", orjson.loads(content))
    if value["version"] not in {_VERSION, _VERSION_WITH_LIMITS}:
        raise ValueError(value["version"])
    return tuple(
        Key(
            _matching(r"[0-9a-f]{8}", row["id"]),
            row["name"],
            frozenset(Scope(scope) for scope in row["scopes"]),
            _matching(r"[0-9a-f]{64}", row["sha256"]),
            float(row["created_at"]),
            frozenset[str](row["collections"]) if "collections" in row else None,
        )
        for row in value["keys"]
    )


def _matching(form: str, value: str) -> str:
    if re.fullmatch(form, value) is None:
        raise ValueError(form)
    return value
