"""Fetch models: from the first source that gives the right files, whole or not at all."""

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from filelock import FileLock, Timeout

from bindery.disk import move, storage_errors, sync_folder, whole_file
from bindery.errors import (
    BinderyError,
    ModelBroken,
    ModelGated,
    ModelMissing,
    SourceError,
    StorageError,
)
from bindery.models.cache import locate, model_folder, read_lock, write_lock
from bindery.models.card import CatalogEntry
from bindery.models.sources import Source, SourceFile, SourceUnreached
from bindery.models.verify import FileDigest, inspect

_log = logging.getLogger(__name__)

# As long as the largest model takes over a slow line in the process that is ahead.
_TURN_TIMEOUT_S = 7200.0

Progress: TypeAlias = Callable[[str, str, int, int | None], None]
"""Told of the model's id, the file, its bytes so far, and all its bytes where known.

Before the first file of a source it is told of the source's name in place of a file, with 0 bytes.
What it raises stops the preload and is passed on.
"""


class State(StrEnum):
    """How the preload of a model ended."""

    PRESENT = "present"
    FETCHED = "fetched"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the preload of one model ended; ``source`` is empty unless it was fetched."""

    id: str
    state: State
    source: str
    seconds: float
    error: BinderyError | None = None

    def __post_init__(self) -> None:
        assert (self.state is State.FAILED) == (self.error is not None)
        assert (self.state is State.FETCHED) == bool(self.source)


def _silent(model: str, file: str, done: int, total: int | None) -> None:
    del model, file, done, total


def preload(
    entries: Iterable[CatalogEntry],
    root: Path,
    sources: Sequence[Source],
    *,
    progress: Progress = _silent,
    force: bool = False,
) -> list[Outcome]:
    """Have the models on this machine: one outcome each, in order, whatever becomes of the others.

    A model that is there and verified is left alone; one that is broken is fetched again. The
    sources are asked in order until one gives the files that the catalog and the lock file expect.
    ``force`` fetches also what is there, and takes new content where only the lock file objects.
    A model that cannot be had is an outcome with an error, and what was there of it stays.
    A source that did not answer is not asked again for the models after it: without a network each
    would cost the whole wait.
    """
    asked = _Sources(sources)
    return [_preload_one(entry, root, asked, progress, force=force) for entry in entries]


class _Sources:
    """Sources in order, and those that did not answer, by name."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.all = sources
        self.unreached: dict[str, SourceUnreached] = {}


def _preload_one(
    entry: CatalogEntry, root: Path, sources: _Sources, progress: Progress, *, force: bool
) -> Outcome:
    started = time.monotonic()
    state, source, error = State.PRESENT, "", None
    try:
        if force or not _is_settled(entry, root):
            source = _obtain(entry, root, sources, progress, force=force)
            state = State.FETCHED if source else State.PRESENT
    except BinderyError as failure:
        state, error = State.FAILED, failure
    return Outcome(entry.id, state, source, time.monotonic() - started, error)


def _is_settled(entry: CatalogEntry, root: Path) -> bool:
    """Whether a model is there, good, and wholly in the lock file: then nothing is written."""
    return _is_good(entry, root) and set(read_lock(entry, root)) >= (
        set(entry.release.files) - entry.release.optional
    )


def _is_good(entry: CatalogEntry, root: Path) -> bool:
    try:
        locate(entry, root)
    except (ModelMissing, ModelBroken):
        return False
    return True


def _obtain(
    entry: CatalogEntry, root: Path, sources: _Sources, progress: Progress, *, force: bool
) -> str:
    """Fetch a model; gives the name of the source, or nothing if it has turned out to be there."""
    with _turn(root):
        # Another process may have fetched it meanwhile; or the lock file was lost.
        if not force and _is_good(entry, root):
            folder = model_folder(entry, root)
            write_lock(entry, root, inspect(folder, entry, read_lock(entry, root)).good)
            return ""

        failures: list[tuple[str, BinderyError]] = []
        locked = read_lock(entry, root)
        known: Mapping[str, FileDigest] = {} if force else locked
        for source in sources.all:
            if (unreached := sources.unreached.get(source.name)) is not None:
                failures.append((source.name, unreached))
                continue
            progress(entry.id, source.name, 0, None)
            try:
                _install(entry, root, source, known, progress)
            except (SourceError, ModelGated, ModelBroken) as error:
                failures.append((source.name, error))
                if isinstance(error, SourceUnreached):
                    sources.unreached[source.name] = error
            else:
                return source.name
        raise _every_source_failed(entry, failures)


@contextmanager
def _turn(root: Path) -> Generator[None, None, None]:
    """Be the one process that fetches into ``root``; what dead ones left in staging is removed."""
    staging = root / "staging"
    with storage_errors(root):
        staging.mkdir(parents=True, exist_ok=True)
        (root / "models").mkdir(exist_ok=True)
    lock = FileLock(root / "preload.lock")
    with storage_errors(root):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("Waiting for another process that fetches models into %s.", root)
            try:
                lock.acquire(timeout=_TURN_TIMEOUT_S)
            except Timeout:
                raise StorageError(
                    f"Another process has been fetching models into {root} for "
                    f"{_TURN_TIMEOUT_S:g} s.",
                    remedy="Wait for it or end it, then try again.",
                ) from None
    try:
        # Whoever made these is dead: else the lock would not be ours.
        with storage_errors(staging):
            for leftover in staging.iterdir():
                _remove(leftover)
        yield
    finally:
        lock.release()


def _install(
    entry: CatalogEntry,
    root: Path,
    source: Source,
    known: Mapping[str, FileDigest],
    progress: Progress,
) -> None:
    """Fetch all files into staging, verify them there, move them to their place in one step."""
    target = model_folder(entry, root)
    with storage_errors(root):
        scratch = Path(tempfile.mkdtemp(dir=root / "staging"))
    try:
        folder = scratch / "model"
        with storage_errors(folder):
            folder.mkdir()
            (scratch / "source").mkdir()
        with closing(source.files(entry, scratch / "source")) as files:
            for file in files:
                _write(file, folder / file.path, entry.id, progress)
        fetched = _verified(folder, entry, known)
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        # First the lock: killed in between, the digests stand and the next preload must meet them.
        write_lock(entry, root, fetched)
        _place(folder, target, scratch / "replaced")
    finally:
        _remove(scratch)


def _write(file: SourceFile, target: Path, model: str, progress: Progress) -> None:
    done = 0
    progress(model, file.path, done, file.size)
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as sink:
        for piece in file.pieces:
            sink.write(piece)
            done += len(piece)
            progress(model, file.path, done, file.size)


def _verified(
    folder: Path, entry: CatalogEntry, known: Mapping[str, FileDigest]
) -> Mapping[str, FileDigest]:
    inspection = inspect(folder, entry, known)
    if inspection.faults:
        only_lock = all(fault.by_lock for fault in inspection.faults)
        raise ModelBroken(
            f"{'; '.join(f'{fault.path} {fault.reason}' for fault in inspection.faults)}.",
            remedy="These are not the files that were fetched before. Try again; if they are "
            f"meant to have changed, run `bindery preload {entry.id} --force`."
            if only_lock
            else "Try again; if that does not help, this source carries other files.",
        )
    return inspection.good


def _place(folder: Path, target: Path, replaced: Path) -> None:
    with storage_errors(target):
        for inner in (path for path in folder.rglob("*") if path.is_dir()):
            sync_folder(inner)
        sync_folder(folder)
        # A folder that is not empty cannot be replaced by renaming: move the old one away.
        if target.exists() or target.is_symlink():
            target.rename(replaced)
    move(folder, target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # What cannot be removed now is tried again by the next preload, and never mistaken for
        # a model.
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _every_source_failed(
    entry: CatalogEntry, failures: Sequence[tuple[str, BinderyError]]
) -> BinderyError:
    lines = [f"Model {entry.id!r} could not be fetched from any source:"]
    lines += [f"  {source}: {error.message}" for source, error in failures] or ["  none was given."]
    remedies = [error.remedy for _, error in failures if error.remedy]
    # The error that says most of what to do gives the class.
    kinds = [type(error) for _, error in failures]
    kind = next((kind for kind in (ModelGated, ModelBroken) if kind in kinds), SourceError)
    if entry.release.gated and kind is not ModelGated:
        remedies.append(_gate(entry))
    return kind("\n".join(lines), remedy="\n".join(dict.fromkeys(remedies)))


def _gate(entry: CatalogEntry) -> str:
    """What stands before a gated model also where the hub could not say so."""
    release = entry.release
    also = f", or fetch the same files from {', '.join(release.mirrors)}" if release.mirrors else ""
    return (
        f"{release.repository} is gated (licence {entry.card.licence!r}): accept its terms on its "
        f"page on the hub and set HF_TOKEN{also}."
    )
