"""The report of ``bindery embed``, as JSON and as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bindery.errors import UnsupportedKind
from bindery.faces.cli.printing import count, output, print_warning, printable
from bindery.jobs import FileState, JobFile, Progress
from bindery.jobs.sources import shown_path


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What was embedded, with ``about``, the metadata of the vectors.

    ``chunks`` were written, ``chunks_cut`` of them longer than the model's window. ``out`` is the
    file, None if none was written.
    """

    about: Mapping[str, Any]
    files: Sequence[JobFile]
    progress: Progress
    skipped: Mapping[str, str]
    chunks: int
    chunks_cut: int
    out: Path | None
    seconds: float

    def failed(self, *, forgives_unsupported: bool = False) -> list[JobFile]:
        """The files that failed."""
        return [
            file
            for file in self.files
            if file.state is FileState.FAILED
            and not (forgives_unsupported and file.error_code == UnsupportedKind.code)
        ]

    def facts(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            **self.about,
            "out": None if self.out is None else shown_path(str(self.out)),
            "files_done": self.progress.files_done,
            "files_failed": self.progress.files_failed,
            "files_total": self.progress.files_total,
            "chunks": self.chunks,
            "chunks_cut": self.chunks_cut,
            "tokens_used": self.progress.tokens,
            "seconds": round(self.seconds, 3),
            "failed": [
                {
                    "file": file.name,
                    "code": file.error_code,
                    "message": file.error_message,
                    "remedy": file.remedy,
                }
                for file in self.failed()
            ],
            "warnings": [
                {"file": file.name, "message": one} for file in self.files for one in file.warnings
            ],
            "skipped": [{"file": name, "reason": why} for name, why in self.skipped.items()],
        }

    def print(self, console: Console, *, noun: str, to_file: bool) -> None:
        """Print a line: to standard output if the rows went ``to_file``, else to ``console``.

        ``noun`` is the name of a row: chunk or line.
        """
        if self.chunks_cut:
            print_warning(
                f"The model's window cut {count(self.chunks_cut, noun)}: see tokens_cut.",
                console=console,
            )
        if to_file and self.out is None:
            output().print("No file could be embedded: nothing was written.")
            return
        files = count(self.progress.files_total, "file")
        if self.progress.files_failed:
            files = f"{self.progress.files_done} of {files}"
        tokens = count(self.progress.tokens, "token")
        # Without new text, all vectors are those of an earlier run.
        news = (
            "nothing new to embed: "
            if self.out and self.chunks and not self.progress.tokens
            else ""
        )
        line = f"{news}{count(self.chunks, noun)} from {files}, {tokens}, {self.seconds:.1f} s"
        if self.out is not None:
            where = printable(shown_path(str(self.out)))
            output().print(f"{line}: written to {where}", soft_wrap=True)
        else:
            console.print(line, soft_wrap=True)
