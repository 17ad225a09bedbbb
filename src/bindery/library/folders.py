"""The files of the catalog's models on this machine: found and verified, but not loaded."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bindery.encoders.model_tokeniser import ModelTokeniser, model_tokeniser
from bindery.encoders.tokeniser import Tokeniser
from bindery.errors import (
    BinderyError,
    InvalidValue,
    ModelBroken,
    UnknownModel,
    UnsupportedModel,
)
from bindery.library.names import id_of_folder, read_folder
from bindery.models.cache import locate
from bindery.models.card import CatalogEntry, Entry, FolderRow, ModelCard, RemoteEntry, Row
from bindery.models.catalog import CATALOG
from bindery.models.layouts import Layout, read_layout
from bindery.types import Role

DEFAULT_MODEL = "vanilla"


@dataclass(frozen=True, slots=True)
class Measure:
    """How a model counts the tokens of documents, without its weights.

    ``room`` is how many tokens of text fit into the window, after special tokens, marker and the
    prompt of documents.
    """

    card: ModelCard
    tokeniser: Tokeniser
    room: int


class ModelFolders:
    """The rows of a catalog, and what was read from their files in a home folder. Thread-safe.

    A model that is refused stays refused until :meth:`forget`. Reading the files of one model does
    not delay others. A model in a folder of the user is read when it is first used or listed.
    """

    def __init__(self, home: Path, catalog: Mapping[str, Row]) -> None:
        self._home = home
        self._rows: Mapping[str, Row] = {**CATALOG, **catalog}
        self._catalog: dict[str, Entry] = {
            model_id: row for model_id, row in self._rows.items() if not isinstance(row, FolderRow)
        }
        self._reading = {model_id: threading.RLock() for model_id in self._rows}
        self._layouts: dict[str, Layout] = {}
        self._tokenisers: dict[str, ModelTokeniser] = {}
        self._measures: dict[str, Measure] = {}
        self._refused: dict[str, BinderyError] = {}
        self._adding = threading.RLock()
        self._unreadable: dict[str, BinderyError] = {}
        self._has_read_all = False
        self._by_folder = {
            row.folder.resolve(): model_id
            for model_id, row in reversed([*self._rows.items()])
            if isinstance(row, FolderRow)
        }

    @property
    def home(self) -> Path:
        """The folder of all models."""
        return self._home

    @property
    def rows(self) -> Mapping[str, Row]:
        """The rows of the catalog by model id. Reads no folder."""
        return self._rows

    def has(self, name: object) -> bool:
        """Whether this is the id of a model."""
        return name in self._rows or name in self._catalog

    @property
    def catalog(self) -> Mapping[str, Entry]:
        """All models by id, apart from those in folders that cannot be read."""
        _ = self.unreadable
        return MappingProxyType(self._catalog)

    @property
    def unreadable(self) -> Mapping[str, BinderyError]:
        """Why models in folders of the user cannot be used, by id."""
        if not self._has_read_all:
            for model_id in self._rows:
                with suppress(BinderyError):
                    self.entry(model_id)
            self._has_read_all = True
        return MappingProxyType(self._unreadable)

    def add(self, folder: Path) -> str:
        """Add the model in a folder; returns its id. The folder is read once.

        Raises UnknownModel if there is no such folder, and what reading its layout raises.
        """
        folder = folder.resolve()
        with self._adding:
            if folder not in self._by_folder:
                if not folder.is_dir():
                    raise UnknownModel(f"There is no folder {folder}.", param="model")
                model_id = id_of_folder(folder, {**self._rows, **self._catalog})
                self._reading[model_id] = threading.RLock()
                self._read(FolderRow(model_id, folder))
                self._by_folder[folder] = model_id
            return self._by_folder[folder]

    def _read(self, row: FolderRow) -> Entry:
        entry, self._layouts[row.id] = read_folder(row)
        # A copy, because others may be iterating over the catalog.
        self._catalog = {**self._catalog, row.id: entry}
        return entry

    def folder_of(self, model_id: str) -> str:
        """The folder of a model of the user; empty for the others."""
        return next((str(path) for path, one in self._by_folder.items() if one == model_id), "")

    def entry(self, model_id: str) -> Entry:
        """The model's entry. Raises UnknownModel, and what reading its folder raises."""
        if (known := self._catalog.get(model_id)) is not None:
            return known
        row = self._rows.get(model_id)
        if not isinstance(row, FolderRow):
            raise UnknownModel(
                f"There is no model {model_id!r}.",
                remedy=f"Known: {', '.join(self._rows)}.",
                param="model",
            )
        with self._adding:
            if model_id in self._unreadable:
                raise self._unreadable[model_id].with_traceback(None)
            try:
                return self._catalog.get(model_id) or self._read(row)
            except BinderyError as error:
                self._unreadable[model_id] = error
                raise

    def local(self, model_id: str) -> CatalogEntry:
        """The row of a model that runs on this machine. Raises UnknownModel, UnsupportedModel."""
        entry = self.entry(model_id)
        if isinstance(entry, RemoteEntry):
            raise UnsupportedModel(
                f"Model {model_id!r} is remote: its files and tokeniser are not on this machine.",
                remedy=f"Choose a local model, such as {DEFAULT_MODEL!r}.",
                param="model",
            )
        return entry

    def layout(self, model_id: str) -> Layout:
        """The model's folder. It is verified only once, because that reads every byte.

        Raises the errors of :meth:`local`, :func:`bindery.models.cache.locate` and
        :func:`bindery.models.layouts.read_layout`, and the reason if the model is refused.
        """
        entry = self.local(model_id)
        with self._reading[model_id]:
            if model_id in self._refused:
                raise self._refused[model_id].with_traceback(None)
            if model_id not in self._layouts:
                try:
                    self._layouts[model_id] = read_layout(locate(entry, self._home), entry=entry)
                except ModelBroken as error:
                    self.refuse(model_id, error)
                    raise
            return self._layouts[model_id]

    def refuse(self, model_id: str, error: BinderyError) -> None:
        """Refuse the model: every later request raises the error."""
        with self._reading[model_id]:
            self._refused[model_id] = error

    def forget(self, model_id: str) -> None:
        """Read the model's files again when they are needed, because they may have changed.

        Those in a folder of the user are not read again: their digest is the model's revision.
        """
        layouts = () if self.folder_of(model_id) else (self._layouts,)
        with self._reading[model_id]:
            for known in (self._refused, *layouts, self._tokenisers, self._measures):
                known.pop(model_id, None)

    def measure(self, model_id: str) -> Measure:
        """How a model counts tokens. Raises the errors of :meth:`layout`."""
        if (known := self._measures.get(model_id)) is not None:
            return known
        self.local(model_id)
        with self._reading[model_id]:
            if model_id not in self._measures:
                card, tokeniser = self.layout(model_id).card, self._tokeniser(model_id)
                self._measures[model_id] = Measure(card, tokeniser.of_role(), tokeniser.room())
            return self._measures[model_id]

    def room(self, model_id: str, role: Role, *, title: str | None = None) -> int:
        """How many tokens of a text fit into the window in a role, after its prompt or title.

        Raises InvalidValue for a role or title that the model does not take or that fills the
        window, and the errors of :meth:`layout`.
        """
        room = self._tokeniser(model_id).room(role, title=title)
        if room < 1:
            raise InvalidValue(
                f"The {'title' if title else 'prompt'} leaves no room for text in the window of "
                f"{model_id}.",
                remedy="Choose a shorter title." if title else "",
                param="titles" if title else "role",
            )
        return room

    def _tokeniser(self, model_id: str) -> ModelTokeniser:
        layout = self.layout(model_id)
        with self._reading[model_id]:
            if model_id not in self._tokenisers:
                self._tokenisers[model_id] = model_tokeniser(layout)
            return self._tokenisers[model_id]
