"""The options of the commands: those that several share, and one for each setting."""

import dataclasses
import functools
import inspect
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from bindery.faces.cli.exits import remember_json
from bindery.options import Option, names_of, options_of
from bindery.settings import GROUPS, Field, Found, take_settings

Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document instead.", callback=remember_json),
]
Model = Annotated[str, typer.Option("--model", "-m", help="The model, as `bindery models` lists.")]

Files = Annotated[
    list[str],
    typer.Argument(metavar="INPUT", help="Documents and folders; - is standard input."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Where to write: a file (.parquet, .arrow, .jsonl or .npz) or a folder, whose job can "
        "be resumed. JSON lines go to standard output by default.",
    ),
]
Lines = Annotated[
    bool,
    typer.Option("--lines", help="Embed each line of a text file as it is; nothing is cut."),
]
ResultFormat = Annotated[
    # As bindery.jobs.writers has them, which is too heavy to import for a page of help.
    Literal["parquet", "arrow", "jsonl", "npz"] | None,
    typer.Option("--format", help="What to write into a folder; parquet by default."),
]
Hidden = Annotated[
    bool, typer.Option("--hidden", help="Take hidden files and folders of a folder, too.")
]
SkipUnsupported = Annotated[
    bool,
    typer.Option("--skip-unsupported", help="Do not count files of an unknown kind as failures."),
]
Replace = Annotated[
    bool,
    typer.Option("--replace", help="Replace the embeddings of other inputs in --out."),
]

Config = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="The settings file; bindery.toml in the home by default."),
]
_Command = TypeVar("_Command", bound=Callable[..., None])


def takes_settings(*names: str) -> Callable[[_Command], _Command]:
    """Give a command, in place of its ``**flags``, an option for each setting, None by default.

    ``names`` are the settings to take, all of them if none is named. Values come as texts: the
    settings check them, wherever they were given.
    """

    def decorate(command: _Command) -> _Command:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
        flags = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=_setting(field, group),
            )
            for group, fields in GROUPS.items()
            for field in fields
            if not field.is_secret and (not names or field.name in names)
        ]
        object.__setattr__(command, "__signature__", inspect.Signature([*own, *flags]))
        return command

    return decorate


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of each parameter of an options class, one for each of its fields.

    The command gets a value of that class. Its constructor checks what was given.
    """
    kinds: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        kind = parameter.annotation
        if not dataclasses.is_dataclass(kind):
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        assert isinstance(kind, type)
        kinds[parameter.name] = kind
        parameters += [
            inspect.Parameter(
                option.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=option.default,
                annotation=_option(option),
            )
            for option in options_of(kind)
        ]

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - as Typer has read them
        for name, kind in kinds.items():
            given[name] = kind(**{field: given.pop(field) for field in names_of(kind)})
        command(**given)

    object.__setattr__(run, "__signature__", inspect.Signature(parameters))
    return run


def _option(option: Option) -> Any:  # noqa: ANN401 - an annotation made at run time
    flag = f"--{option.name.replace('_', '-')}"
    # With its flag alone, a switch has no --no- form.
    made = typer.Option(flag, help=option.help)
    return Annotated[option.given_as or option.annotation, made]


def _setting(field: Field, group: str) -> Any:  # noqa: ANN401 - an annotation made at run time
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


def begin(config: Path | None = None, **flags: str | bool | None) -> Found:
    """The settings of a command, with what its flags give."""
    # They log every address they ask, and addresses of files on a hub can carry signatures.
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return take_settings(os.environ, flags=texts(flags), config=config)
