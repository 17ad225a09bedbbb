"""The options and arguments of the commands, and an option for each setting."""

import dataclasses
import functools
import inspect
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_origin

import typer

from bindery.faces.cli.exits import remember_json
from bindery.faces.cli.printing import be_quiet
from bindery.options import Option, SearchOptions, names_of, options_of
from bindery.settings import GROUPS, Field, Found, take_settings

_MODEL = "The model, by its id, repository or folder. `bindery models` lists the ids."

Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document.", callback=remember_json),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        callback=be_quiet,
        help="Show no progress and no notes: only results, warnings and errors.",
    ),
]
Model = Annotated[str, typer.Option("--model", "-m", metavar="NAME", help=_MODEL)]

CollectionName = Annotated[
    str, typer.Option("--collection", "-c", metavar="NAME", help="The collection.")
]
NoServer = Annotated[
    bool, typer.Option("--no-server", help="Search without the server that runs on this home.")
]
Lines = Annotated[
    bool, typer.Option("--lines", help="Embed each line of a text file as it is, without chunking.")
]
Hidden = Annotated[
    bool, typer.Option("--hidden", help="Include hidden files and folders of a folder.")
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH", help="The settings file; by default bindery.toml in the home folder."
    ),
]
EnvFile = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="A file with HF_TOKEN and BINDERY_* variables; by default .env in this folder.",
    ),
]
_Command = TypeVar("_Command", bound=Callable[..., None])


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedArguments:
    """What ``bindery embed`` was asked for, apart from the options of chunks and vectors."""

    files: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Documents and folders; - is standard input."),
    ]
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="Where to write: a file (.parquet, .arrow, .jsonl or .npz), or a folder, so that "
            "the job can be resumed. By default, JSON lines go to standard output.",
        ),
    ] = None
    model: Model = "vanilla"
    lines: Lines = False
    format: Annotated[
        # As in bindery.jobs.writers, which is too heavy to import for a page of help.
        Literal["parquet", "arrow", "jsonl", "npz"] | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="The format of results in a folder: parquet (default), arrow, jsonl or npz.",
        ),
    ] = None
    hidden: Hidden = False
    skip_unsupported: Annotated[
        bool,
        typer.Option("--skip-unsupported", help="Do not count unsupported files as failures."),
    ] = False
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the embeddings of other inputs in --out.")
    ] = False
    json: Json = False

    @property
    def is_folder(self) -> bool:
        """Whether the results go into a folder, so that the job can be resumed."""
        return self.out is not None and (self.out.is_dir() or not self.out.suffix)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitArguments:
    """What ``bindery rotate fit`` was asked for, apart from the options of chunks."""

    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the rotation.")]
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Documents, or .npz and .parquet files from bindery embed."
        ),
    ]
    model: Model = "vanilla"
    sample: Annotated[
        int,
        typer.Option(
            "--sample",
            min=1,
            metavar="NUMBER",
            help="Use at most this many texts, chosen at random.",
        ),
    ] = 10_000
    lines: Lines = False
    json: Json = False


def add_quiet(app: typer.Typer) -> None:
    """Give every command of the app the option ``--quiet``."""
    for command in app.registered_commands:
        assert command.callback is not None
        command.callback = _takes_quiet(command.callback)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        add_quiet(group.typer_instance)
        # Some groups are commands too: `bindery models`.
        if (own := group.typer_instance.registered_callback) and own.callback:
            own.callback = _takes_quiet(own.callback)


def _takes_quiet(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(quiet: bool, **given: Any) -> None:  # noqa: ANN401 - as Typer read them
        del quiet  # its callback has remembered it
        command(**given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    own = [one.replace(kind=keyword) for one in parameters]
    quiet = inspect.Parameter("quiet", keyword, default=False, annotation=Quiet)
    object.__setattr__(run, "__signature__", inspect.Signature([*own, quiet]))
    return run


def takes_settings(*names: str) -> Callable[[_Command], _Command]:
    """Replace the ``**flags`` of a command by an option for each setting, None by default.

    ``names`` are the settings to include; by default all. Values are texts, which the settings
    check.
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
    """Replace each parameter of a command that is a dataclass by one for each of its fields.

    The command gets a value of the class, whose constructor checks the fields.
    """
    kinds: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        kind: Any = parameter.annotation
        if dataclasses.is_dataclass(kind):
            kinds[parameter.name] = kind
            parameters += [_parameter(field) for field in dataclasses.fields(kind)]
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - as Typer read them
        for name, kind in kinds.items():
            given[name] = kind(
                **{field.name: given.pop(field.name) for field in dataclasses.fields(kind)}
            )
        command(**given)

    object.__setattr__(run, "__signature__", inspect.Signature(parameters))
    return run


def takes_changes(*kinds: type, leave_out: Sequence[str] = ()) -> Callable[[_Command], _Command]:
    """Replace the ``**changes`` of a command by an option for each field of these classes.

    An option that is not given is None, so that what it would change stays as it is.
    """

    def decorate(command: _Command) -> _Command:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
        fields = [option for kind in kinds for option in options_of(kind)]
        flags = [
            inspect.Parameter(
                option.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=_option(dataclasses.replace(option, default=None)),
            )
            for option in fields
            if option.name not in leave_out
        ]
        object.__setattr__(command, "__signature__", inspect.Signature([*own, *flags]))
        return command

    return decorate


def _parameter(field: dataclasses.Field[Any]) -> inspect.Parameter:
    is_required = field.default is dataclasses.MISSING
    annotation = field.type
    if get_origin(annotation) is not Annotated:
        annotation = _option(Option(field.name, field.type, field.default, **field.metadata))
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if is_required else field.default,
        annotation=annotation,
    )


def _option(option: Option) -> Any:  # noqa: ANN401 - an annotation made at run time
    flag = f"--{option.name.replace('_', '-')}"
    # Without an explicit flag, Typer would add a --no- form to switches.
    help = f"{option.help} One of: {', '.join(option.choices)}." if option.choices else option.help
    panel = None if option.name in names_of(SearchOptions) else "Chunks and vectors"
    made = typer.Option(flag, help=help, metavar=_word(option), rich_help_panel=panel)
    # Choices are checked by the options class, whose errors name the nearest.
    kind = str if option.choices else option.given_as or option.annotation
    return Annotated[kind | None if option.default is None else kind, made]


def _word(option: Option) -> str:
    if option.annotation is bool:
        return " "
    return "NUMBER" if option.is_number else "NAME" if option.choices else "TEXT"


def _setting(field: Field, group: str) -> Any:  # noqa: ANN401 - an annotation made at run time
    is_switch = not field.kind.word
    default = field.shown(field.default)
    option = typer.Option(
        field.flag,
        # Typer reads brackets as markup.
        help=field.help if default in ("none", "false") else rf"{field.help} \[{default}]",
        metavar=" " if is_switch else field.kind.word.upper(),
        rich_help_panel=group,
        show_default=False,
    )
    return Annotated[bool | None if is_switch else str | None, option]


def texts(flags: dict[str, str | bool | None]) -> dict[str, str | None]:
    """Flags as texts for the settings."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in flags.items()
    }


def given(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given: those that are not None."""
    return {name: value for name, value in changes.items() if value is not None}


def begin(
    config: Path | None = None, env_file: Path | None = None, **flags: str | bool | None
) -> Found:
    """The settings of a command, with what its flags give."""
    # They log every URL, and URLs of files on a hub can contain signatures.
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return take_settings(os.environ, flags=texts(flags), config=config, env_file=env_file)
