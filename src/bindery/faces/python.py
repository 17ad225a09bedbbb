"""The Python face: what ``import bindery`` gives."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bindery.encoders import Encoder
from bindery.encoders.loading import load_encoder
from bindery.library import Library
from bindery.models.card import CatalogEntry, Entry, Lengths, RemoteEntry
from bindery.models.catalog import CATALOG
from bindery.models.catalog_file import read_catalog
from bindery.models.layouts import read_layout, with_lengths
from bindery.settings import Settings, read_keys, read_settings

# Of a service: named alike by Settings and Library.
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
    """Load a model: an id such as ``"vanilla"``, or a folder of a model.

    A folder is in the layout of sentence-transformers, PyLate or Stanford ColBERT. A string is a
    folder if it holds a slash and an id otherwise. ``precision`` is ``"auto"``,
    ``"f32"``, ``"bf16"`` or ``"int8"``; ``threads`` None means every core; ``home`` is where models
    are kept.
    ``engine`` is ``"auto"``, ``"openvino"`` or ``"torch"``, and ``device`` ``"auto"``, ``"cpu"``,
    ``"cuda"``, ``"cuda:1"`` and so on, or ``"mps"``: what is not OpenVINO on the processor needs
    ``pip install "bindery[torch]"``.
    ``query_length`` and ``document_length`` are for late-interaction models alone, in tokens, in
    place of their own.
    What is not given is read from the environment (``BINDERY_HOME``, ``BINDERY_PRECISION`` ...).

    Raises ModelMissing where a model of the catalog was not preloaded, and what
    :meth:`bindery.library.Library.encoder` does.
    """
    given = {"precision": precision, "threads": threads, "engine": engine, "device": device}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    settings = replace(read_settings(os.environ), **chosen)
    lengths = Lengths(query_length, document_length)
    if isinstance(model, Path) or "/" in model or os.sep in model:
        layout = read_layout(Path(model))
        if lengths.is_given:
            layout = with_lengths(layout, query=lengths.query, document=lengths.document)
        return load_encoder(
            layout,
            precision=settings.precision,
            threads=settings.threads,
            engine=settings.engine,
            device=settings.device,
        )
    return open_library(settings, home=home, lengths={model: lengths}).encoder(model)


def open_library(
    settings: Settings,
    *,
    home: Path | None = None,
    precision: str | None = None,
    threads: int | None = None,
    lengths: Mapping[str, Lengths] | None = None,
    serves: bool = False,
) -> Library:
    """The library that the settings describe; arguments go before them.

    ``lengths`` are those of late-interaction models, by id, in place of what their rows say. One
    that ``serves`` many callers takes the limits of a service too: its cache, its queues and its
    memory budget. One caller waits for its own texts, and has no use for them.

    Of the environment only the keys are read, under the names that the catalog's rows give.
    """
    catalog: dict[str, Entry] = dict(read_catalog(settings.catalog)) if settings.catalog else {}
    for model_id, given in (lengths or {}).items():
        entry = catalog.get(model_id) or CATALOG.get(model_id)
        if isinstance(entry, CatalogEntry) and given.is_given:
            catalog[model_id] = replace(entry, lengths=given)
    remote = [entry.endpoint for entry in catalog.values() if isinstance(entry, RemoteEntry)]
    limits: dict[str, Any] = {name: getattr(settings, name) for name in _LIMITS} if serves else {}
    return Library(
        home or settings.home,
        catalog=catalog,
        precision=settings.precision if precision is None else precision,
        threads=settings.threads if threads is None else threads,
        engine=settings.engine,
        device=settings.device,
        database_url=settings.database_url,
        blobs_url=settings.blobs_url,
        keys=read_keys(os.environ, (endpoint.key for endpoint in remote if endpoint.key)),
        **limits,
    )
