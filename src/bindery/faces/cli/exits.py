"""How a command ends: one table from errors to exit codes, and one place that says what is wrong.

====  ==================================================================================
code  means
====  ==================================================================================
0     everything that was asked for is done
1     something unexpected failed, or ``bindery doctor`` found a problem
2     a wrong option or value: no such option, model, strategy, rotation or key, or out of range
3     a model cannot be had or cannot be used
4     an input cannot be read; with several, the others are done
5     the disk: full, read-only, or not what it should hold
130   stopped by Ctrl-C; of a server, by the second signal
141   whoever read the output has closed it, as ``head`` does
====  ==================================================================================
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from bindery.errors import (
    BinderyError,
    InputError,
    InvalidValue,
    ModelError,
    SourceError,
    StorageError,
    UnknownFile,
    UnknownKey,
    UnknownModel,
    UnknownRotation,
    UnknownStrategy,
    VendorError,
)
from bindery.faces.cli.printing import print_error, print_json

FAILED = 1
WRONG_USE = 2
NO_MODEL = 3
BAD_INPUT = 4
BAD_DISK = 5
STOPPED = 130
CLOSED = 141

EXIT_CODES: Mapping[type[BaseException], int] = {
    BinderyError: FAILED,
    InvalidValue: WRONG_USE,
    UnknownModel: WRONG_USE,
    UnknownKey: WRONG_USE,
    UnknownStrategy: WRONG_USE,
    UnknownRotation: WRONG_USE,
    ModelError: NO_MODEL,
    SourceError: NO_MODEL,
    VendorError: NO_MODEL,
    InputError: BAD_INPUT,
    UnknownFile: BAD_INPUT,
    StorageError: BAD_DISK,
}
"""By class; a class that is not here ends as the nearest one above it does."""


def exit_code(error: BinderyError) -> int:
    """How a command ends that this error has stopped."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


class Commands(TyperGroup):
    """The group of all commands. Whatever stops one of them ends here, without a traceback."""

    # Typer keeps the type of a context that this takes to itself.
    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BinderyError as error:
            print_error(error)
            if wants_json(ctx):
                print_json({"error": described(error)})
            raise typer.Exit(exit_code(error)) from None
        except KeyboardInterrupt:
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            _close_output()
            raise typer.Exit(CLOSED) from None
        except OSError as error:
            # Files are read and written under names of their own; what is left has none.
            _close_output()
            where = error.filename or "Standard output"
            print_error(StorageError(f"{where} cannot be used: {error.strerror or error}."))
            raise typer.Exit(BAD_DISK) from None


def described(error: BinderyError) -> dict[str, str | None]:
    """An error as JSON gives it."""
    return {
        "code": error.code,
        "message": error.message,
        "remedy": error.remedy,
        "param": error.param,
    }


def remember_json(ctx: typer.Context, value: bool) -> bool:
    """Note that the command was asked for JSON, so that an error is told as JSON too."""
    if value:
        ctx.meta[__name__] = True
    return value


def wants_json(ctx: typer.Context) -> bool:
    """Whether the command was asked for JSON."""
    return __name__ in ctx.meta


def _close_output() -> None:
    # What is still buffered goes nowhere: else the interpreter complains of it when it ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
