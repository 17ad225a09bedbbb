"""Files and folders of this machine, added to a collection: new, changed, gone and renamed.

A file that is gone may be on a disk that is not mounted. So nothing is removed because of a folder
that is missing or empty, or because most of its files are gone, unless that is confirmed.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from bindery.errors import InputError, InvalidValue, UnknownFile
from bindery.jobs import FileState, JobFile, JobRequest
from bindery.jobs.jobs import Jobs
from bindery.jobs.recipe import Recipe, make_recipe
from bindery.jobs.sources import LocalFiles, shown_path, walk
from bindery.library import Library
from bindery.options import AUTO, ChunkOptions, VectorOptions, names_of
from bindery.search.collection import Collection, Collections
from bindery.search.maintenance import FEW_ROWS, Maintainer, rewrite, seal
from bindery.store.collections import CollectionFile

_MOST_GONE = 0.5

FILES_WITH_TITLES = 10
"""A collection that begins with this number of files has their titles in its vectors."""


@dataclass(frozen=True, slots=True)
class LocalInputs:
    """Files of this machine by the names that they will have in a collection.

    ``roots`` are absolute paths by the names, or beginnings of names, that stand for them.
    ``skipped`` files have their reasons, and ``missing`` paths do not exist.
    """

    files: Mapping[str, Path]
    roots: Mapping[str, str]
    skipped: Mapping[str, str]
    missing: tuple[str, ...] = ()


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
    missing: list[str] = []
    names = {file.source: file.name for file in known}
    for given in dict.fromkeys(Path(one).expanduser().absolute() for one in paths):
        if not _exists(given):
            missing.append(shown_path(given))
            continue
        root = _free_name(given, roots, known)
        roots[root] = str(given)
        if not given.is_dir():
            files[root] = given
            continue

        def skip(inner: str, why: str, folder: str = root) -> None:
            skipped[f"{folder}/{inner}"] = why

        found = walk(given, without=None, takes_hidden=takes_hidden, skip=skip)
        files.update({f"{root}/{inner}": file for inner, file in found.items()})
    if missing and not roots:
        raise UnknownFile(f"There is no file or folder {missing[0][:200]!r}.", param="paths")
    kept = {names.get(str(path), name): path for name, path in files.items()}
    roots.update({name: str(path) for name, path in kept.items() if name not in files})
    return LocalInputs(kept, roots, skipped, tuple(missing))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for the file system
        return False


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


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What is to be done so that a collection holds what folders hold.

    ``renamed`` are former names by new ones, of files whose content has only moved.
    """

    gone: tuple[str, ...]
    renamed: Mapping[str, str]

    def check(self, known: int) -> None:
        """Raise InputError if most files are gone, as if the folder were not mounted."""
        if self.gone and len(self.gone) > _MOST_GONE * known:
            raise InputError(
                f"{len(self.gone):,} of {known:,} files are gone. Is the disk mounted?",
                remedy="Use --yes to remove them.",
                param="sync",
            )


def plan_sync(inputs: LocalInputs, known: Sequence[CollectionFile]) -> SyncPlan:
    """Which files of the folders that were given are gone, and which only have other names."""
    roots = tuple(f"{root}/" for root in inputs.roots.values())
    mine = [file for file in known if file.source.startswith(roots)]
    gone = {file.name: file for file in mine if file.name not in inputs.files}
    names = {file.name for file in known}
    new = {name: path for name, path in inputs.files.items() if name not in names}
    renamed = _renamed(gone, new, _digest)
    left = tuple(sorted(name for name in gone if name not in set(renamed.values())))
    return SyncPlan(left, renamed)


def count_known(inputs: LocalInputs, known: Sequence[CollectionFile]) -> int:
    """How many files of the collection are from the folders that were given."""
    roots = tuple(f"{root}/" for root in inputs.roots.values())
    return sum(file.source.startswith(roots) for file in known)


def _renamed(
    gone: Mapping[str, CollectionFile],
    new: Mapping[str, Path],
    digest: Callable[[Path], str | None],
) -> dict[str, str]:
    """Former names by new ones, of contents that are once among the gone and once among the new."""
    sizes = {file.size_bytes for file in gone.values()}
    contents = Counter(file.content for file in gone.values())
    former = {file.content: name for name, file in gone.items() if contents[file.content] == 1}
    found: dict[str, str] = {}
    for name, path in new.items():
        try:
            is_candidate = path.stat().st_size in sizes
        except OSError:  # adding it says why
            continue
        if is_candidate and (content := digest(path)) in former:
            found[name] = former.pop(content)
    return found


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # adding it says why
        return None


@dataclass(frozen=True, slots=True)
class AddOptions:
    """How files are added.

    With ``syncs`` files that are gone from the folders are removed from the collection, most of
    them only if ``confirms``. ``limit_bytes`` is how large a file may be, ``timeout_s`` how long
    parsing one may take.
    """

    takes_hidden: bool = False
    syncs: bool = False
    confirms: bool = False
    timeout_s: float = 30.0
    limit_bytes: int = 200 << 20


@dataclass(frozen=True, slots=True)
class AddReport:
    """What became of the files: those that failed, are gone from the folders, or were skipped.

    ``gone`` files are still in the collection, unless it was synced. ``skipped`` has reasons, and
    ``missing`` are the paths that do not exist. ``warnings`` are about the whole collection, such
    as that its model is not meant for the language of its documents.
    """

    files: tuple[JobFile, ...]
    gone: tuple[str, ...]
    skipped: Mapping[str, str]
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> list[JobFile]:
        """The files that could not be added."""
        return [file for file in self.files if file.state is FileState.FAILED]


Run = Callable[[Jobs, str], object]
"""Runs a job by its id, until it is over."""


def add_local(
    library: Library,
    collection: Collection,
    paths: Sequence[str | Path],
    options: AddOptions,
    *,
    attributes: Mapping[str, object] | None = None,
    run: Run = Jobs.run,
) -> AddReport:
    """Add files and folders to a collection; they are found when this returns.

    A file that cannot be read fails alone. Raises InputError if there is no file, or if most files
    of the folders are gone; UnknownFile if no path exists.
    """
    known = collection.files()
    inputs = find_local(paths, known, takes_hidden=options.takes_hidden)
    plan = plan_sync(inputs, known)
    if options.syncs:
        if not options.confirms:
            plan.check(count_known(inputs, known))
        sources = {name: str(path) for name, path in inputs.files.items()}
        collection.rename(plan.renamed, sources)
        collection.remove(plan.gone)
    else:
        _check_files(inputs, paths)
    with Maintainer(library, lambda: [collection]):
        files = _run_job(library, collection, inputs, options, attributes, run)
    # A search in a new process would read and analyse the rows of the tail again.
    seal(collection.index, least_rows=FEW_ROWS)
    rewrite(collection.index)
    gone = () if options.syncs else plan.gone
    warnings = tuple(collection.warnings())
    return AddReport(tuple(files), gone, inputs.skipped, inputs.missing, warnings)


def open_for_adding(
    library: Library,
    collections: Collections,
    name: str,
    request: JobRequest,
    paths: Sequence[str | Path],
    options: AddOptions,
) -> Collection:
    """The collection of a name, made with the options of the request if it is not there.

    It is made only if there is a file to add, so that a mistyped path fixes nothing. Raises
    InvalidValue if it was made with other options; a request of defaults fits every collection.
    """
    found = collections.find(name)
    if found is None:
        inputs = find_local(paths, takes_hidden=options.takes_hidden)
        _check_files(inputs, paths)
        try:
            chosen = _with_context(request, len(inputs.files))
            return collections.create(name, make_recipe(library, chosen))
        except InvalidValue:
            # Another process may have made it a moment ago.
            if (found := collections.find(name)) is None:
                raise
    plain = JobRequest(request.files)
    if any(getattr(request, part) != getattr(plain, part) for part in _MADE_WITH):
        if request.chunks.context == AUTO:
            same = replace(request.chunks, context=found.recipe.chunks.context)
            request = replace(request, chunks=same)
        _check_same(found, make_recipe(library, request))
    return found


def _with_context(request: JobRequest, files: int) -> JobRequest:
    """The request for a collection that begins with this number of files.

    In many files titles tell similar passages apart: the right page of 12 company reports was among
    the best 5 for .649 of the questions instead of .486. In one file they only take room (-.026).
    """
    chunks = request.chunks
    if chunks.context != AUTO or chunks.is_late or files < FILES_WITH_TITLES:
        return request
    return replace(request, chunks=replace(chunks, context="title"))


_MADE_WITH = ("model", "chunks", "vectors")


def _check_same(collection: Collection, wanted: Recipe) -> None:
    have = collection.recipe
    for name, former, given in [
        ("model", have.model_name, wanted.model_name),
        *((n, getattr(have.chunks, n), getattr(wanted.chunks, n)) for n in names_of(ChunkOptions)),
        *(
            (n, getattr(have.vectors, n), getattr(wanted.vectors, n))
            for n in names_of(VectorOptions)
        ),
    ]:
        if former != given:
            raise InvalidValue(
                f"The collection {collection.name!r} was made with {name} {former}, not {given}.",
                remedy="Leave the options out, or add to another collection.",
                param=name,
            )


def _check_files(inputs: LocalInputs, paths: Sequence[str | Path]) -> None:
    if not inputs.files:
        raise InputError(
            f"There is no file to add in {', '.join(map(str, paths))[:200]}.",
            remedy="Hidden files are added with --hidden." if inputs.skipped else "",
            param="paths",
        )


def _run_job(
    library: Library,
    collection: Collection,
    inputs: LocalInputs,
    options: AddOptions,
    attributes: Mapping[str, object] | None,
    run: Run,
) -> list[JobFile]:
    if not inputs.files:
        return []
    source = LocalFiles(inputs.files, timeout_s=options.timeout_s, limit_bytes=options.limit_bytes)
    jobs = Jobs(library, source=source)
    owner = f"collection:{collection.id}"
    jobs.delete_stopped(owner)  # what they have done is found by its content
    request = collection.request(list(inputs.files), attributes=attributes, roots=inputs.roots)
    job = jobs.submit(request, owner=owner, known=collection.chunk_sets())
    run(jobs, job.id)
    files = jobs.files(job.id)
    jobs.delete(job.id)
    return files
