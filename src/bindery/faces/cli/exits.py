"""Exit codes, and the one place where the errors of commands are printed."""

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
    UnknownCollection,
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

EXIT_MEANINGS: Mapping[int, str] = {
    0: "success",
    FAILED: "something unexpected failed, or a check found a problem",
    WRONG_USE: "a wrong option or value, or an unknown name",
    NO_MODEL: "a model is not available",
    BAD_INPUT: "an input could not be read; the others are done",
    BAD_DISK: "a disk error: full, read-only or damaged",
    STOPPED: "stopped by Ctrl-C; a server, by the second signal",
    CLOSED: "the reader of the output closed it, as head does",
}
"""The exit codes of all commands."""

EXIT_CODES: Mapping[type[BaseException], int] = {
    BinderyError: FAILED,
    InvalidValue: WRONG_USE,
    UnknownModel: WRONG_USE,
    UnknownKey: WRONG_USE,
    UnknownStrategy: WRONG_USE,
    UnknownRotation: WRONG_USE,
    UnknownCollection: WRONG_USE,
    ModelError: NO_MODEL,
    SourceError: NO_MODEL,
    VendorError: NO_MODEL,
    InputError: BAD_INPUT,
    UnknownFile: BAD_INPUT,
    StorageError: BAD_DISK,
}
"""The exit codes by class; other classes have that of their nearest ancestor here."""


def exit_code(error: BinderyError) -> int:
    """The exit code for an error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


class Group(TyperGroup):
    """A group of commands whose help has no ``<bool>`` beside switches."""

    # The types of contexts and parameters are private to Typer.
    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401
        """The options of the group."""
        return _without_types(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """The command with this name."""
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_types(command.get_params(ctx))
        return command


def _without_types(params: Any) -> Any:  # noqa: ANN401
    for one in params:
        if getattr(one, "is_flag", False):
            one.metavar = " "
    return params


_FIRST_COMMANDS = ("up", "add", "search", "explain", "embed", "demo", "doctor")


class Commands(Group):
    """The group of all commands. It prints their errors, without a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401
        """The commands of the first day, then the others."""
        others = [one for one in super().list_commands(ctx) if one not in _FIRST_COMMANDS]
        return [*_FIRST_COMMANDS, *others]

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
            # An error of standard output has no file name.
            _close_output()
            where = error.filename or "Standard output"
            print_error(StorageError(f"{where} cannot be used: {error.strerror or error}."))
            raise typer.Exit(BAD_DISK) from None


def described(error: BinderyError) -> dict[str, str | None]:
    """An error for JSON."""
    return {
        "code": error.code,
        "message": error.message,
        "remedy": error.remedy,
        "param": error.param,
    }


def remember_json(ctx: typer.Context, value: bool) -> bool:
    """Remember ``--json``, so that errors are printed as JSON too."""
    if value:
        ctx.meta[__name__] = True
    return value


def wants_json(ctx: typer.Context) -> bool:
    """Whether the command has ``--json``."""
    return __name__ in ctx.meta


def _close_output() -> None:
    # Without this, the interpreter fails to flush the rest of the buffer when it exits.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
