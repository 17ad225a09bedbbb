"""Every command, with its help, arguments and examples.

Nothing heavy is imported here, so that help is quick: each command imports the module of the same
name, which does the work.
"""

from pathlib import Path
from typing import Annotated

import typer

from bindery import __version__
from bindery.faces.cli.collection_commands import collections
from bindery.faces.cli.evaluation_commands import evaluation_commands
from bindery.faces.cli.exits import BAD_INPUT, EXIT_MEANINGS, FAILED, NO_MODEL, Commands, Group
from bindery.faces.cli.marks import marks
from bindery.faces.cli.operator_commands import operator_commands
from bindery.faces.cli.options import (
    Config,
    EmbedArguments,
    EnvFile,
    FitArguments,
    Json,
    Model,
    add_quiet,
    begin,
    takes_options,
    takes_settings,
)
from bindery.faces.cli.search_commands import search_commands
from bindery.options import ChunkOptions, ModelOptions, VectorOptions, names_of

app = typer.Typer(
    cls=Commands,
    help="Turn documents into embeddings that can be searched, on your own machine.",
    epilog="""
Examples:
  bindery up
  bindery add papers/
  bindery search "How do I revoke a key?"
  bindery embed report.pdf notes.md --out vectors.parquet

Exit codes:
"""
    + "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_MEANINGS.items()),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"bindery {__version__}")
        raise typer.Exit


@app.callback()
def bindery(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar=" ",
            help="Show the version.",
            callback=_show_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """The app's own options; Typer shows the app's help."""


@app.command(epilog="Examples:\n  bindery serve --port 8080\n  bindery serve --config bindery.toml")
@takes_settings()
def serve(
    config: Config = None,
    env_file: EnvFile = None,
    json: Json = False,
    **flags: str | bool | None,
) -> None:
    """Serve the REST API, with every model that is on this machine.

    SIGTERM or Ctrl-C finishes open requests first; a second one stops at once.
    """
    found = begin(config, env_file, **flags)
    from bindery.faces.cli.serve import serve as run

    run(found, json=json)


@app.command(epilog="Examples:\n  bindery mcp\n  claude mcp add bindery -- bindery mcp")
@takes_settings("public_url", "mcp_writes", *names_of(ModelOptions))
def mcp(**flags: str | bool | None) -> None:
    """Let an assistant search collections: the Model Context Protocol on standard input and output.

    A server answers the same at /mcp. Needs the extra: pip install "bindery-search[mcp]".
    """
    found = begin(None, None, **flags)
    from bindery.faces.cli.serve import mcp as run

    run(found)


@app.command(epilog="Examples:\n  bindery up\n  bindery up --no-page --port 8080")
@takes_settings()
def up(
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Open the page in a browser.")
    ] = True,
    config: Config = None,
    env_file: EnvFile = None,
    json: Json = False,
    **flags: str | bool | None,
) -> None:
    """Get started: download the small model if it is missing, serve, and open the page."""
    found = begin(config, env_file, **flags)
    from bindery.faces.cli.preload import fetch_missing
    from bindery.faces.cli.serve import serve as run

    if not fetch_missing(found.settings):
        raise typer.Exit(NO_MODEL)
    run(found, opens_page=page, json=json)


@app.command(epilog="Examples:\n  bindery settings\n  bindery settings --json")
def settings(config: Config = None, env_file: EnvFile = None, json: Json = False) -> None:
    """Show every setting, its value, and where the value comes from."""
    found = begin(config, env_file)
    from bindery.faces.cli.serve import settings as run

    run(found, json=json)


@app.command(
    epilog="Examples:\n"
    "  bindery preload\n"
    "  bindery preload vanilla --precision int8\n"
    "  bindery preload vanilla --from /media/stick/models"
)
def preload(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="The models; by default vanilla."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="PATH", help="A folder with the models, tried before the hub."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Download models again that are already here."),
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Also prepare the models for this precision: int8."),
    ] = None,
    json: Json = False,
) -> None:
    """Download models and verify them.

    If one model fails, the others are still downloaded, and the error says what to do.
    """
    found = begin()
    from bindery.faces.cli.preload import preload as run

    if not run(
        found.settings, models or [], folder=folder, precision=precision, force=force, json=json
    ):
        raise typer.Exit(NO_MODEL)


@app.command(
    epilog="Examples:\n"
    "  bindery chunk report.pdf\n"
    "  bindery chunk report.pdf --strategy sentence --size 128 --overlap 16\n"
    "  bindery chunk notes.md --strategy parent-child --context headings\n"
    "  cat notes.txt | bindery chunk - --json"
)
@takes_options
def chunk(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A document; - is standard input.")],
    options: ChunkOptions,
    model: Model = "vanilla",
    json: Json = False,
) -> None:
    """Cut a document into chunks and show them."""
    found = begin()
    from bindery.faces.cli.chunk import chunk as run

    run(found.settings, file, options, model=model, json=json)


@app.command(
    epilog="Examples:\n"
    "  bindery embed report.pdf notes.md --out vectors.parquet\n"
    "  bindery embed *.html --out vectors.npz --size 128\n"
    "  bindery embed queries.txt --lines --role query --out queries.jsonl\n"
    "  bindery embed papers/ --out small.parquet --form int8\n"
    "  echo 'Loose paper is fragile.' | bindery embed - | head\n"
    "  bindery embed papers/ --out vectors/"
)
@takes_options
@takes_settings(*names_of(ModelOptions))
def embed(
    asked: EmbedArguments,
    chunks: ChunkOptions,
    vectors: VectorOptions,
    **flags: str | bool | None,
) -> None:
    """Parse, chunk and embed documents.

    If a file cannot be read, the error is reported and the others are embedded.
    An output file appears only when it is complete.
    If --out is a folder, the same command resumes a job that was stopped,
    and embeds only what has changed.
    """
    found = begin(None, None, **flags)
    from bindery.faces.cli.embed import embed as run

    if not run(found.settings, asked, chunks, vectors):
        raise typer.Exit(BAD_INPUT)


app.add_typer(search_commands)
app.add_typer(evaluation_commands)
app.add_typer(operator_commands)
app.add_typer(collections, name="collections")
app.add_typer(marks, name="marks")

rotate = typer.Typer(
    cls=Group,
    help="Fit, list and delete rotations, with which vectors of any model can be cut.",
    epilog="Examples:\n"
    "  bindery rotate fit shelf report.pdf notes.md\n"
    "  bindery rotate list\n"
    "  bindery rotate delete shelf",
    no_args_is_help=True,
)
app.add_typer(rotate, name="rotate")


@rotate.command(
    "fit",
    epilog="Examples:\n"
    "  bindery rotate fit shelf *.pdf\n"
    "  bindery rotate fit shelf texts.txt --lines --sample 2000\n"
    "  bindery rotate fit shelf vectors.npz",
)
@takes_options
def rotate_fit(asked: FitArguments, chunks: ChunkOptions) -> None:
    """Fit a rotation on documents, so that vectors rotated by it can be cut to any length.

    If a file cannot be read, the error is reported and the others are used.
    """
    found = begin()
    from bindery.faces.cli.rotate import fit

    if not fit(found.settings, asked, chunks):
        raise typer.Exit(BAD_INPUT)


@rotate.command("list", epilog="Example:\n  bindery rotate list")
def rotate_list(json: Json = False) -> None:
    """List the rotations."""
    found = begin()
    from bindery.faces.cli.rotate import show

    show(found.settings, json=json)


@rotate.command("delete", epilog="Example:\n  bindery rotate delete shelf")
def rotate_delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the rotation.")],
    json: Json = False,
) -> None:
    """Delete a rotation. Vectors that were rotated by it stay as they are."""
    found = begin()
    from bindery.faces.cli.rotate import delete

    delete(found.settings, name, json=json)


keys = typer.Typer(
    cls=Group,
    help="Create, list and revoke API keys of a server.",
    epilog="Examples:\n"
    "  bindery keys create --name laptop --scope embed --scope files\n"
    "  bindery keys list\n"
    "  bindery keys revoke 1f0c2a9b",
    no_args_is_help=True,
)
app.add_typer(keys, name="keys")


@keys.command(
    "create",
    epilog="Examples:\n"
    "  bindery keys create --name laptop\n"
    "  bindery keys create --name indexer --scope embed --scope files --json\n"
    "  bindery keys create --name reader --scope search --collection papers",
)
def keys_create(
    name: Annotated[
        str,
        typer.Option(metavar="TEXT", help="A name for the key, such as the client that uses it."),
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What the key allows: embed (default), files, search, collections or admin. "
            "Can be repeated.",
        ),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Limit the key to this collection. Can be repeated. The scope is then search "
            "by default.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Create a key and show it once. Once a key exists, the server requires one."""
    found = begin()
    from bindery.faces.cli.keys import create

    create(found.settings, name, scope or [], collection or None, json=json)


@keys.command("list", epilog="Example:\n  bindery keys list")
def keys_list(json: Json = False) -> None:
    """List the keys by id. The keys themselves cannot be shown again."""
    found = begin()
    from bindery.faces.cli.keys import show

    show(found.settings, json=json)


@keys.command("revoke", epilog="Example:\n  bindery keys revoke 1f0c2a9b")
def keys_revoke(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id of the key: see `bindery keys list`.")
    ],
    json: Json = False,
) -> None:
    """Revoke a key. Running servers refuse it within a second."""
    found = begin()
    from bindery.faces.cli.keys import revoke

    revoke(found.settings, key_id, json=json)


@app.command(epilog="Example:\n  bindery demo")
def demo(json: Json = False) -> None:
    """Parse, chunk, embed and search a document that comes with Bindery."""
    found = begin()
    from bindery.faces.cli.demo import demo as run

    run(found.settings, json=json)


@app.command(epilog="Examples:\n  bindery doctor\n  bindery doctor --json")
def doctor(config: Config = None, env_file: EnvFile = None, json: Json = False) -> None:
    """Check this machine, the settings and every model, and say how to fix problems."""
    found = begin(config, env_file)
    from bindery.faces.cli.doctor import doctor as run

    if not run(found, json=json):
        raise typer.Exit(FAILED)


add_quiet(app)
