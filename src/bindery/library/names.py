"""Which model a name means: an id, a repository, a folder or a cache of the Hugging Face hub."""

import difflib
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bindery.disk import storage_errors
from bindery.errors import ModelBroken, UnknownModel
from bindery.models.card import CatalogEntry, Entry, Release
from bindery.models.layouts import Layout, read_layout

_PIECE_BYTES = 1 << 20
_READ = (".safetensors", ".json")


class ModelNames:
    """The names of a catalog's models, and the folders that may be named besides.

    Names of the catalog are ids and repositories, in any case; of two rows with the same repository
    its name means the first. A folder is named by its path within ``own`` or, if it may lie
    ``anywhere``, by a Path or a text with a slash; ``~`` is the home directory.
    """

    def __init__(self, catalog: Mapping[str, Entry], *, own: Path | None, anywhere: bool) -> None:
        self._catalog = list(catalog)
        self._own = own
        self._anywhere = anywhere
        # The first row of a repository comes last, and so do ids.
        by_repository = {one.card.repository: name for name, one in reversed([*catalog.items()])}
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
        # A null byte, or a name longer than the system takes, is no folder.
        try:
            if self._anywhere and _is_path(name) and (path := Path(name).expanduser()).is_dir():
                return path
            if self._own is not None:
                own = self._own.resolve()
                path = (own / name).resolve()
                # Neither a path with .. in it nor a link may lead out.
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
        near = difflib.get_close_matches(name[:200], self._names, n=1)
        known = f"Known: {', '.join(self._catalog)}."
        return UnknownModel(
            f"There is no model {name[:200]!r}; tried as {', '.join(tried)}.",
            remedy=f"Did you mean {near[0]!r}? {known}" if near else known,
            param="model",
        )


def _is_path(name: str | Path) -> bool:
    return isinstance(name, Path) or name.startswith("~") or "/" in name or os.sep in name


def read_folder(folder: Path, model_id: str) -> tuple[CatalogEntry, Layout]:
    """A row for a model in a folder, and its layout, under this id.

    The revision is made of the content of the files, so that vectors of other files are never taken
    for those of these. Raises ModelBroken and UnsupportedModel as reading a layout does.
    """
    layout = read_layout(folder)
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix in _READ and path.is_file()
    }
    digests = {name: _digest(path) for name, path in files.items()}
    revision = hashlib.sha1(repr(digests).encode(), usedforsecurity=False).hexdigest()
    card = replace(layout.card, id=model_id, repository=f"local/{model_id}", revision=revision)
    release = Release(card.repository, revision, digests)
    return CatalogEntry(card, release), replace(layout, card=card)


def id_of_folder(folder: Path, taken: Mapping[str, object]) -> str:
    """An id for a folder: its name, with a digest of its path behind it if that is taken."""
    plain = re.sub(r"[^a-z0-9]+", "-", folder.name.casefold()).strip("-") or "model"
    if plain not in taken:
        return plain
    return f"{plain}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def _in_cache(folder: Path) -> Path:
    """The folder itself, or of a cache of the hub the snapshot of the one model that it holds.

    Raises ModelBroken if the cache holds several models, or no snapshot.
    """
    repositories = [folder] if folder.name.startswith("models--") else []
    repositories = repositories or sorted(folder.glob("models--*"))
    if not repositories:
        return folder
    if len(repositories) > 1:
        names = ", ".join(path.name for path in repositories)
        raise ModelBroken(
            f"{folder} is a cache with several models: {names}.",
            remedy="Name the folder of one of them.",
            param="model",
        )
    [repository] = repositories
    main = repository / "refs" / "main"
    with storage_errors(repository):
        chosen = main.read_text(encoding="utf-8").strip() if main.is_file() else "*"
        snapshots = sorted(repository.glob(f"snapshots/{chosen}"))
    if len(snapshots) != 1:
        raise ModelBroken(
            f"{repository} has {len(snapshots)} snapshots to choose from.",
            remedy="Name the folder of one snapshot.",
            param="model",
        )
    return snapshots[0]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with storage_errors(path), path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
