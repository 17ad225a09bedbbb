"""What goes to standard output and standard error: results to the one, all else to the other."""

import sys

import orjson
from rich.console import Console
from rich.text import Text

from bindery.errors import BinderyError
from bindery.jobs.values import Failure

JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


class _Console(Console):
    """Rich's, except that who called decides how a program ends whose reader has gone."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def output() -> Console:
    """Standard output, for people."""
    return _Console(highlight=False, markup=False, emoji=False)


def messages() -> Console:
    """Standard error: progress, warnings and errors. Made anew for each command that asks."""
    return _Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(value: object) -> None:
    """Write one JSON document to standard output, as UTF-8 whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=JSON_OPTIONS | orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.buffer.flush()


def print_error(
    error: BinderyError | Failure, *, about: str = "", console: Console | None = None
) -> None:
    """Write an error to standard error: what is wrong, and on the next lines what to do.

    ``about`` is the name of a file, which may be anything.
    """
    text = Text(f"error ({error.code})", style="bold red")
    text.append(f": {_beginning(about)}{printable(error.message)}", style="not bold default")
    if error.remedy:
        text.append(f"\n{printable(error.remedy)}", style="not bold default")
    (console or messages()).print(text, soft_wrap=True)


def print_warning(message: str, *, about: str = "", console: Console | None = None) -> None:
    """Write a warning to standard error; ``about`` as in :func:`print_error`."""
    text = Text("warning", style="bold yellow")
    text.append(f": {_beginning(about)}{printable(message)}", style="not bold default")
    (console or messages()).print(text, soft_wrap=True)


def _beginning(name: str) -> str:
    # A line end in a name would make a line that says what its author likes.
    return printable(name).replace("\n", "\N{REPLACEMENT CHARACTER}") + ": " if name else ""


def printable(text: str) -> str:
    """The text without what would move the cursor or colour the terminal; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def first_line(text: str) -> str:
    """The beginning of a text in one line of plain characters."""
    return printable(" ".join(text[:400].split()))


def count(number: int, noun: str) -> str:
    """A number of things: "1 chunk", "1,024 chunks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
