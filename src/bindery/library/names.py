"""Find models by name: an id, a repository, a folder or a cache of the Hugging Face hub."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bindery.disk import storage_errors
from bindery.errors import ModelBroken, ModelMissing, UnknownModel, did_you_mean
from bindery.models.card import CatalogEntry, FolderRow, Release, Row
from bindery.models.layouts import Layout, read_layout, with_lengths
from bindery.models.verify import digest_of

_READ = (".safetensors", ".json")
_SIGNS = ("modules.json", "config.json", "artifact.metadata")


class ModelNames:
    """The names of a catalog's models, and of models in folders.

    A model of the catalog has its id and its repository as names, in any case; if two rows have the
    same repository, the first one counts. A folder has its path within ``own`` as a name, or, if it
    may be ``anywhere``, a Path or a string with a slash; ``~`` is the home directory.
    """

    def __init__(self, catalog: Mapping[str, Row], *, own: Path | None, anywhere: bool) -> None:
        self._catalog = list(catalog)
        self._own = own
        self._anywhere = anywhere
        # In this order the first row of a repository wins, and ids win over repositories.
        by_repository = {
            row.card.repository: name
            for name, row in reversed([*catalog.items()])
            if not isinstance(row, FolderRow)
        }
        self._names = by_repository | {name: name for name in catalog}
        self._ids = {name.casefold(): model_id for name, model_id in self._names.items()}

    def find(self, name: str | Path) -> str | Path:
        """An id of the catalog, or a folder. Raises UnknownModel, which says what was tried."""
        if isinstance(name, str) and (model_id := self._ids.get(name.casefold())) is not None:
            return model_id
        folder = self._folder(name)
        if folder is None:
            raise self._unknown(str(name))
        return _in_cache(folder)

    def _folder(self, name: str | Path) -> Path | None:
        # A null byte or a name that is too long raises an error.
        try:
            if self._anywhere and _is_path(name) and (path := Path(name).expanduser()).is_dir():
                return path
            if self._own is not None:
                own = self._own.resolve()
                path = (own / name).resolve()
                # Neither ".." nor a link may lead out of it.
                return path if path != own and path.is_relative_to(own) and path.is_dir() else None
        except (OSError, RuntimeError, ValueError):
            return None
        return None

    def _unknown(self, name: str) -> UnknownModel:
        tried = ["an id", "a repository name"]
        if self._anywhere:
            tried.append("a folder")
        if self._own is not None:
            tried.append("a folder of your own models")
        known = f"Known: {', '.join(self._catalog)}."
        return UnknownModel(
            f"There is no model {name[:200]!r}; tried as {', '.join(tried)}.",
            remedy=f"{did_you_mean(name, self._names)} {known}".lstrip(),
            param="model",
        )


def _is_path(name: str | Path) -> bool:
    return isinstance(name, Path) or name.startswith("~") or "/" in name or os.sep in name


def rows_of_folders(own: Path, catalog: Mapping[str, Row]) -> dict[str, FolderRow]:
    """A row for each sub-folder of the user's own models that is a model, by id.

    Left out are those of rows of the catalog, and those with the id of one: they are sources of its
    files. Models deeper in the folder have no rows, and are found by their paths.
    """
    described = {row.folder.resolve() for row in catalog.values() if isinstance(row, FolderRow)}
    rows: dict[str, FolderRow] = {}
    with storage_errors(own):
        folders = sorted(path for path in own.iterdir() if path.is_dir()) if own.is_dir() else []
        for folder in folders:
            is_model = any((folder / name).is_file() for name in _SIGNS)
            if is_model and folder.name not in catalog and folder.resolve() not in described:
                model_id = id_of_folder(folder, {**catalog, **rows})
                rows[model_id] = FolderRow(model_id, folder)
    return rows


def read_folder(row: FolderRow) -> tuple[CatalogEntry, Layout]:
    """The entry of a model in a folder, and its layout.

    The revision is a digest of the files, and of what the row changes, so that vectors of different
    models are never mixed up. Raises ModelMissing if there is no such folder, and the errors of
    :func:`bindery.models.layouts.read_layout`.
    """
    folder, model_id = row.folder, row.id
    if not folder.is_dir():
        raise ModelMissing(
            f"The folder {folder} of model {model_id!r} does not exist.",
            remedy="Correct `folder` in the catalog, or put the model there.",
            param="model",
        )
    layout = read_layout(folder)
    if row.lengths.is_given:
        layout = with_lengths(layout, query=row.lengths.query, document=row.lengths.document)
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix in _READ and path.is_file()
    }
    with storage_errors(folder):
        measured = {name: digest_of(path) for name, path in files.items()}
    digests = {name: one.sha256 for name, one in measured.items()}
    changes = dict(row.changes)
    if "prompts" in changes:
        changes["prompts"] = {**layout.card.prompts, **changes["prompts"]}
    changed = f"{sorted(changes.items())}{row.lengths}" if changes or row.lengths.is_given else ""
    made_of = f"{digests!r}{changed}".encode()
    revision = hashlib.sha1(made_of, usedforsecurity=False).hexdigest()
    card = replace(layout.card, id=model_id, repository=f"local/{model_id}", revision=revision)
    size_mb = round(sum(one.size for one in measured.values()) / 1e6)
    card = replace(card, size_mb=size_mb, **changes)
    release = Release(card.repository, revision, digests)
    return CatalogEntry(card, release, verified=True), replace(layout, card=card)


def id_of_folder(folder: Path, taken: Mapping[str, object]) -> str:
    """An id for a folder: its name, followed by a digest of its path if the name is taken."""
    plain = re.sub(r"[^a-z0-9]+", "-", folder.name.casefold()).strip("-") or "model"
    if plain not in taken:
        return plain
    return f"{plain}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def _in_cache(folder: Path) -> Path:
    """The folder itself; for a cache of the hub, the snapshot of its only model.

    Raises ModelBroken if there are several models, or not exactly one snapshot.
    """
    repositories = [folder] if folder.name.startswith("models--") else []
    repositories = repositories or sorted(folder.glob("models--*"))
    if not repositories:
        return folder
    if len(repositories) > 1:
        names = ", ".join(path.name for path in repositories)
        raise ModelBroken(
            f"{folder} is a cache with several models: {names}.",
            remedy="Use the folder of one of them.",
            param="model",
        )
    [repository] = repositories
    main = repository / "refs" / "main"
    with storage_errors(repository):
        chosen = main.read_text(encoding="utf-8").strip() if main.is_file() else "*"
        snapshots = sorted(repository.glob(f"snapshots/{chosen}"))
    if len(snapshots) != 1:
        raise ModelBroken(
            f"{repository} must have one snapshot, but has {len(snapshots)}.",
            remedy="Use the folder of one snapshot.",
            param="model",
        )
    return snapshots[0]
