"""Files and folders of this machine against a collection: new, gone and renamed.

A file that is gone may be on a disk that is not mounted. So nothing is removed because a folder is
missing, empty or not readable, or because most of its files are gone, unless that is confirmed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bindery.errors import InputError, MostFilesGone, UnknownFile
from bindery.jobs.ignoring import IgnoreRules
from bindery.jobs.sources import gone, shown_path, walk
from bindery.store.collections import CollectionFile

_MOST_GONE = 0.5


@dataclass(frozen=True, slots=True)
class LocalInputs:
    """Files of this machine by the names that they will have in a collection.

    ``given`` are the paths that exist, absolute. ``roots`` are absolute paths by the names, or
    beginnings of names, that stand for them. ``skipped`` files have their reasons, ``unreadable``
    folders too, by their absolute paths, and ``missing`` paths do not exist.
    """

    files: Mapping[str, Path]
    given: tuple[str, ...]
    roots: Mapping[str, str]
    skipped: Mapping[str, str]
    unreadable: Mapping[str, str]
    missing: tuple[str, ...] = ()

    def check(self, paths: Sequence[str | Path]) -> None:
        """Raise InputError if there is no file, and UnknownFile if no folder can be read."""
        if self.files:
            return
        if self.unreadable:
            path, why = next(iter(self.unreadable.items()))
            raise UnknownFile(f"{path[:200]!r} cannot be read: {why}.", param="paths")
        raise InputError(
            f"There is no file to add in {', '.join(map(str, paths))[:200]}.",
            remedy="Hidden files are added with --hidden." if self.skipped else "",
            param="paths",
        )


def find_local(
    paths: Sequence[str | Path],
    known: Sequence[CollectionFile] = (),
    *,
    takes_hidden: bool = False,
) -> LocalInputs:
    """The files of paths and folders.

    A file that the collection ``known`` has from the same path keeps its name. The name of any
    other one is that of the file, and in a folder begins with the name of the folder; folders above
    it are added until the name is free. Raises UnknownFile if none of the paths exists.
    """
    files: dict[str, Path] = {}
    roots: dict[str, str] = {}
    skipped: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    given, missing = find_paths(paths)
    for path in given:
        root = _free_name(path, roots, known)
        roots[root] = str(path)
        inner = files_of(path, takes_hidden=takes_hidden, skipped=skipped, unreadable=unreadable)
        files.update({f"{root}/{name}" if name else root: file for name, file in inner.items()})
    if missing and not given:
        raise gone(missing[0], Path(missing[0]), param="paths")
    names = {file.source: file.name for file in known}
    kept = {names.get(str(path), name): path for name, path in files.items()}
    roots.update({name: str(path) for name, path in kept.items() if name not in files})
    return LocalInputs(kept, tuple(map(str, given)), roots, skipped, unreadable, tuple(missing))


def find_paths(paths: Iterable[str | Path]) -> tuple[list[Path], list[str]]:
    """The paths that exist, absolute and each once, and those that do not."""
    given = list(dict.fromkeys(Path(one).expanduser().absolute() for one in paths))
    there = [path for path in given if _exists(path)]
    return there, [shown_path(path) for path in given if path not in there]


def files_of(
    path: Path,
    *,
    takes_hidden: bool,
    skipped: dict[str, str] | None = None,
    unreadable: dict[str, str] | None = None,
) -> Mapping[str, Path]:
    """The files in a folder by their names there; a file by the name "".

    ``skipped`` files and ``unreadable`` folders are added with their reasons.
    """
    if not path.is_dir():
        return {"": path}
    left, failed = {} if skipped is None else skipped, {} if unreadable is None else unreadable
    real = path.resolve()

    def skip(inner: str, why: str) -> None:
        left[f"{shown_path(path)}/{inner}"] = why

    def fail(folder: Path, why: str) -> None:
        failed[str(path / folder.relative_to(real))] = why

    found = walk(
        path,
        without=None,
        takes_hidden=takes_hidden,
        skip=skip,
        ignores=IgnoreRules(path),
        fail=fail,
    )
    return {name: path / file.relative_to(real) for name, file in found.items()}


def _free_name(path: Path, roots: Mapping[str, str], known: Sequence[CollectionFile]) -> str:
    """The shortest end of a path that no other path has as its name."""
    others = [
        file.name
        for file in known
        if file.source != str(path)
        and not file.source.startswith(f"{path}/")
        and _exists(Path(file.source))
    ]
    taken = {*others, *(name for name, root in roots.items() if root != str(path))}
    for one in others:
        taken.update(str(folder) for folder in PurePosixPath(one).parents)
    ends = ["/".join(path.parts[-n:]) for n in range(1, len(path.parts))]
    return shown_path(next((end for end in ends if end not in taken), str(path).lstrip("/")))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for the file system
        return False


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What is to be done so that a collection holds what folders hold.

    ``gone`` are names in the collection. ``renamed`` are former names by new ones, of files whose
    content has only moved. ``emptied`` are folders that have lost most of their files, with how
    many are gone and how many there were.
    """

    gone: tuple[str, ...]
    renamed: Mapping[str, str]
    emptied: Mapping[str, tuple[int, int]]

    def check(self) -> None:
        """Raise MostFilesGone if a folder may not be all there."""
        for folder, (lost, known) in self.emptied.items():
            raise MostFilesGone(
                f"{lost:,} of {known:,} files of {folder!r} are gone. Is its disk mounted?",
                remedy="Use --yes to remove them.",
                param="sync",
            )


def plan_sync(inputs: LocalInputs, known: Sequence[CollectionFile]) -> SyncPlan:
    """Which files of the folders that were given are gone, and which only have other names.

    Files elsewhere that are gone can only be renamed: their folder has another name now. What is
    below a folder that cannot be read is not gone.
    """
    hidden = tuple(f"{folder}/" for folder in inputs.unreadable)
    absent = [
        file
        for file in known
        if file.name not in inputs.files and not file.source.startswith(hidden)
    ]
    mine = {root: [file for file in absent if _is_in(file, root)] for root in inputs.given}
    names = {file.name for file in known}
    new = {name: path for name, path in inputs.files.items() if name not in names}
    moved = {file.name for files in mine.values() for file in files}
    if new:
        moved.update(file.name for file in absent if _is_gone(file))
    renamed = _renamed([file for file in absent if file.name in moved], new)
    former = set(renamed.values())
    gone = {
        root: [one.name for one in files if one.name not in former] for root, files in mine.items()
    }
    emptied: dict[str, tuple[int, int]] = {}
    for root, files in gone.items():
        total = sum(_is_in(file, root) for file in known)
        if files and len(files) > _MOST_GONE * total:
            emptied[root] = (len(files), total)
    left = sorted({name for files in gone.values() for name in files})
    return SyncPlan(tuple(left), renamed, emptied)


def _is_in(file: CollectionFile, root: str) -> bool:
    return file.source == root or file.source.startswith(f"{root}/")


def _is_gone(file: CollectionFile) -> bool:
    path = Path(file.source)  # the id of a stored file is not absolute
    return path.is_absolute() and not _exists(path)


def _renamed(gone: Sequence[CollectionFile], new: Mapping[str, Path]) -> dict[str, str]:
    """Former names by new ones, of files with the same content.

    Of several with one content, those with the same file name belong together, in order.
    """
    sizes = {file.size_bytes for file in gone}
    former: dict[str, list[str]] = defaultdict(list)
    later: dict[str, list[str]] = defaultdict(list)
    for file in gone:
        former[file.content].append(file.name)
    for name, path in new.items():
        try:
            is_candidate = path.stat().st_size in sizes
            content = _digest(path) if is_candidate else ""
        except OSError:  # adding it says why
            continue
        if content in former:
            later[content].append(name)
    pairs: dict[str, str] = {}
    for content, names in later.items():
        by_file = _by_file_name(former[content])
        for last, some in _by_file_name(names).items():
            if len(some) == len(by_file.get(last, ())):
                pairs.update(zip(some, by_file[last], strict=True))
        rest = [name for name in names if name not in pairs]
        left = [name for name in former[content] if name not in set(pairs.values())]
        if len(rest) == len(left) == 1:
            pairs[rest[0]] = left[0]
    return pairs


def _by_file_name(names: Iterable[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=lambda one: one.split("/")[::-1]):
        found[name.rpartition("/")[2]].append(name)
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
