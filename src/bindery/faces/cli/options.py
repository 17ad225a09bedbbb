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
