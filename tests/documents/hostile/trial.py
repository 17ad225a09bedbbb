"""Gives files to the sandbox, one by one, and watches what becomes of them and of this process."""

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import PurePath

import psutil

from bindery.documents import divide, parse
from bindery.documents.programs import LANGUAGES
from bindery.errors import BinderyError
from bindery.types import Document

CLEAR = frozenset(
    {
        *("read", "broken_document", "file_too_large", "password_protected", "unsupported_kind"),
        "parse_timeout",
    }
)
"""How a document may end; anything else is a fault of ours."""


@dataclass(slots=True)
class Trial:
    """What became of the files that were tried."""

    outcomes: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    """Names of those whose reader died of a signal: refused, but worth a look."""

    seconds: list[tuple[float, str]] = field(default_factory=list)
    grown_bytes: int = 0
    """The parent's memory at its largest, above what it was before."""

    def run(self, files: Iterable[tuple[str, bytes]], timeout_s: float = 30.0) -> None:
        parse(b"warm", "warm.txt")
        this = psutil.Process()
        for name, data in files:
            before, started = this.memory_info().rss, time.monotonic()
            try:
                document = parse(data, name, timeout_s=timeout_s)
                if find_spec("tree_sitter") and PurePath(name).suffix in LANGUAGES:
                    divide(document, timeout_s=timeout_s)
                outcome = _checked(document)
            except BinderyError as error:
                outcome = error.code
                if "crash (signal" in error.message:
                    self.crashes.append(name)
            self.seconds.append((time.monotonic() - started, name))
            self.grown_bytes = max(self.grown_bytes, this.memory_info().rss - before)
            self.outcomes[outcome] += 1
            assert outcome in CLEAR, f"{name!r} ended in {outcome}"

    @property
    def slowest(self) -> tuple[float, str]:
        return max(self.seconds, default=(0.0, ""))


def _checked(document: Document) -> str:
    assert document.text.encode().decode() == document.text
    assert not {"\0", "\r"} & set(document.text)
    assert all(block.span.end <= len(document.text) for block in document.blocks)
    return "read"


def processes() -> list[str]:
    """What runs or waits below this process but the warm template."""
    found = psutil.Process().children(recursive=True)
    return [f"{one.pid} {one.status()}" for one in found if one.ppid() != os.getpid()] + [
        f"{one.pid} zombie" for one in found if one.status() == psutil.STATUS_ZOMBIE
    ]
