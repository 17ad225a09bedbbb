"""Where the models lie on this machine, and what was first fetched of each.

::

    root/
      models/{id}/{revision}/...   verified files; a folder appears here whole or not at all
      models.lock.json             by id and revision: path -> sha256, size
      preload.lock                 held by the one process that is fetching
      staging/                     what that process has fetched so far
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
    """Where the files of ``entry`` are, or will be."""
    return root / "models" / entry.id / entry.release.revision


def locate(entry: CatalogEntry, root: Path) -> Path:
    """The folder with the files of a model, each read and verified.

    Raises:
        ModelMissing: The model was never fetched.
        ModelBroken: Files are missing, empty, truncated or altered.
        StorageError: The lock file or the folder cannot be read.
    """
    folder = model_folder(entry, root)
    with storage_errors(folder):
        there = folder.is_dir()
    if not there:
        remedy = f"Run `bindery preload {entry.id}`."
        if entry.release.gated:
            remedy += f" The terms of {entry.release.repository} must be accepted: it says where."
        raise ModelMissing(f"Model {entry.id!r} is not on this machine.", remedy=remedy)
    verify(folder, entry, read_lock(entry, root))
    return folder


def read_lock(entry: CatalogEntry, root: Path) -> Mapping[str, FileDigest]:
    """What was first fetched of a model, by path; empty if nothing ever was.

    Raises:
        StorageError: The lock file cannot be read, or is not one.
    """
    files = _read_locks(root).get(entry.id, {}).get(entry.release.revision, {})
    return {path: FileDigest(sha256, size) for path, (sha256, size) in files.items()}


def write_lock(entry: CatalogEntry, root: Path, files: Mapping[str, FileDigest]) -> None:
    """Record what was fetched of a model, in place of what the lock file said of this revision.

    Only for the process that holds ``preload.lock``. The file is replaced as a whole.
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
            remedy="Put back a copy of it, or remove it and run `bindery preload` again: digests "
            "that the catalog does not know are then taken anew from what is there.",
        ) from error
