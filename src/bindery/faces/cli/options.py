"""The options of the commands: those that several share, and one for each setting."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from bindery.faces.cli.exits import remember_json
from bindery.settings import GROUPS, Field

Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document instead.", callback=remember_json),
]
Model = Annotated[str, typer.Option("--model", "-m", help="The model, as `bindery models` lists.")]
Strategy = Annotated[
    str,
    # As bindery.chunking has them, which is too heavy to import for a page of help.
    typer.Option(
        help="How to cut documents: recursive, sentence, fixed, markdown, page, code, "
        "parent-child, semantic or late."
    ),
]
Size = Annotated[
    int | None,
    typer.Option(help="Tokens in a chunk, at most; 128 by default, or the model's window."),
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
    # As bindery.vectors has them, which is too heavy to import for a page of help.
    Literal["float32", "float16", "int8", "binary", "ubinary"],
    typer.Option(help="What numbers are written as; int8 comes with scales."),
]
Context = Annotated[
    Literal["none", "title", "headings"],
    typer.Option(help="What to put before each chunk; it counts as a part of it."),
]
ParentSize = Annotated[
    int | None,
    typer.Option(help="Tokens in a parent, of parent-child; four times the size by default."),
]
Overlap = Annotated[int, typer.Option(help="Tokens that a chunk repeats of the one before it.")]

Files = Annotated[
    list[str], typer.Argument(metavar="FILE", help="Documents, or a folder; - is standard input.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Where to write: .jsonl, .npz, .parquet, or a folder for a folder; JSON lines to "
        "standard output by default.",
    ),
]
Precision = Annotated[str | None, typer.Option(help="What to compute in: auto, f32, bf16 or int8.")]
Lines = Annotated[
    bool, typer.Option("--lines", help="Take each line as a text of its own; nothing is chunked.")
]
ResultFormat = Annotated[
    # As bindery.jobs.results has them.
    Literal["parquet", "arrow", "jsonl"],
    typer.Option("--format", help="Of a folder: what to write into DIR."),
]
Hidden = Annotated[
    bool, typer.Option("--hidden", help="Of a folder: take hidden files and folders, too.")
]
SkipUnsupported = Annotated[
    bool,
    typer.Option("--skip-unsupported", help="Of a folder: files of a kind unknown are no failure."),
]

Config = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="The settings file; bindery.toml in the home by default."),
]
Engine = Annotated[
    str | None, typer.Option(help="What runs the model: auto, openvino or torch (an extra).")
]
Device = Annotated[
    str | None, typer.Option(help="What it runs on: auto, cpu, cuda, cuda:1 and so on, or mps.")
]

_Command = TypeVar("_Command", bound=Callable[..., None])


def takes_settings(command: _Command) -> _Command:
    """Give a command, in place of its ``**flags``, an option for each setting, None by default.

    They come as texts: what is a right one, the settings say, wherever it was given.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
    flags = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_option(field, group),
        )
        for group, fields in GROUPS.items()
        for field in fields
        if not field.is_secret
    ]
    object.__setattr__(command, "__signature__", inspect.Signature([*own, *flags]))
    return command


def _option(field: Field, group: str) -> Any:  # noqa: ANN401 - an annotation made at run time
    is_switch = not field.kind.word
    default = field.shown(field.default)
    option = typer.Option(
        field.flag,
        # Typer takes brackets for marks of its own.
        help=field.help if default in ("none", "false") else rf"{field.help} \[{default}]",
        metavar=" " if is_switch else field.kind.word.upper(),
        rich_help_panel=group,
        show_default=False,
    )
    return Annotated[bool | None if is_switch else str | None, option]


def texts(flags: dict[str, str | bool | None]) -> dict[str, str | None]:
    """Flags as the settings take them."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in flags.items()
    }
