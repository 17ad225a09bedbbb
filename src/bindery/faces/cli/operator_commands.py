"""The commands of operators: backups, stored files, jobs, models, and disk space."""

from pathlib import Path
from typing import Annotated

import typer

from bindery.faces.cli.exits import BAD_DISK, Group
from bindery.faces.cli.options import Json, begin

operator_commands = typer.Typer()

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for a confirmation.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The id: see `bindery jobs`.")]


@operator_commands.command(
    epilog="Examples:\n"
    "  bindery backup /backup/bindery-2026-12-01\n"
    "  bindery backup /backup/monday --json"
)
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new folder.")],
    json: Json = False,
) -> None:
    """Back up the home into a new folder, also while a server runs.

    The folder gets the database, the contents of files, API keys, rotations and settings, each
    with its digest. Models and indexes are left out: they are downloaded and made again.
    """
    found = begin()
    from bindery.faces.cli.operating import backup as run

    if not run(found.settings, target, json=json):
        raise typer.Exit(BAD_DISK)


@operator_commands.command(epilog="Example:\n  bindery restore /backup/bindery-2026-12-01")
def restore(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A folder of bindery backup.")],
    json: Json = False,
) -> None:
    """Restore a backup into a home without data, and check every file of it."""
    found = begin()
    from bindery.faces.cli.operating import restore as run

    run(found.settings, source, json=json)


@operator_commands.command(epilog="Examples:\n  bindery disk\n  bindery disk --json")
def disk(json: Json = False) -> None:
    """Show what takes space in the home, and how to free it."""
    found = begin()
    from bindery.faces.cli.operating import disk as run

    run(found.settings, json=json)


files = typer.Typer(
    cls=Group,
    help="List and delete stored files.",
    epilog="Examples:\n  bindery files\n  bindery files delete 1f0c2a9b",
    invoke_without_command=True,
)
operator_commands.add_typer(files, name="files")


@files.callback()
def files_list(ctx: typer.Context, json: Json = False) -> None:
    """List and delete stored files."""
    if ctx.invoked_subcommand is None:
        found = begin()
        from bindery.faces.cli.operating import list_files

        list_files(found.settings, json=json)


@files.command("delete", epilog="Example:\n  bindery files delete 1f0c2a9b --yes")
def files_delete(
    file_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id, or its beginning: see `bindery files`.")
    ],
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete a stored file, and everything that was made from it alone."""
    found = begin()
    from bindery.faces.cli.operating import delete_file

    delete_file(found.settings, file_id, confirmed=yes, json=json)


jobs = typer.Typer(
    cls=Group,
    help="List, show, cancel and delete jobs.",
    epilog="Examples:\n  bindery jobs\n  bindery jobs show ID\n  bindery jobs cancel ID",
    invoke_without_command=True,
)
operator_commands.add_typer(jobs, name="jobs")


@jobs.callback()
def jobs_list(ctx: typer.Context, json: Json = False) -> None:
    """List, show, cancel and delete jobs."""
    if ctx.invoked_subcommand is None:
        found = begin()
        from bindery.faces.cli.operating import list_jobs

        list_jobs(found.settings, json=json)


@jobs.command("show", epilog="Example:\n  bindery jobs show ID")
def jobs_show(job_id: JobId, json: Json = False) -> None:
    """Show the progress of a job, and the files that failed."""
    found = begin()
    from bindery.faces.cli.operating import show_job

    show_job(found.settings, job_id, json=json)


@jobs.command("cancel", epilog="Example:\n  bindery jobs cancel ID")
def jobs_cancel(job_id: JobId, json: Json = False) -> None:
    """Cancel a job. The results so far are kept."""
    found = begin()
    from bindery.faces.cli.operating import cancel_job

    cancel_job(found.settings, job_id, json=json)


@jobs.command("delete", epilog="Example:\n  bindery jobs delete ID")
def jobs_delete(job_id: JobId, json: Json = False) -> None:
    """Delete a job that is over, with its results."""
    found = begin()
    from bindery.faces.cli.operating import delete_job

    delete_job(found.settings, job_id, json=json)


models = typer.Typer(
    cls=Group,
    help="List the models, and remove them from this machine.",
    epilog="Examples:\n  bindery models\n  bindery models --json\n  bindery models remove gemma",
    invoke_without_command=True,
)
operator_commands.add_typer(models, name="models")


@models.callback()
def models_list(ctx: typer.Context, json: Json = False) -> None:
    """List the models, which of them are on this machine, and how to get the others."""
    if ctx.invoked_subcommand is None:
        found = begin()
        from bindery.faces.cli.models import models as run

        run(found.settings, json=json)


@models.command("remove", epilog="Example:\n  bindery models remove gemma")
def models_remove(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")],
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete the files of a model. Collections and vectors stay."""
    found = begin()
    from bindery.faces.cli.operating import remove_model

    remove_model(found.settings, model, confirmed=yes, json=json)
