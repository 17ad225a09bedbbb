"""The models of a catalog as they lie on this machine: found, verified and measured, not loaded."""

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
    """How a model counts the tokens of a document's text, without its weights.

    ``room`` is how many tokens of text fit beside what the model adds: special tokens, marker and
    the prompt of documents.
    """

    card: ModelCard
    tokeniser: Tokeniser
    room: int


class ModelFolders:
    """The rows of a catalog, and what is known of their files under a home.

    A model that is refused stays so until it is forgotten. Safe to call from several threads;
    reading one model's files does not hold up another's.
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
        """The folder under which the models lie."""
        return self._home

    @property
    def catalog(self) -> Mapping[str, Entry]:
        """Every row, by the model's id."""
        return MappingProxyType(self._catalog)

    def add(self, folder: Path) -> str:
        """Add the model in a folder; returns its id. The folder is read once.

        Raises what reading its layout raises.
        """
        folder = folder.resolve()
        with self._adding:
            if folder not in self._added:
                model_id = id_of_folder(folder, self._catalog)
                entry, layout = read_folder(folder, model_id)
                self._reading[model_id] = threading.RLock()
                self._layouts[model_id] = layout
                self._added[folder] = model_id
                # A copy, because others may be going over the catalog.
                self._catalog = {**self._catalog, model_id: entry}
            return self._added[folder]

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
        """The row of a model that runs here. Raises UnknownModel and UnsupportedModel."""
        entry = self.entry(model_id)
        if isinstance(entry, RemoteEntry):
            raise UnsupportedModel(
                f"Model {model_id!r} is remote: its files and its tokeniser are not here.",
                remedy=f"Choose a local model for that, such as {DEFAULT_MODEL!r}.",
                param="model",
            )
        return entry

    def layout(self, model_id: str) -> Layout:
        """The model's verified folder; verified once, because that reads every byte of it.

        Raises what :meth:`local`, :func:`bindery.models.cache.locate` and
        :func:`bindery.models.layouts.values.read_layout` do, and the reason of a refusal.
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
        """Raise the error whenever the model is asked for."""
        with self._reading[model_id]:
            self._refused[model_id] = error

    def forget(self, model_id: str) -> None:
        """Forget what was read of the model, since its files may be others now."""
        with self._reading[model_id]:
            for known in (self._refused, self._layouts, self._tokenisers, self._measures):
                known.pop(model_id, None)

    def measure(self, model_id: str) -> Measure:
        """How a model counts tokens. Raises what :meth:`layout` does."""
        if (known := self._measures.get(model_id)) is not None:
            return known
        self.local(model_id)
        with self._reading[model_id]:
            if model_id not in self._measures:
                card, tokeniser = self.layout(model_id).card, self._tokeniser(model_id)
                self._measures[model_id] = Measure(card, tokeniser.of_role(), tokeniser.room())
            return self._measures[model_id]

    def room(self, model_id: str, role: Role, *, title: str | None = None) -> int:
        """How many tokens of a text fit the window in a role, beside its prompt or its title.

        Raises InvalidValue for a role or a title that the model does not know, and for one that
        leaves no room; and what :meth:`layout` does.
        """
        room = self._tokeniser(model_id).room(role, title=title)
        if room < 1:
            raise InvalidValue(
                f"What goes before a text leaves no room for it in {model_id}'s window.",
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
