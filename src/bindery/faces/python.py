"""The Python face: what ``import bindery`` gives."""

import os
from pathlib import Path

from bindery.encoders import Encoder
from bindery.encoders.loading import load_encoder
from bindery.library import Library
from bindery.models.catalog_file import read_catalog
from bindery.models.layout import read_layout
from bindery.settings import Settings, read_settings


def load(
    model: str | Path,
    *,
    precision: str | None = None,
    threads: int | None = None,
    home: Path | None = None,
) -> Encoder:
    """Load a model: an id such as ``"vanilla"``, or a folder in sentence-transformers layout.

    A string is a folder if it holds a slash and an id otherwise. ``precision`` is ``"auto"``,
    ``"f32"`` or ``"bf16"``; ``threads`` None means every core; ``home`` is where models are kept.
    What is not given is read from the environment (``BINDERY_HOME``, ``BINDERY_PRECISION`` ...).

    Raises ModelMissing where a model of the catalog was not preloaded, and what
    :meth:`bindery.library.Library.encoder` does.
    """
    settings = read_settings(os.environ)
    precision = settings.precision if precision is None else precision
    threads = settings.threads if threads is None else threads
    if isinstance(model, Path) or "/" in model or os.sep in model:
        return load_encoder(read_layout(Path(model)), precision=precision, threads=threads)
    library = open_library(settings, home=home, precision=precision, threads=threads)
    return library.encoder(model)


def open_library(
    settings: Settings,
    *,
    home: Path | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Library:
    """The library that the settings describe; arguments go before them."""
    return Library(
        home or settings.home,
        catalog=read_catalog(settings.catalog) if settings.catalog else None,
        precision=settings.precision if precision is None else precision,
        threads=settings.threads if threads is None else threads,
    )
