"""The group of commands ``collections``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bindery.faces.cli.asking import Asked
from bindery.faces.cli.exits import FAILED, Group
from bindery.faces.cli.options import (
    Json,
    NoServer,
    begin,
    given,
    takes_changes,
)
from bindery.options import ChunkOptions, VectorOptions
from bindery.store.values import CollectionSettings

collections = typer.Typer(
    cls=Group,
    help="List, change, rebuild, verify and delete collections, and list and remove their files.",
    epilog="Examples:\n"
    "  bindery collections list\n"
    "  bindery collections files work\n"
    "  bindery collections remove work papers/old.pdf\n"
    "  bindery collections rebuild work --size 256\n"
    "  bindery collections delete work",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The collection.")]
Now = Annotated[
    bool,
    typer.Option("--now", help="Also overwrite their data on the disk before the command ends."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for a confirmation.")]
AcceptLoss = Annotated[
    bool, typer.Option("--accept-loss", help="Switch even if files cannot be made again.")
]


@collections.command("list", epilog="Example:\n  bindery collections list")
def collections_list(no_server: NoServer = False, json: Json = False) -> None:
    """List the collections."""
    found = begin()
    from bindery.faces.cli.collections import list_collections

    list_collections(Asked(found.settings, alone=no_server), json=json)


@collections.command("files", epilog="Example:\n  bindery collections files work")
def collections_files(
    name: Name = "default", no_server: NoServer = False, json: Json = False
) -> None:
    """List the files of a collection."""
    found = begin()
    from bindery.faces.cli.collections import list_files

    list_files(Asked(found.settings, alone=no_server), name, json=json)


@collections.command("remove", epilog="Example:\n  bindery collections remove work papers/old.pdf")
def collections_remove(
    name: Name,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Names, as `collections files` lists them.")
    ],
    now: Now = False,
    no_server: NoServer = False,
    json: Json = False,
) -> None:
    """Remove files from a collection, with everything made from them."""
    found = begin()
    from bindery.faces.cli.collections import remove

    remove(Asked(found.settings, alone=no_server), files, name, now=now, json=json)


@collections.command("delete", epilog="Example:\n  bindery collections delete work --yes")
def collections_delete(
    name: Name, now: Now = False, yes: Yes = False, no_server: NoServer = False, json: Json = False
) -> None:
    """Delete a collection, once you confirm it. The documents themselves are kept."""
    found = begin()
    from bindery.faces.cli.collections import delete

    delete(Asked(found.settings, alone=no_server), name, now=now, confirmed=yes, json=json)


@collections.command(
    "change",
    epilog="Examples:\n"
    "  bindery collections change work --name archive\n"
    "  bindery collections change work --weight 0.5",
)
@takes_changes(CollectionSettings)
def collections_change(
    name: Name,
    new_name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Its new name.")
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option("--unset", metavar="SETTING", help="A setting to have no value again."),
    ] = None,
    no_server: NoServer = False,
    json: Json = False,
    **settings: Any,  # noqa: ANN401 - fields of CollectionSettings
) -> None:
    """Rename a collection, or change its settings."""
    found = begin()
    from bindery.faces.cli.generations import change

    change(
        Asked(found.settings, alone=no_server),
        name,
        new_name,
        given(settings),
        unset or [],
        json=json,
    )


@collections.command(
    "rebuild",
    epilog="Examples:\n"
    "  bindery collections rebuild work --size 256 --estimate\n"
    "  bindery collections rebuild work --model e5-small --yes\n"
    "  bindery collections rebuild work",
)
@takes_changes(ChunkOptions, VectorOptions, leave_out=("form", "role"))
def collections_rebuild(
    name: Name,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="Another model.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what it would take.")
    ] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Drop the former generation, and free its room.")
    ] = False,
    accept_loss: AcceptLoss = False,
    yes: Yes = False,
    no_server: NoServer = False,
    json: Json = False,
    **options: Any,  # noqa: ANN401 - fields of ChunkOptions and VectorOptions
) -> None:
    """Make a collection again by another model or other options.

    The collection answers as before until the new generation is complete. The former one is kept,
    for `bindery collections rollback`, until the next rebuild. The same command resumes what was
    stopped. Without options, the files of the index are made again.
    """
    found = begin()
    from bindery.faces.cli.generations import RebuildArguments
    from bindery.faces.cli.generations import rebuild as run

    asked = RebuildArguments(
        model,
        given(options),
        estimates=estimate,
        drops=drop,
        accepts_loss=accept_loss,
        confirms=yes,
        json=json,
    )
    run(Asked(found.settings, alone=no_server), name, asked)


@collections.command("rollback", epilog="Example:\n  bindery collections rollback work")
def collections_rollback(
    name: Name, accept_loss: AcceptLoss = False, no_server: NoServer = False, json: Json = False
) -> None:
    """Have the former generation of a collection answer again.

    Files that were added or changed since are embedded for it first.
    """
    found = begin()
    from bindery.faces.cli.generations import roll_back

    asked = Asked(found.settings, alone=no_server)
    roll_back(asked, name, accepts_loss=accept_loss, json=json)


@collections.command("generations", epilog="Example:\n  bindery collections generations work")
def collections_generations(
    name: Name = "default", no_server: NoServer = False, json: Json = False
) -> None:
    """List the generations of a collection: the active one, and another one if there is one."""
    found = begin()
    from bindery.faces.cli.generations import list_generations

    list_generations(Asked(found.settings, alone=no_server), name, json=json)


@collections.command(
    "export",
    epilog="Examples:\n"
    "  bindery collections export work work.parquet\n"
    "  bindery collections export work work.jsonl --form float16",
)
def collections_export(
    name: Name,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="It ends in .parquet, .arrow, .jsonl or .npz.")
    ],
    form: Annotated[
        str, typer.Option(metavar="NAME", help="The type of the numbers: float32, float16, int8.")
    ] = "float32",
    no_server: NoServer = False,
    json: Json = False,
) -> None:
    """Write the chunks of a collection with their vectors and attributes.

    `bindery collections import` makes the same collection again of a Parquet file.
    """
    found = begin()
    from bindery.faces.cli.collections import export

    export(Asked(found.settings, alone=no_server), name, file, form, json=json)


@collections.command(
    "import",
    epilog="Examples:\n"
    "  bindery collections import work work.parquet\n"
    "  bindery collections import notes records/ --model vanilla\n"
    "  bindery collections import wiki chroma/ --from chroma --table wiki",
)
def collections_import(
    name: Name,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A file that was exported, JSON lines or a folder of them, or with --from the "
            "folder or address of a store.",
        ),
    ],
    store: Annotated[
        str,
        typer.Option("--from", metavar="STORE", help="Another store: chroma, qdrant or lancedb."),
    ] = "",
    table: Annotated[
        str, typer.Option(metavar="NAME", help="The collection or table of that store.")
    ] = "",
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", metavar="NAME", help="The model that made the vectors of records."
        ),
    ] = "vanilla",
    no_server: NoServer = False,
    json: Json = False,
) -> None:
    """Make a collection of one that was exported, or of records with or without vectors.

    It appears only when it is complete. Records are JSON lines with a text, or those of a store.
    """
    found = begin()
    from bindery.faces.cli.collections import import_ as run

    asked = Asked(found.settings, alone=no_server)
    run(asked, name, source, store=store, table=table, model=model, json=json)


@collections.command("verify", epilog="Example:\n  bindery collections verify work")
def collections_verify(
    name: Name = "default", no_server: NoServer = False, json: Json = False
) -> None:
    """Compare the index of a collection with the database, file for file and row for row.

    It ends with exit code 1 if something is wrong.
    """
    found = begin()
    from bindery.faces.cli.generations import verify

    if not verify(Asked(found.settings, alone=no_server), name, json=json):
        raise typer.Exit(FAILED)
