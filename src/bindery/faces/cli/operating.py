"""``bindery backup``, ``restore``, ``disk``, ``files``, ``jobs`` and ``models remove``."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bindery.errors import InvalidValue
from bindery.faces.cli.printing import (
    confirm,
    count,
    messages,
    new_table,
    output,
    print_error,
    print_json,
    print_warning,
    printable,
)
from bindery.faces.python import open_library
from bindery.jobs import Jobs
from bindery.jobs.values import Failure, FileState, Job, JobFile
from bindery.library import Library
from bindery.library.usage import disk_usage
from bindery.models.card import CatalogEntry
from bindery.models.preload import remove_model as remove_files
from bindery.settings import Settings
from bindery.store.backup import Backup, make_backup, restore_backup
from bindery.store.files import StoredFile

_MEGABYTE = 1e6
# As many characters of an id as tables show.
_SHOWN_ID = 16


def backup(settings: Settings, target: Path, *, json: bool) -> bool:
    """Back up the home. Returns whether every content is in the backup."""
    made = make_backup(
        settings.home,
        target.absolute(),
        database_url=settings.database_url,
        blobs_url=settings.blobs_url,
    )
    if json:
        print_json(_backup_facts(made))
    else:
        output().print(f"{_said(made)} are in {made.folder}.", soft_wrap=True)
    if settings.blobs_url:
        print_warning(f"The contents are in {settings.blobs_url}: back up the bucket as well.")
    if made.missing:
        print_error(
            Failure(
                "storage_error",
                f"{count(len(made.missing), 'content')} of stored files are missing or damaged: "
                f"{', '.join(made.missing[:5])}.",
                "Delete these files (`bindery files delete ID`) and upload them again.",
            )
        )
    return not made.missing


def restore(settings: Settings, source: Path, *, json: bool) -> None:
    """Restore a backup into the home."""
    made = restore_backup(source.absolute(), settings.home, database_url=settings.database_url)
    if json:
        print_json(_backup_facts(made))
        return
    output().print(f"{_said(made)} were restored to {made.folder}.", soft_wrap=True)
    output().print("Indexes are made again when they are used. `bindery doctor` checks the models.")


def disk(settings: Settings, *, json: bool) -> None:
    """Show the parts of the home by size."""
    parts = disk_usage(settings.home)
    total = sum(part.size_bytes for part in parts)
    if json:
        rows = [asdict(part) for part in parts]
        print_json({"home": str(settings.home), "size_bytes": total, "parts": rows})
        return
    table = new_table("size", "path", "what", "to free it", right=["size"])
    for part in parts:
        table.add_row(_megabytes(part.size_bytes), printable(part.path), part.what, part.remedy)
    output().print(table)
    output().print(f"\n{_megabytes(total)} in {settings.home}.", soft_wrap=True)


def list_files(settings: Settings, *, json: bool) -> None:
    """List the stored files, the oldest first."""
    with _opened(settings) as library:
        files = list(library.files)
    if json:
        print_json({"total_files": len(files), "files": [asdict(file) for file in files]})
        return
    if not files:
        output().print("There are no stored files.")
        return
    table = new_table("id", "size", "uploaded", "name", right=["size"])
    for file in files:
        when = _day(file.uploaded_at)
        table.add_row(file.id[:_SHOWN_ID], _megabytes(file.size_bytes), when, printable(file.name))
    output().print(table)
    output().print(f"\n{count(len(files), 'file')}. `--json` shows whole ids.")


def delete_file(settings: Settings, file_id: str, *, confirmed: bool, json: bool) -> None:
    """Delete a stored file, named by its id or the beginning of it."""
    with _opened(settings) as library:
        file = _file(library, file_id)
        confirm(f"Delete {printable(file.name)!r}?", confirmed=confirmed, json=json)
        library.files.delete(file.id)
    if json:
        print_json({"id": file.id, "deleted": True})
    else:
        output().print(f"{printable(file.name)} is deleted.", soft_wrap=True)


def list_jobs(settings: Settings, *, json: bool) -> None:
    """List the jobs, the newest first."""
    with _opened(settings) as library:
        jobs = Jobs(library).list()
    if json:
        print_json({"total_jobs": len(jobs), "jobs": [_job_facts(job) for job in jobs]})
        return
    if not jobs:
        output().print("There are no jobs.")
        return
    table = new_table("id", "state", "created", "files", "failed", "model")
    for column in table.columns[:3]:
        column.no_wrap = True
    for job in jobs:
        done = f"{job.progress.files_done}/{job.progress.files_total}"
        failed = str(job.progress.files_failed or "")
        model = printable(job.request.model)
        table.add_row(job.id, job.state, _day(job.created_at), done, failed, model)
    output().print(table)


def show_job(settings: Settings, job_id: str, *, json: bool) -> None:
    """Show a job, and the files that failed."""
    with _opened(settings) as library:
        jobs = Jobs(library)
        job, files = jobs.get(job_id), jobs.files(job_id)
    if json:
        print_json({**_job_facts(job), "files": [asdict(file) for file in files]})
        return
    done, total = job.progress.files_done, job.progress.files_total
    output().print(f"{job.id} is {job.state}: {done} of {count(total, 'file')} done.")
    if job.error is not None:
        print_error(job.error)
    for file in files:
        if file.state is FileState.FAILED:
            _print_failed(file)


def cancel_job(settings: Settings, job_id: str, *, json: bool) -> None:
    """Cancel a job."""
    with _opened(settings) as library:
        job = Jobs(library).cancel(job_id)
    if json:
        print_json(_job_facts(job))
    else:
        output().print(f"{job.id} is {job.state}.")


def delete_job(settings: Settings, job_id: str, *, json: bool) -> None:
    """Delete a job with its results."""
    with _opened(settings) as library:
        Jobs(library).delete(job_id)
    if json:
        print_json({"id": job_id, "deleted": True})
    else:
        output().print(f"{printable(job_id)} is deleted.")


def remove_model(settings: Settings, model: str, *, confirmed: bool, json: bool) -> None:
    """Delete the files of a model."""
    from bindery.search.collection import Collections

    with _opened(settings) as library:
        found = library.find(model)
        entry = library.entry(found)
        folder = library.folder_of(found)
        if folder or not isinstance(entry, CatalogEntry):
            raise InvalidValue(
                f"Bindery did not download the model {model[:200]!r}, so it does not delete it.",
                remedy=f"Delete its folder yourself: {folder}" if folder else "It is remote.",
                param="model",
            )
        users = [one.name for one in Collections(library) if one.recipe.model == found]
        if users:
            messages().print(
                f"Collections that need it: {printable(', '.join(users))}. They cannot be searched "
                f"by meaning until `bindery preload {found}`.",
                soft_wrap=True,
            )
        confirm(f"Remove the model {found!r}?", confirmed=confirmed, json=json)
        size_bytes = remove_files(entry, library.home)
    if json:
        print_json({"model": found, "removed": True, "freed_bytes": size_bytes})
    else:
        output().print(f"{found} is removed: {_megabytes(size_bytes)} are free.")


@contextmanager
def _opened(settings: Settings) -> Generator[Library]:
    with closing(open_library(settings)) as library:
        yield library


def _file(library: Library, file_id: str) -> StoredFile:
    found = [file for file in library.files if file.id.startswith(file_id)] if file_id else []
    if len(found) > 1:
        raise InvalidValue(
            f"{count(len(found), 'file')} have an id that begins with {file_id[:80]!r}.",
            remedy="Give more of the id: see `bindery files --json`.",
            param="id",
        )
    return found[0] if found else library.files.get(file_id)


def _print_failed(file: JobFile) -> None:
    failure = Failure(file.error_code or "", file.error_message or "", file.remedy or "")
    print_error(failure, about=file.name)


def _job_facts(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": job.state,
        "model": job.request.model,
        "created_at": _time(job.created_at),
        "progress": asdict(job.progress),
        "error": asdict(job.error) if job.error else None,
    }


def _backup_facts(made: Backup) -> dict[str, Any]:
    return {**asdict(made), "folder": str(made.folder), "made_at": _time(made.made_at)}


def _said(made: Backup) -> str:
    return f"The database and {count(made.contents, 'content')} ({_megabytes(made.size_bytes)})"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / _MEGABYTE:,.1f} MB"


def _day(seconds: float) -> str:
    """A time for tables, in the time zone of this machine."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
