"""Files and folders of this machine, added to a collection, and what became of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bindery.errors import InvalidValue
from bindery.jobs import FileState, JobFile, JobRequest
from bindery.jobs.jobs import Jobs
from bindery.jobs.recipe import make_recipe
from bindery.jobs.sources import LocalFiles
from bindery.library import Library
from bindery.options import AUTO, ChunkOptions, VectorOptions, names_of
from bindery.search.collection import Collection, Collections
from bindery.search.generations import Run
from bindery.search.local_files import LocalInputs, find_local, plan_sync
from bindery.search.maintainer import Maintainer
from bindery.search.maintenance import FEW_ROWS, rewrite, seal

FILES_WITH_TITLES = 10
"""A collection that begins with this number of files has their titles in its vectors."""

_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class AddOptions:
    """How files are added.

    With ``syncs`` files that are gone from the folders are removed from the collection, most of
    the files of a folder only if ``confirms``. ``only`` are absolute paths: other files of the
    folders are taken to be unchanged. ``limit_bytes`` is how large a file may be, ``timeout_s`` how
    long parsing one may take.
    """

    takes_hidden: bool = False
    syncs: bool = False
    confirms: bool = False
    only: frozenset[str] | None = None
    timeout_s: float = 30.0
    limit_bytes: int = 200 << 20


@dataclass(frozen=True, slots=True)
class AddReport:
    """What became of the files of an addition, by their names in the collection.

    ``renamed`` are former names by new ones. ``gone`` files are not on the disk any more, and were
    ``removed`` only if the folders were synced. ``skipped`` files, ``unreadable`` folders and the
    ``missing`` paths are as they were given, the first two with reasons. ``warnings`` are about the
    whole collection, such as that its model is not meant for the language of its documents.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: tuple[JobFile, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    removed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict[str, str])
    unreadable: Mapping[str, str] = field(default_factory=dict[str, str])
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything that was given could be read and added."""
        return not (self.failed or self.unreadable or self.missing)

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "is_complete": self.is_complete,
            "added": list(self.added),
            "changed": list(self.changed),
            "unchanged": list(self.unchanged),
            "failed": [
                {
                    "file": file.name,
                    "code": file.error_code,
                    "message": file.error_message,
                    "remedy": file.remedy,
                }
                for file in self.failed
            ],
            "renamed": dict(self.renamed),
            "removed": list(self.removed),
            "gone": list(self.gone),
            "skipped": dict(self.skipped),
            "unreadable": dict(self.unreadable),
            "missing": list(self.missing),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class Addition:
    """Files and folders for the collection of a name, and their attributes.

    ``request`` says how the files of a new collection are cut and embedded.
    """

    collection: str
    paths: Sequence[str | Path]
    request: JobRequest
    options: AddOptions = field(default_factory=AddOptions)
    attributes: Mapping[str, object] | None = None


def add_local(
    collections: Collections, wanted: Addition, *, run: Run = Jobs.run
) -> tuple[Collection, AddReport]:
    """Add files and folders to a collection; they are found when this returns.

    The collection is made only if there is a file to add, so that a mistyped path fixes nothing. A
    file that cannot be read fails alone. Raises InvalidValue if the collection was made with other
    options; a request of defaults fits every collection. Raises InputError if there is no file,
    MostFilesGone unless that is confirmed, and UnknownFile if no path exists.
    """
    options, library = wanted.options, collections.library
    found = collections.find(wanted.collection)
    if found is not None:
        _check_same(library, found, wanted.request)
    known = found.files() if found else []
    inputs = find_local(wanted.paths, known, takes_hidden=options.takes_hidden)
    if found is None or not options.syncs:
        inputs.check(wanted.paths)
    plan = plan_sync(inputs, known)
    collection = found or _create(collections, wanted, len(inputs.files))
    gone, renamed = plan.gone, plan.renamed
    if options.only is not None:
        sources = {file.name: file.source for file in known}
        files = {name: path for name, path in inputs.files.items() if str(path) in options.only}
        inputs = replace(inputs, files=files)
        gone = tuple(name for name in gone if sources[name] in options.only)
        renamed = {new: former for new, former in renamed.items() if new in files}
    if options.syncs:
        if gone and not options.confirms:
            plan.check()
        collection.rename(renamed, {name: str(path) for name, path in inputs.files.items()})
        collection.remove(gone)
    with Maintainer(library, lambda: [collection]):
        files = _run_job(library, collection, inputs, wanted, run)
    # A search in a new process would read and analyse the rows of the tail again.
    seal(collection.index, least_rows=FEW_ROWS)
    rewrite(collection.index)
    contents = {file.name: file.content for file in known}
    contents |= {new: contents[former] for new, former in renamed.items() if options.syncs}
    report = AddReport(
        **_outcomes(collection, files, contents),
        renamed=renamed if options.syncs else {},
        removed=gone if options.syncs else (),
        gone=() if options.syncs else gone,
        skipped=inputs.skipped,
        unreadable=inputs.unreadable,
        missing=inputs.missing,
        warnings=tuple(collection.facts()["warnings"]),
    )
    return collection, report


def _outcomes(
    collection: Collection, files: Sequence[JobFile], former: Mapping[str, str]
) -> dict[str, Any]:
    """The files of a job by what became of them, given the contents that they had before."""
    now = {file.name: file.content for file in collection.files()}
    found: dict[str, list[Any]] = {"added": [], "changed": [], "unchanged": [], "failed": []}
    for file in files:
        if file.state is FileState.FAILED:
            found["failed"].append(file)
        elif file.name not in former:
            found["added"].append(file.name)
        else:
            same = now.get(file.name) == former[file.name]
            found["unchanged" if same else "changed"].append(file.name)
    return {name: tuple(some) for name, some in found.items()}


def _create(collections: Collections, wanted: Addition, files: int) -> Collection:
    library, request = collections.library, _with_context(wanted.request, files)
    try:
        return collections.create(wanted.collection, make_recipe(library, request))
    except InvalidValue:
        # Another process may have made it a moment ago.
        if (found := collections.find(wanted.collection)) is None:
            raise
    _check_same(library, found, wanted.request)
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


def _check_same(library: Library, collection: Collection, request: JobRequest) -> None:
    plain = JobRequest(request.files)
    if all(getattr(request, part) == getattr(plain, part) for part in _MADE_WITH):
        return
    if request.chunks.context == AUTO:
        same = replace(request.chunks, context=collection.recipe.chunks.context)
        request = replace(request, chunks=same)
    have, wanted = collection.recipe, make_recipe(library, request)
    if have.folder and wanted.folder and have.revision == wanted.revision:
        # The same files in a folder that was moved are the same model.
        wanted = replace(wanted, folder=have.folder)
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


def _run_job(
    library: Library,
    collection: Collection,
    inputs: LocalInputs,
    wanted: Addition,
    run: Run,
) -> list[JobFile]:
    if not inputs.files:
        return []
    options = wanted.options
    source = LocalFiles(inputs.files, timeout_s=options.timeout_s, limit_bytes=options.limit_bytes)
    jobs = Jobs(library, source=source)
    owner = f"collection:{collection.id}"
    jobs.delete_stopped(owner)  # what they have done is found by its content
    request = collection.request(
        list(inputs.files), attributes=wanted.attributes, roots=inputs.roots
    )
    job = jobs.submit(request, owner=owner, known=collection.chunk_sets())
    run(jobs, job.id)
    files = jobs.files(job.id)
    jobs.delete(job.id)
    return files
