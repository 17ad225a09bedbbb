"""The progress of a job: a bar on a terminal, lines elsewhere, or events as JSON."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from bindery.errors import Abandoned
from bindery.faces.cli.printing import (
    count,
    messages,
    print_error,
    print_json_line,
    print_warning,
)
from bindery.jobs import Failure, FileState, JobEvent

# Lines usually go to a log.
_BETWEEN_LINES_S = 5.0


class Follow(Protocol):
    """Shows events while its block lasts."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def tell(self, event: JobEvent) -> None:
        """Show an event."""
        ...


def follow_lines(lines: Iterable[dict[str, Any]], *, json: bool) -> dict[str, Any]:
    """Show the events of long work; the facts at its end. Raises Abandoned if they do not come."""
    end: dict[str, Any] | None = None
    try:
        follow = follow_on(messages(), json=json)
        with follow:
            for line in lines:
                kind = line.pop("event")
                if kind == "end":
                    end = line
                else:
                    follow.tell(JobEvent(line.pop("number"), kind, line))
    except KeyboardInterrupt:
        messages().print("Stopped. Run the same command again to resume.", soft_wrap=True)
        raise
    if end is None:
        raise Abandoned(
            "The server stopped before it was done.",
            remedy="Run the same command again to resume.",
        )
    return end


def follow_on(console: Console, *, json: bool) -> Follow:
    """Events as JSON, or a bar or lines on the console."""
    return _Events() if json else Shown(console)


class _Events:
    def __enter__(self) -> object:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def tell(self, event: JobEvent) -> None:
        print_json_line({"event": event.kind, "number": event.number, **event.data})


class Shown:
    """A bar if the console is a terminal; otherwise a line every 5 s, unless ``is_quiet``.

    Failures and warnings of files are always shown.
    """

    def __init__(self, console: Console, *, is_quiet: bool = False) -> None:
        self._console = console
        self._has_lines = not (is_quiet or console.is_terminal)
        self._told = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[done]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("reading", total=None, done="")

    def __enter__(self) -> object:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, event: JobEvent) -> None:
        """Show an event."""
        data = event.data
        if event.kind == "file":
            self._tell_file(data)
            return
        progress = data["progress"]
        done = _line(progress)
        if progress["files_total"] > 1:
            ended = progress["files_done"] + progress["files_failed"]
            shares = {"completed": ended, "total": progress["files_total"]}
        else:
            shares = {"completed": progress["chunks_done"], "total": progress["chunks_total"]}
        stage = progress["stage"] or "reading"
        self._bar.update(self._task, description=stage, done=done, **shares)
        if self._has_lines and time.monotonic() - self._told > _BETWEEN_LINES_S:
            self._told = time.monotonic()
            self._console.print(done, soft_wrap=True)

    def _tell_file(self, file: Mapping[str, Any]) -> None:
        for warning in file["warnings"]:
            print_warning(warning, about=file["name"], console=self._console)
        if file["state"] == FileState.FAILED:
            error = Failure(file["error_code"], file["error_message"], file["remedy"])
            print_error(error, about=file["name"], console=self._console)


def _line(progress: Mapping[str, Any]) -> str:
    ended = progress["files_done"] + progress["files_failed"]
    parts = [
        f"{ended:,} of {count(progress['files_total'], 'file')}",
        count(progress["chunks_done"], "chunk"),
    ]
    if progress["tokens_per_s"] is not None:
        parts.append(f"{progress['tokens_per_s']:,.0f} tokens/s")
    if progress["seconds_left"]:
        parts.append(f"{progress['seconds_left']:,.0f} s left")
    return ", ".join(parts)
