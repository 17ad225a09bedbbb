"""Long work on collections that commands ask for, done by the server of the home or by themselves.

Each function reports what happens, and returns facts for JSON. Between two steps it calls ``tell``,
which may stop it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from bindery.jobs import Jobs
from bindery.jobs.following import Tell, run_followed
from bindery.search.adding import Addition, add_local
from bindery.search.collection import Collection, Collections
from bindery.search.exchange import export_collection
from bindery.search.foreign import import_collection
from bindery.search.generations import Run
from bindery.vectors.forms import Form

LocalWork: TypeAlias = Callable[[Collections, Tell], Mapping[str, Any]]


def add(wanted: Addition, collections: Collections, tell: Tell) -> Mapping[str, Any]:
    """Add files and folders: see :func:`bindery.search.adding.add_local`."""
    collection, report = add_local(collections, wanted, run=partial(run_followed, tell=tell))
    return {**collection.facts(), **report.facts()}


def rebuild(
    name: str,
    model: str | None,
    options: Mapping[str, Any],
    collections: Collections,
    tell: Tell,
    *,
    accepts_loss: bool,
) -> Mapping[str, Any]:
    """Make a collection again by other options, or the files of its index if there are none."""
    collection = collections.get(name)
    if model is None and not options:
        collection.rebuild_index()
        return collection.facts()
    collection.rebuild(model, accepts_loss=accepts_loss, run=_told(tell), **options)
    return _active(collection)


def roll_back(
    name: str, collections: Collections, tell: Tell, *, accepts_loss: bool
) -> Mapping[str, Any]:
    """Have the former generation of a collection answer again."""
    collection = collections.get(name)
    collection.rollback(accepts_loss=accepts_loss, run=_told(tell))
    return _active(collection)


def export(
    name: str, path: Path, form: str, collections: Collections, tell: Tell
) -> Mapping[str, Any]:
    """Write a collection to a file: see :func:`bindery.search.exchange.export_collection`."""
    chunks = export_collection(collections.get(name), path, Form(form), check=lambda: tell(()))
    return {"collection": name, "file": str(path), "chunks": chunks}


def import_(
    name: str, source: str, of_records: Mapping[str, str], collections: Collections, tell: Tell
) -> Mapping[str, Any]:
    """Make a collection: see :func:`bindery.search.foreign.import_collection`."""
    report = import_collection(collections, name, source, check=lambda: tell(()), **of_records)
    return report.facts()


def _told(tell: Tell) -> Run:
    return partial(run_followed, tell=tell, run=Jobs.finish)


def _active(collection: Collection) -> Mapping[str, Any]:
    [active] = [one for one in collection.generations if one.state == "active"]
    return {"name": collection.name, **active.facts()}
