"""The Python face: what ``import bindery`` gives."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bindery.encoders import Encoder
from bindery.encoders.loading import load_encoder
from bindery.errors import InvalidValue, did_you_mean
from bindery.library import Library
from bindery.library.names import ModelNames, rows_of_folders
from bindery.models.card import CatalogEntry, FolderRow, Lengths, RemoteEntry, Row
from bindery.models.catalog import CATALOG, read_catalog
from bindery.models.layouts import read_layout, with_lengths
from bindery.options import ModelOptions, names_of
from bindery.settings import Settings, read_keys, read_settings
from bindery.workspace import Workspace

# The limits of a service, which have the same names in Settings and Library.
_LIMITS = ("cache_bytes", "shares_cache", "memory_budget_bytes", "queue_tokens")


def load(
    model: str | Path,
    *,
    precision: str | None = None,
    threads: int | None = None,
    engine: str | None = None,
    device: str | None = None,
    home: Path | None = None,
    query_length: int | None = None,
    document_length: int | None = None,
) -> Encoder:
    """Load a model by its id, its repository name or a folder.

    A folder is in the layout of sentence-transformers, PyLate or Stanford ColBERT, or a cache of
    the Hugging Face hub; ``~`` stands for the home directory. ``precision``, ``threads``,
    ``engine`` and ``device`` are those of :class:`bindery.ModelOptions`. ``home`` is the folder
    where models are kept. ``query_length`` and ``document_length`` replace a late-interaction
    model's own, in tokens. Anything that is not given is read from the settings
    (``BINDERY_HOME``, ``BINDERY_PRECISION`` and so on).

    Raises UnknownModel, which says what was tried; ModelMissing if a model of the catalog was not
    preloaded; and what :meth:`bindery.Library.encoder` raises.
    """
    given = {"precision": precision, "threads": threads, "engine": engine, "device": device}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    settings = replace(read_settings(os.environ), **chosen)
    lengths = Lengths(query_length, document_length)
    catalog = {**CATALOG, **_catalog(settings)}
    found = ModelNames(catalog, own=settings.models_folder, anywhere=True).find(model)
    if isinstance(found, Path):
        layout = read_layout(found)
        if lengths.is_given:
            layout = with_lengths(layout, query=lengths.query, document=lengths.document)
        return load_encoder(layout, _options(settings))
    return open_library(settings, home=home, lengths={found: lengths}).encoder(found)


def open(home: str | Path | None = None, **settings: object) -> Workspace:
    """Open everything that is kept under a home folder: models, files, jobs.

    ``home`` is ``BINDERY_HOME``, or the folder for user data if that is not set. ``settings`` are
    fields of :class:`bindery.settings.Settings`, such as ``precision="f32"`` or ``threads=2``, and
    replace those of the environment and of the settings file. Nothing is loaded before it is used.

    Raises InvalidValue for a setting that does not exist or that cannot be read.
    """
    known = {field.name for field in fields(Settings)}
    for name in settings:
        if name not in known:
            raise InvalidValue(
                f"Unknown setting {name!r}.",
                remedy=did_you_mean(name, known, "See docs/settings.md."),
                param=name,
            )
    given: dict[str, Any] = settings if home is None else {**settings, "home": Path(home)}
    chosen = replace(read_settings(os.environ), **given)
    chosen = replace(chosen, home=chosen.home.expanduser().absolute())
    return Workspace(open_library(chosen), parse_timeout_s=chosen.parse_timeout_s)


def open_library(
    settings: Settings,
    *,
    home: Path | None = None,
    lengths: Mapping[str, Lengths] | None = None,
    serves: bool = False,
) -> Library:
    """The library that the settings describe; arguments replace the settings.

    ``lengths`` replace those of late-interaction models, by id. A library that ``serves`` many
    callers also has the limits of a service (cache, queues, memory budget), which a single caller
    does not need.

    From the environment it reads only API keys, under the names in the rows of the catalog.
    """
    catalog = _catalog(settings)
    for model_id, given in (lengths or {}).items():
        row = catalog.get(model_id) or CATALOG.get(model_id)
        if isinstance(row, CatalogEntry | FolderRow) and given.is_given:
            catalog[model_id] = replace(row, lengths=given)
    remote = [entry.endpoint for entry in catalog.values() if isinstance(entry, RemoteEntry)]
    limits: dict[str, Any] = {name: getattr(settings, name) for name in _LIMITS} if serves else {}
    return Library(
        home or settings.home,
        _options(settings),
        catalog=catalog,
        own_models=settings.models_folder,
        takes_folders=not serves,
        database_url=settings.database_url,
        blobs_url=settings.blobs_url,
        keys=read_keys(os.environ, (endpoint.key for endpoint in remote if endpoint.key)),
        **limits,
    )


def _options(settings: Settings) -> ModelOptions:
    return ModelOptions(**{name: getattr(settings, name) for name in names_of(ModelOptions)})


def _catalog(settings: Settings) -> dict[str, Row]:
    """The rows of the user's own catalog, and one for each model in the folder of own models."""
    rows = dict(read_catalog(settings.catalog)) if settings.catalog else {}
    if settings.models_folder:
        rows |= rows_of_folders(settings.models_folder, {**CATALOG, **rows})
    return rows
