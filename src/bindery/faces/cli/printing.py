"""Standard output, which gets results, and standard error, which gets everything else."""

import sys
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from pathlib import PurePath
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bindery.errors import BinderyError, InvalidValue
from bindery.jobs.values import Failure

_quiet = ContextVar("quiet", default=False)

JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


class _Console(Console):
    """Rich's console, except that a broken pipe is the caller's to handle."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def output() -> Console:
    """Standard output, for people."""
    return _Console(highlight=False, markup=False, emoji=False)


def be_quiet(value: bool) -> bool:
    """Whether :func:`messages` shows nothing, for the command that runs now."""
    _quiet.set(value)
    return value


def messages() -> Console:
    """Standard error, for progress and notes; nothing with ``--quiet``."""
    return _errors(quiet=_quiet.get())


def _errors(*, quiet: bool = False) -> Console:
    return _Console(stderr=True, highlight=False, markup=False, emoji=False, quiet=quiet)


def new_table(*headings: str, right: Collection[str] = (), expand: bool = False) -> Table:
    """An empty table without borders; without headings if its columns are added later.

    The columns ``right`` are for numbers, and end at the right.
    """
    table = Table(
        box=None, show_header=bool(headings), pad_edge=False, padding=(0, 2, 0, 0), expand=expand
    )
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table


def print_json(value: object) -> None:
    """Write one JSON document to standard output, always in UTF-8."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=JSON_OPTIONS | orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.buffer.flush()


def print_json_line(value: Mapping[str, Any]) -> None:
    """Write a JSON object as one line to standard output, and flush."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def print_error(
    error: BinderyError | Failure, *, about: str = "", console: Console | None = None
) -> None:
    """Write an error to standard error, and its remedy on the next lines.

    ``about`` is the name of a file, in any characters; it is shown unless the message has it.
    """
    text = Text(f"error ({error.code})", style="bold red")
    text.append(f": {_with_name(about, error.message)}", style="not bold default")
    if error.remedy:
        text.append(f"\n{printable(error.remedy)}", style="not bold default")
    _loud(console).print(text, soft_wrap=True)


def print_warning(message: str, *, about: str = "", console: Console | None = None) -> None:
    """Write a warning to standard error; ``about`` as in :func:`print_error`."""
    text = Text("warning", style="bold yellow")
    text.append(f": {_with_name(about, message)}", style="not bold default")
    _loud(console).print(text, soft_wrap=True)


def _loud(console: Console | None) -> Console:
    """The console, which a progress bar may share, or another one if that is quiet."""
    return _errors() if console is None or console.quiet else console


def _with_name(name: str, message: str) -> str:
    if not name or repr(name) in message:
        return printable(message)
    # A file with a line end in its name could fake a line of output.
    shown = printable(name).replace("\n", "\N{REPLACEMENT CHARACTER}")
    if (short := repr(PurePath(name).name)) in message:
        return printable(message).replace(printable(short), repr(shown), 1)
    return f"{shown}: {printable(message)}"


def printable(text: str) -> str:
    """The text with everything replaced that is not printable, except line ends."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def first_line(text: str) -> str:
    """The beginning of a text in one line of plain characters."""
    return printable(" ".join(text[:400].split()))


def count(number: int, noun: str) -> str:
    """A number of things: "1 chunk", "1,024 chunks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def confirm(question: str, *, confirmed: bool, json: bool) -> None:
    """Ask on a terminal; "no" ends the command. Raises InvalidValue if nobody can answer."""
    if confirmed:
        return
    if json or not sys.stdin.isatty():
        raise InvalidValue(
            f"This needs a confirmation: {question}", remedy="Confirm with --yes.", param="yes"
        )
    typer.confirm(question, abort=True, err=True)
