"""What can be typed: every command, argument and option, with examples.

Nothing heavy is imported here, so that help is quick: each command imports the file of its name,
which does the work.
"""

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from bindery import __version__
from bindery.faces.cli.exits import (
    BAD_INPUT,
    FAILED,
    NO_MODEL,
    Commands,
    remember_json,
)
from bindery.settings import Settings, take_settings

app = typer.Typer(
    cls=Commands,
    help="Turn documents into embeddings that can be searched, on your own machine.",
    epilog="""
Examples:
  bindery preload
  bindery embed report.pdf notes.md --out vectors.parquet
  bindery serve

Exit codes:
  0    everything that was asked for is done
  1    something unexpected failed, or doctor found a problem
  2    a wrong option or value
  3    a model cannot be had or used
  4    an input cannot be read; the others are done
  5    the disk: full, read-only, not what it should hold
  130  stopped by Ctrl-C
""",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document instead.", callback=remember_json),
]
Model = Annotated[str, typer.Option("--model", "-m", help="The model, as `bindery models` lists.")]
Strategy = Annotated[str, typer.Option(help="How to cut documents: fixed, sentence or recursive.")]
Size = Annotated[
    int | None,
    typer.Option(help="Tokens in a chunk, at most; what the model's window holds by default."),
]
Role = Annotated[
    str, typer.Option(help="What the texts are: document, query or a task of the model.")
]
Dimensions = Annotated[
    int | None, typer.Option(help="A shorter length that the model was trained for.")
]
AnyDimensions = Annotated[
    bool, typer.Option("--any-dimensions", help="Allow lengths that it was not trained for.")
]
Turned = Annotated[
    str | None, typer.Option(help="The rotation to turn vectors by before they are cut.")
]
Title = Annotated[
    str | None, typer.Option(help="The documents' title, for models that know titles.")
]
FormName = Annotated[
    # As bindery.codec has them, which is too heavy to import for a page of help.
    Literal["float32", "float16", "int8", "binary", "ubinary"],
    typer.Option(help="What numbers are written as; int8 comes with scales."),
]
Overlap = Annotated[int, typer.Option(help="Tokens that a chunk repeats of the one before it.")]

Engine = Annotated[
    str | None, typer.Option(help="What runs the model: auto, openvino or torch (an extra).")
]
Device = Annotated[
    str | None, typer.Option(help="What it runs on: auto, cpu, cuda, cuda:1 and so on, or mps.")
]


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"bindery {__version__}")
        raise typer.Exit


@app.callback()
def bindery(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Typer shows the help of the app."""


def _begin(engine: str | None = None, device: str | None = None) -> Settings:
    # They log every address they ask, and addresses of files on a hub can carry signatures.
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = take_settings(os.environ)
    return replace(
        settings,
        engine=settings.engine if engine is None else engine,
        device=settings.device if device is None else device,
    )


@app.command(epilog="Example:\n  bindery serve --port 8080")
def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to serve on; 127.0.0.1 by default.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port; 8000 by default, 0 for any.")
    ] = None,
    engine: Engine = None,
    device: Device = None,
) -> None:
    """Serve the REST API, with every model that is on this machine."""
    settings = _begin(engine, device)
    from bindery.faces.cli.serve import serve as run

    run(settings, host=host, port=port)


@app.command(
    epilog="Examples:\n  bindery preload\n  bindery preload vanilla --from /media/stick/models"
)
def preload(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Which; one of each family by default."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="A folder that has the models; asked before the hub."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Fetch also what is there already.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option(help="Prepare for a precision: int8 is measured beforehand.")
    ] = None,
    json: Json = False,
) -> None:
    """Fetch models to this machine and verify them.

    One that cannot be had does not keep the others back.
    At the end it is said what to do about it.
    """
    settings = _begin()
    from bindery.faces.cli.preload import preload as run

    if not run(settings, models or [], folder=folder, precision=precision, force=force, json=json):
        raise typer.Exit(NO_MODEL)


@app.command(epilog="Examples:\n  bindery models\n  bindery models --json")
def models(json: Json = False) -> None:
    """List the models, whether they are on this machine, and what to do if not."""
    settings = _begin()
    from bindery.faces.cli.models import models as run

    run(settings, json=json)


@app.command(
    epilog="Examples:\n"
    "  bindery chunk report.pdf\n"
    "  bindery chunk report.pdf --strategy sentence --size 128 --overlap 16\n"
    "  cat notes.txt | bindery chunk - --json"
)
def chunk(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A document; - is standard input.")],
    strategy: Strategy = "recursive",
    size: Size = None,
    overlap: Overlap = 0,
    model: Model = "vanilla",
    json: Json = False,
) -> None:
    """Cut a document into chunks and show them."""
    settings = _begin()
    from bindery.faces.cli.chunk import chunk as run
    from bindery.faces.cli.inputs import Cutting

    run(settings, file, Cutting(model, strategy, size, overlap), json=json)


@app.command(
    epilog="Examples:\n"
    "  bindery embed report.pdf notes.md --out vectors.parquet\n"
    "  bindery embed *.html --out vectors.npz --size 128\n"
    "  bindery embed queries.txt --lines --role query --out queries.jsonl\n"
    "  bindery embed *.pdf --out small.parquet --form int8\n"
    "  echo 'Loose paper is fragile.' | bindery embed - | head"
)
def embed(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Documents; - is standard input.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write, as .jsonl, .npz or .parquet; JSON lines to standard output "
            "by default.",
        ),
    ] = None,
    model: Model = "vanilla",
    role: Role = "document",
    strategy: Strategy = "recursive",
    size: Size = None,
    overlap: Overlap = 0,
    dimensions: Dimensions = None,
    any_dimensions: AnyDimensions = False,
    rotation: Turned = None,
    title: Title = None,
    form: FormName = "float32",
    precision: Annotated[
        str | None, typer.Option(help="What to compute in: auto, f32, bf16 or int8.")
    ] = None,
    engine: Engine = None,
    device: Device = None,
    lines: Annotated[
        bool,
        typer.Option("--lines", help="Take each line as a text of its own; nothing is chunked."),
    ] = False,
    json: Json = False,
) -> None:
    """Parse, chunk and embed documents.

    A file that cannot be read is reported, and the others go on.
    What is written bears its name only once all of it is there.
    """
    settings = _begin(engine, device)
    from bindery.codec import Form
    from bindery.faces.cli.embed import Job, Wish
    from bindery.faces.cli.embed import embed as run
    from bindery.faces.cli.inputs import Cutting

    cutting = Cutting(model, strategy, size, overlap)
    wish = Wish(role, dimensions, any_dimensions, rotation, title, Form(form))
    job = Job(files, out, cutting, wish, precision, lines=lines, json=json)
    if not run(settings, job):
        raise typer.Exit(BAD_INPUT)


rotate = typer.Typer(
    help="Fit, list and delete rotations, by which vectors of every model can be cut.",
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
def rotate_fit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Documents, or .npz and .parquet that bindery embed wrote."
        ),
    ],
    model: Model = "vanilla",
    strategy: Strategy = "recursive",
    size: Size = None,
    overlap: Overlap = 0,
    sample: Annotated[
        int, typer.Option(min=1, help="Look at so many texts at most, chosen by lot.")
    ] = 10_000,
    lines: Annotated[
        bool,
        typer.Option("--lines", help="Take each line as a text of its own; nothing is chunked."),
    ] = False,
    json: Json = False,
) -> None:
    """Fit a rotation on documents, so that vectors turned by it can be cut to any length.

    A file that cannot be read is reported, and the others go on.
    """
    settings = _begin()
    from bindery.faces.cli.inputs import Cutting
    from bindery.faces.cli.rotate import Fit, fit

    cutting = Cutting(model, strategy, size, overlap)
    if not fit(settings, Fit(name, files, cutting, sample, lines=lines, json=json)):
        raise typer.Exit(BAD_INPUT)


@rotate.command("list", epilog="Example:\n  bindery rotate list")
def rotate_list(json: Json = False) -> None:
    """List the rotations."""
    settings = _begin()
    from bindery.faces.cli.rotate import show

    show(settings, json=json)


@rotate.command("delete", epilog="Example:\n  bindery rotate delete shelf")
def rotate_delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which.")], json: Json = False
) -> None:
    """Delete a rotation. Vectors turned by it stay as they are."""
    settings = _begin()
    from bindery.faces.cli.rotate import delete

    delete(settings, name, json=json)


@app.command(epilog="Example:\n  bindery demo")
def demo(json: Json = False) -> None:
    """Do the main job on a document that comes with Bindery: parse, chunk, embed, find."""
    settings = _begin()
    from bindery.faces.cli.demo import demo as run

    run(settings, json=json)


@app.command(epilog="Examples:\n  bindery doctor\n  bindery doctor --json")
def doctor(json: Json = False) -> None:
    """Check this machine, the settings and every model; say what to do about each problem."""
    settings = _begin()
    from bindery.faces.cli.doctor import doctor as run
    from bindery.settings import VARIABLES

    given = {name for name in VARIABLES if os.environ.get(name)}
    if settings.token:
        given.add("HF_TOKEN")
    if not run(settings, given, json=json):
        raise typer.Exit(FAILED)
