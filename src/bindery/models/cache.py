"""The models on this machine, and the lock file with the digests of their first download.

::

    root/
      models/{id}/{revision}/...   verified files; a folder appears only when it is complete
      models.lock.json             by id and revision: path -> sha256, size
      preload.lock                 locked by the process that is downloading
      staging/                     files that it has downloaded so far
"""

import json
from collections.abc import Mapping
from pathlib import Path

from bindery.disk import storage_errors, whole_file
from bindery.errors import ModelMissing, StorageError
from bindery.models.card import CatalogEntry
from bindery.models.verify import FileDigest, verify

_LOCK_VERSION = 1


def model_folder(entry: CatalogEntry, root: Path) -> Path:
    """The folder for the files of ``entry``."""
    return root / "models" / entry.id / entry.release.revision


def locate(entry: CatalogEntry, root: Path) -> Path:
    """The folder with the files of a model, after verifying them.

    Raises:
        ModelMissing: The model was never downloaded.
        ModelBroken: Files are missing, empty, truncated or altered.
        StorageError: The lock file or the folder cannot be read.
    """
    folder = model_folder(entry, root)
    with storage_errors(folder):
        there = folder.is_dir()
    if not there:
        remedy = f"Run `bindery preload {entry.id}`."
        if entry.release.gated:
            remedy += f" Accept its terms first: {entry.release.page}"
        raise ModelMissing(f"Model {entry.id!r} is not on this machine.", remedy=remedy)
    verify(folder, entry, read_lock(entry, root))
    return folder


def read_lock(entry: CatalogEntry, root: Path) -> Mapping[str, FileDigest]:
    """Size and digest of each file of a model at its first download, by path; may be empty.

    Raises:
        StorageError: The lock file cannot be read or is damaged.
    """
    files = _read_locks(root).get(entry.id, {}).get(entry.release.revision, {})
    return {path: FileDigest(sha256, size) for path, (sha256, size) in files.items()}


def write_lock(entry: CatalogEntry, root: Path, files: Mapping[str, FileDigest]) -> None:
    """Record the files of a model in the lock file, replacing the entry of this revision.

    Only for the process that holds ``preload.lock``. The file is replaced atomically.
    """
    locks = _read_locks(root)
    locks.setdefault(entry.id, {})[entry.release.revision] = {
        path: (file.sha256, file.size) for path, file in files.items()
    }
    models = {
        model: {
            revision: {path: {"sha256": sha256, "size": size} for path, (sha256, size) in f.items()}
            for revision, f in revisions.items()
        }
        for model, revisions in sorted(locks.items())
    }
    content = json.dumps({"version": _LOCK_VERSION, "models": models}, indent=2) + "\n"
    with whole_file(_lock_path(root)) as file:
        file.write(content.encode())


def _lock_path(root: Path) -> Path:
    return root / "models.lock.json"


def _read_locks(root: Path) -> dict[str, dict[str, dict[str, tuple[str, int]]]]:
    path = _lock_path(root)
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != _LOCK_VERSION:
            raise ValueError(f"its version is {content['version']!r}")  # noqa: TRY301 (one message)
        return {
            model: {
                revision: {
                    path: (str(file["sha256"]), int(file["size"])) for path, file in files.items()
                }
                for revision, files in revisions.items()
            }
            for model, revisions in content["models"].items()
        }
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise StorageError(f"The lock file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"The lock file {path} is damaged ({type(error).__name__}: {error}).",
            remedy="Restore a copy of it, or remove it and run `bindery preload` again: digests "
            "that are not in the catalog are then computed from the present files.",
        ) from error
