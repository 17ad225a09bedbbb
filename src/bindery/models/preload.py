"""Download models from the first source with the right files, completely or not at all."""

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

# As long as another process needs to download the largest model over a slow connection.
_TURN_TIMEOUT_S = 7200.0

Progress: TypeAlias = Callable[[str, str, int, int | None], None]
"""Called with the model's id, the file, its bytes so far, and its total bytes if known.

Before the first file of a source, it is called with the name of the source instead of a file, and 0
bytes. If it raises, the preload stops and the error is passed on.
"""


class State(StrEnum):
    """The result of preloading a model."""

    PRESENT = "present"
    FETCHED = "fetched"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one model; ``source`` is empty unless it was downloaded."""

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
    """Download and verify models; returns one outcome per model, in order.

    A model that is present and verified is left alone; a broken one is downloaded again. Sources
    are tried in order until one has the files that the catalog and the lock file expect. ``force``
    downloads models that are present too, and accepts new content if only the lock file objects. If
    a model is not available, its outcome has an error, its present files stay, and the others are
    still downloaded. A source that did not answer is not tried for later models: without a network,
    each would wait for the full timeout.
    """
    asked = _Sources(sources)
    return [_preload_one(entry, root, asked, progress, force=force) for entry in entries]


class _Sources:
    """Sources in order, and the errors of those that did not answer, by name."""

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
    """Whether a model is present, verified and completely recorded in the lock file."""
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
    """Download a model; returns the name of the source, or nothing if it was already there."""
    with _turn(root):
        # Another process may have downloaded it since, or the lock file was lost.
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


def remove_model(entry: CatalogEntry, root: Path) -> int:
    """Delete the files of a model in all revisions; how many bytes they had.

    Processes that have loaded it keep it until they end. Raises ModelMissing if there are none,
    StorageError.
    """
    folder = model_folder(entry, root).parent
    with _turn(root), storage_errors(folder):
        if not folder.exists():
            raise ModelMissing(f"Model {entry.id!r} is not on this machine.")
        size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        # First out of sight at once, because a part of a model would be a broken one.
        removed = folder.with_name(f".{folder.name}.removed")
        _remove(removed)
        folder.rename(removed)
        _remove(removed)
    return size_bytes


@contextmanager
def _turn(root: Path) -> Generator[None, None, None]:
    """Lock ``root`` for downloads, and remove what ended processes left in staging."""
    staging = root / "staging"
    with storage_errors(root):
        staging.mkdir(parents=True, exist_ok=True)
        (root / "models").mkdir(exist_ok=True)
    lock = FileLock(root / "preload.lock")
    with storage_errors(root):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("Waiting for another process that is downloading models into %s.", root)
            try:
                lock.acquire(timeout=_TURN_TIMEOUT_S)
            except Timeout:
                raise StorageError(
                    f"Another process has been downloading models into {root} for "
                    f"{_TURN_TIMEOUT_S:g} s.",
                    remedy="Wait for it or stop it, then try again.",
                ) from None
    try:
        # Their process has ended, otherwise we would not have the lock.
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
    """Download all files into staging, verify them, and move them into place in one step."""
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
        # Lock file first: if killed in between, the next preload must match these digests.
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
            remedy="These files differ from those of the first download. Try again. If the "
            f"change is intended, run `bindery preload {entry.id} --force`."
            if only_lock
            else "Try again. If that does not help, this source has other files.",
        )
    return inspection.good


def _place(folder: Path, target: Path, replaced: Path) -> None:
    with storage_errors(target):
        for inner in (path for path in folder.rglob("*") if path.is_dir()):
            sync_folder(inner)
        sync_folder(folder)
        # Renaming cannot replace a folder that is not empty, so move the old one away.
        if target.exists() or target.is_symlink():
            target.rename(replaced)
    move(folder, target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # If it cannot be removed now, the next preload tries again; it is never mistaken for
        # a model.
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _every_source_failed(
    entry: CatalogEntry, failures: Sequence[tuple[str, BinderyError]]
) -> BinderyError:
    lines = [f"Model {entry.id!r} could not be fetched from any source:"]
    lines += [f"  {source}: {error.message}" for source, error in failures] or [
        "  there are no sources."
    ]
    remedies = [error.remedy for _, error in failures if error.remedy]
    # The error with the most useful remedy determines the class.
    kinds = [type(error) for _, error in failures]
    kind = next((kind for kind in (ModelGated, ModelBroken) if kind in kinds), SourceError)
    if entry.release.gated and kind is not ModelGated:
        remedies.append(_gate(entry))
    return kind("\n".join(lines), remedy="\n".join(dict.fromkeys(remedies)))


def _gate(entry: CatalogEntry) -> str:
    """The terms of a gated model, even if the hub could not be reached."""
    release = entry.release
    also = f", or fetch the same files from {', '.join(release.mirrors)}" if release.mirrors else ""
    return (
        f"{release.repository} is gated (licence {entry.card.licence!r}): accept its terms on "
        f"{release.page} and set HF_TOKEN{also}."
    )
