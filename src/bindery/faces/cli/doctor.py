"""``bindery doctor``: check this machine, and say how to fix each problem."""

import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from itertools import groupby
from pathlib import Path

from rich.padding import Padding
from rich.text import Text

from bindery import __version__, documents
from bindery.documents.sandbox import client
from bindery.encoders.loading import known_answers
from bindery.errors import BinderyError, InvalidValue, ModelMissing
from bindery.faces.cli.printing import count, new_table, output, print_json, printable
from bindery.faces.http.wire.listening import is_loopback, listen
from bindery.faces.python import open_library
from bindery.library import DEFAULT_MODEL, Library, ModelState, ModelStatus
from bindery.models.hub import HubSource
from bindery.settings import FIELDS, Found, Settings, unknown_variables
from bindery.store.keys import KeyStore

# Twice the largest model of the catalog, because downloads are staged.
_ENOUGH_BYTES = 3_000_000_000

PACKAGES = (
    "openvino",
    "tokenizers",
    "numpy",
    "safetensors",
    "pypdfium2",
    "selectolax",
    "arro3-io",
    "httpx2",
    "fastapi",
    "uvicorn",
)


class Verdict(StrEnum):
    """The result of a check."""

    GOOD = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """A check; ``remedy`` says what to do about a problem."""

    group: str
    name: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def doctor(found: Found, *, json: bool) -> bool:
    """Run all checks, without the network; whether no problem was found."""
    looked: list[Check] = []
    for group, checks in groupby(examine(found), key=lambda check: check.group):
        kept = list(checks)
        looked += kept
        if not json:
            _show(group, [check for check in kept if not _is_default(found, check)])
    problems = sum(check.verdict is Verdict.PROBLEM for check in looked)
    if json:
        print_json({"ok": not problems, "checks": [asdict(check) for check in looked]})
    else:
        what = count(problems, "problem") if problems else "No problems"
        style = "bold red" if problems else "bold green"
        output().print(Text(f"{what} found; the network was not contacted.", style=style))
    return not problems


def _is_default(found: Found, check: Check) -> bool:
    """Whether the check is a setting that nobody made."""
    names = [name for name, field in FIELDS.items() if field.variable == check.name]
    is_setting = check.group == "settings" and check.verdict is Verdict.GOOD
    return is_setting and any(found.origin(name) == "default" for name in names)


def examine(found: Found) -> Iterator[Check]:
    """All checks, the slow ones last."""
    yield from _system()
    yield from _packages()
    yield from _settings(found)
    settings = found.settings
    yield from _server(settings)
    yield from _home(settings.home)
    yield _parsing(settings)
    yield _confinement()
    yield from _models(settings)


def _system() -> Iterator[Check]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for name, detail in (
        ("bindery", __version__),
        ("python", platform.python_version()),
        ("platform", platform.platform()),
        ("cores", f"{cores} usable of {os.cpu_count()}"),
    ):
        yield Check("system", name, Verdict.GOOD, detail)


def _packages() -> Iterator[Check]:
    for package in PACKAGES:
        try:
            yield Check("packages", package, Verdict.GOOD, metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Check(
                "packages",
                package,
                Verdict.PROBLEM,
                "not installed",
                "Install Bindery again: `pip install --force-reinstall bindery-search`.",
            )


def _settings(found: Found) -> Iterator[Check]:
    for name, field in FIELDS.items():
        detail = f"{found.shown(name)} ({found.origin(name)})"
        yield Check("settings", field.variable, Verdict.GOOD, detail)
    try:
        HubSource(found.settings.hub)
    except InvalidValue as error:
        remedy = "Correct HF_ENDPOINT, or unset it."
        yield Check("settings", "HF_ENDPOINT", Verdict.PROBLEM, error.message, remedy)
    for name, hint in unknown_variables(os.environ).items():
        yield Check("settings", name, Verdict.NOTE, "unknown setting", hint)


def _server(settings: Settings) -> Iterator[Check]:
    keys = KeyStore(settings.home).read()
    detail = (
        f"{count(len(keys), 'key')}; the server requires one"
        if keys
        else "none; requests need no key"
    )
    is_open = not keys and not is_loopback(settings.host)
    yield Check(
        "server",
        "keys",
        Verdict.PROBLEM if is_open and not settings.insecure else Verdict.GOOD,
        f"none, but other machines can reach {settings.host}" if is_open else detail,
        "Create one: `bindery keys create --name NAME`." if is_open else "",
    )
    try:
        listen(settings.host, settings.port).close()
    except InvalidValue as error:
        yield Check("server", "port", Verdict.NOTE, error.message, error.remedy)
    else:
        yield Check("server", "port", Verdict.GOOD, f"{settings.host}:{settings.port} is free")


def _home(home: Path) -> Iterator[Check]:
    nearest = next(path for path in (home, *home.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        yield Check(
            "home",
            str(home),
            Verdict.PROBLEM,
            f"cannot be written to: {error.strerror}",
            "Check its owner and permissions, or set BINDERY_HOME to another folder.",
        )
        return
    there = "exists and is writable" if nearest == home else "does not exist yet; it can be created"
    yield Check("home", "folder", Verdict.GOOD, f"{home}: {there}")
    free = shutil.disk_usage(nearest).free
    verdict = Verdict.GOOD if free >= _ENOUGH_BYTES else Verdict.NOTE
    remedy = "" if verdict is Verdict.GOOD else "Large models may not fit: free some space."
    yield Check("home", "free space", verdict, f"{free / 1e9:.1f} GB", remedy)


def _parsing(settings: Settings) -> Check:
    started = time.monotonic()
    try:
        document = documents.parse(
            b"# A title\n\nA paragraph.\n", "doctor.md", timeout_s=settings.parse_timeout_s
        )
    except BinderyError as error:
        return Check("documents", "sandbox", Verdict.PROBLEM, error.message, error.remedy)
    seconds = time.monotonic() - started
    return Check(
        "documents",
        "sandbox",
        Verdict.GOOD,
        f"read a small {document.kind} document in a separate process ({seconds:.1f} s)",
    )


def _confinement() -> Check:
    try:
        layers = client.layers()
    except (BinderyError, OSError, subprocess.SubprocessError) as error:
        return Check("documents", "confinement", Verdict.PROBLEM, str(error))
    holding = ", ".join(name for name, holds in layers.items() if holds)
    missing = ", ".join(name for name, holds in layers.items() if not holds)
    detail = (
        f"{holding or 'time limits only'}; not on this system: {missing}" if missing else holding
    )
    remedy = "Linux 5.13 or newer has all of them; a container may have to allow them."
    verdict = Verdict.NOTE if missing else Verdict.GOOD
    return Check("documents", "confinement", verdict, detail, remedy if missing else "")


def _models(settings: Settings) -> Iterator[Check]:
    try:
        library = open_library(settings)
    except BinderyError as error:
        yield Check("models", "catalog", Verdict.PROBLEM, error.message, error.remedy)
        return
    absent = 0
    with closing(library):
        for model in library.catalog:
            status = library.status(model)
            if isinstance(status.error, ModelMissing) and model != DEFAULT_MODEL:
                absent += 1
            else:
                yield _model(library, status)
        for model, error in library.unreadable.items():
            yield Check("models", model, Verdict.PROBLEM, error.message, error.remedy)
    if absent:
        detail = f"{absent} not downloaded; `bindery models` lists them"
        yield Check("models", "others", Verdict.GOOD, detail)


def _model(library: Library, status: ModelStatus) -> Check:
    name = status.card.id
    is_problem = status.state is ModelState.REFUSED or (
        status.state is ModelState.MISSING and name == DEFAULT_MODEL
    )
    error = status.error
    if error:
        verdict = Verdict.PROBLEM if is_problem else Verdict.NOTE
        return Check("models", name, verdict, f"{status.state}: {error.message}", error.remedy)

    started = time.monotonic()
    try:
        encoder = library.encoder(name)
    except BinderyError as error:
        return Check("models", name, Verdict.PROBLEM, f"refused: {error.message}", error.remedy)
    seconds = time.monotonic() - started
    answers = len(known_answers(name)) if status.card.revision else 0
    tested = f"self-test passed ({answers} known vectors)" if answers else "no self-test"
    detail = f"files verified, loaded in {encoder.precision} ({seconds:.1f} s), {tested}"
    return Check("models", name, Verdict.GOOD, detail)


_STYLES = {Verdict.GOOD: "green", Verdict.NOTE: "yellow", Verdict.PROBLEM: "bold red"}


def _show(group: str, checks: list[Check]) -> None:
    table = new_table()
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        detail = printable(check.detail)
        if check.remedy:
            detail += f"\n{printable(check.remedy)}"
        table.add_row(Text(check.verdict, style=_STYLES[check.verdict]), check.name, detail)
    output().print(Text(group, style="bold"))
    if not checks:
        output().print("  all are the defaults: `bindery settings` lists them\n")
        return
    output().print(Padding(table, (0, 0, 1, 2)))
