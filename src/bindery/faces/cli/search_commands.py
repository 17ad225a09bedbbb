"""The commands ``add`` and ``search``."""

from typing import Annotated

import typer

from bindery.faces.cli.asking import Asked
from bindery.faces.cli.exits import BAD_INPUT
from bindery.faces.cli.options import (
    CollectionName,
    Hidden,
    Json,
    Model,
    NoServer,
    begin,
    takes_options,
)
from bindery.options import ChunkOptions, SearchOptions, VectorOptions

search_commands = typer.Typer()

Sync = Annotated[
    bool, typer.Option("--sync", help="Remove files that are no longer in the folders.")
]


@search_commands.command(
    epilog="Examples:\n"
    "  bindery add papers/\n"
    "  bindery add papers/ --sync\n"
    "  bindery add papers/ --watch\n"
    "  bindery add report.pdf --collection work --attribute year=2024"
)
@takes_options
def add(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Documents and folders to add.")
    ],
    chunks: ChunkOptions,
    vectors: VectorOptions,
    collection: CollectionName = "default",
    model: Model = "vanilla",
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An attribute of the files, for filters."),
    ] = None,
    hidden: Hidden = False,
    sync: Sync = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="With --sync: continue even if most files of a folder are gone."
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Then add what changes in the folders, until Ctrl-C.")
    ] = False,
    no_server: NoServer = False,
    json: Json = False,
) -> None:
    """Add documents to a collection, so that `bindery search` finds them.

    Run the same command again to resume it, or to add only what has changed.
    If a file cannot be read, the error is reported and the others are added.
    """
    found = begin()
    from bindery.faces.cli.add import AddArguments
    from bindery.faces.cli.add import add as run

    asked = AddArguments(
        paths,
        collection,
        model,
        chunks,
        vectors,
        attributes=attribute or [],
        takes_hidden=hidden,
        syncs=sync,
        confirms=yes,
        watches=watch,
        json=json,
    )
    if not run(Asked(found.settings, alone=no_server), asked):
        raise typer.Exit(BAD_INPUT)


@search_commands.command(
    epilog="Examples:\n"
    '  bindery search "How do I revoke a key?"\n'
    "  bindery search budget --filter 'year >= 2020' --mode lexical\n"
    "  bindery search --queries questions.txt --json"
)
@takes_options
def search(
    options: SearchOptions,
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY", help="A question; its words need no quotes."),
    ] = None,
    queries: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A file with a query on each line, each with its own answer; - is standard input.",
        ),
    ] = None,
    collection: CollectionName = "default",
    no_server: NoServer = False,
    json: Json = False,
) -> None:
    """Find the passages of a collection that answer a question.

    Words in double quotes are a phrase; everything else in a query is plain text.
    With --queries, --json prints one line for each query.
    If a server runs on the same home, it answers.
    """
    found = begin()
    from bindery.faces.cli.collections import search as run

    asked = Asked(found.settings, alone=no_server)
    run(asked, query or [], collection, options, path=queries, json=json)
