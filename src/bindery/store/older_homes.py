"""Homes of before the catalog, whose files had a record each beside the content: taken over once.

::

    files/<sha256>.json      name, size, uploaded_at
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import orjson

from bindery.disk import storage_errors
from bindery.errors import InvalidValue
from bindery.store.files import FileStore, StoredFile

_log = logging.getLogger(__name__)
_RECORD = re.compile(r"[0-9a-f]{64}\.json")


def take_over(folder: Path, store: FileStore) -> None:
    """Give every record's file a row, and remove the record. Raises StorageError."""
    for record, file in _records(folder):
        content = folder / file.sha256
        store.add(content, file)
        with store.as_path(file.id) as kept, storage_errors(folder):
            record.unlink()
            if kept != content:
                content.unlink()


def _records(folder: Path) -> Iterator[tuple[Path, StoredFile]]:
    with storage_errors(folder):
        records = sorted(path for path in folder.glob("*.json") if _RECORD.fullmatch(path.name))
    for record in records:
        digest = record.stem
        with storage_errors(record):
            written = record.read_bytes()
        try:
            size_bytes, changed_at = (folder / digest).stat().st_size, record.stat().st_mtime
        except FileNotFoundError:
            _log.warning("%s stays behind: the file it speaks of is gone.", record)
            continue
        try:
            said = orjson.loads(written)
            file = StoredFile(digest, said["name"], size_bytes, said["uploaded_at"], digest)
        except (ValueError, KeyError, TypeError, AttributeError, InvalidValue):
            _log.warning("%s is damaged: its file is now called by its digest.", record)
            file = StoredFile(digest, digest, size_bytes, changed_at, digest)
        yield record, file
