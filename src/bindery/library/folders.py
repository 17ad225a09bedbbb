"""The files of the catalog's models on this machine: found and verified, but not loaded."""

import threading
from collections.abc import Mapping
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
from bindery.models.card import CatalogEntry, Entry, ModelCard, RemoteEntry
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
    not delay others.
    """

    def __init__(self, home: Path, catalog: Mapping[str, Entry]) -> None:
        self._home = home
        self._catalog: dict[str, Entry] = {**CATALOG, **catalog}
        self._reading = {model_id: threading.RLock() for model_id in self._catalog}
        self._layouts: dict[str, Layout] = {}
        self._tokenisers: dict[str, ModelTokeniser] = {}
        self._measures: dict[str, Measure] = {}
        self._refused: dict[str, BinderyError] = {}
        self._adding = threading.Lock()
        self._added: dict[Path, str] = {}

    @property
    def home(self) -> Path:
        """The folder of all models."""
        return self._home

    @property
    def catalog(self) -> Mapping[str, Entry]:
        """All rows by model id."""
        return MappingProxyType(self._catalog)

    def add(self, folder: Path) -> str:
        """Add the model in a folder; returns its id. The folder is read once.

        Raises UnknownModel if there is no such folder, and what reading its layout raises.
        """
        folder = folder.resolve()
        with self._adding:
            if folder not in self._added:
                if not folder.is_dir():
                    raise UnknownModel(f"There is no folder {folder}.", param="model")
                model_id = id_of_folder(folder, self._catalog)
                entry, layout = read_folder(folder, model_id)
                self._reading[model_id] = threading.RLock()
                self._layouts[model_id] = layout
                self._added[folder] = model_id
                # A copy, because others may be iterating over the catalog.
                self._catalog = {**self._catalog, model_id: entry}
            return self._added[folder]

    def folder_of(self, model_id: str) -> str:
        """The folder of an added model; empty for one of the catalog."""
        return next((str(path) for path, one in self._added.items() if one == model_id), "")

    def entry(self, model_id: str) -> Entry:
        """The model's row. Raises UnknownModel."""
        if model_id not in self._catalog:
            raise UnknownModel(
                f"There is no model {model_id!r}.",
                remedy=f"Known: {', '.join(self._catalog)}.",
                param="model",
            )
        return self._catalog[model_id]

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
        """Read the model's files again when they are needed, because they may have changed."""
        with self._reading[model_id]:
            for known in (self._refused, self._layouts, self._tokenisers, self._measures):
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
