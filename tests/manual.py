"""The tables of the documentation that are made from the code.

Each is between two marks in its page: ``<!-- table: NAME -->`` and ``<!-- end of table -->``.
``python -m tests.manual`` writes them all; tests/test_tables_of_the_manual.py compares them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bindery.errors import BinderyError
from bindery.faces.cli.exits import EXIT_MEANINGS
from bindery.faces.http.bodies import RequestBody
from bindery.faces.http.dialects.own import GenerateBody
from bindery.faces.http.errors import status_of
from bindery.faces.http.observing.metrics_table import METRICS
from bindery.models.catalog import CATALOG
from bindery.options import ChunkOptions, Option, SearchOptions, VectorOptions, options_of
from bindery.settings import GROUPS

DOCS = Path(__file__).parent.parent / "docs"

Rows = Iterable[Sequence[str]]


def _options(kind: type) -> Rows:
    yield "option", "values", "default", "meaning"
    for option in options_of(kind):
        yield f"`{option.name}`", _values(option), _default(option.default), option.help


def _values(option: Option) -> str:
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    if option.annotation is bool:
        return "`true`, `false`"
    if not option.is_number:
        return "text"
    noun = "whole number" if option.is_whole else "number"
    if option.least is None:
        return noun
    # The largest size is only there to keep numbers within a database's integers.
    if option.most is None or option.most > 1000:
        return f"{noun}, at least {option.least}"
    return f"{noun}, {option.least} to {option.most}"


def _default(value: object) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _body(kind: type[RequestBody]) -> Rows:
    yield "field", "default", "meaning"
    for name, field in sorted(kind.model_fields.items(), key=lambda one: not one[1].is_required()):
        default = "required" if field.is_required() else _default(field.default)
        yield f"`{name}`", default, field.description or ""


def _settings() -> Rows:
    yield "variable", "key", "default", "what it sets"
    yield "`BINDERY_CONFIG`", "", "none", "settings file"
    yield "`BINDERY_ENV_FILE`", "", ".env", "file with variables, in the working folder by default"
    for group, members in GROUPS.items():
        yield f"**{group}**", "", "", ""
        for field in members:
            key = "" if field.is_secret else f"`{field.key}`"
            yield f"`{field.variable}`", key, field.shown(field.default), field.help


def _models() -> Rows:
    yield [
        "id",
        "model",
        "family",
        "dimensions",
        "tokens",
        "languages",
        "MB",
        "for",
        "licence",
        "checked",
    ]
    for entry in CATALOG.values():
        card = entry.card
        yield (
            f"`{card.id}`",
            card.repository + (" (gated)" if entry.release.gated else ""),
            card.family,
            ", ".join(map(str, (card.dimensions, *card.nested_dimensions))),
            str(card.max_tokens),
            card.languages[0] if len(card.languages) == 1 else f"{len(card.languages)} languages",
            f"{card.size_mb:,}",
            card.purpose,
            card.licence,
            "yes" if entry.verified else "not yet",
        )


def _exits() -> Rows:
    yield "code", "meaning"
    for code, meaning in EXIT_MEANINGS.items():
        yield str(code), meaning


def _metrics() -> Rows:
    yield "metric", "kind", "labels", "meaning"
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"`{metric.name}`", metric.kind, labels, metric.help


def _errors() -> Rows:
    yield "code", "status", "meaning"
    for kind in _kinds(BinderyError):
        meaning = (kind.__doc__ or "").partition("\n\n")[0].replace("``", "`")
        if kind is BinderyError:
            meaning = "A bug in Bindery; the log has details under the request's id."
        yield f"`{kind.code}`", str(status_of(kind("example"))), " ".join(meaning.split())


def _kinds(kind: type[BinderyError]) -> Iterator[type[BinderyError]]:
    """The classes of errors that have a code of their own, depth first."""
    if "code" in vars(kind) and kind.__module__.startswith("bindery."):
        yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)


TABLES: Mapping[str, tuple[str, Callable[[], Rows]]] = {
    "settings": ("settings.md", _settings),
    "models": ("models.md", _models),
    "exits": ("cli.md", _exits),
    "metrics": ("metrics.md", _metrics),
    "errors": ("http.md", _errors),
    "generate": ("http.md", lambda: _body(GenerateBody)),
    "ChunkOptions": ("chunking.md", lambda: _options(ChunkOptions)),
    "VectorOptions": ("jobs.md", lambda: _options(VectorOptions)),
    "SearchOptions": ("search.md", lambda: _options(SearchOptions)),
}
"""The page of each table, and the function that makes it."""


def table(name: str) -> str:
    """The table as Markdown."""
    head, *rows = TABLES[name][1]()
    lines = [re.sub("  +", " ", f"| {' | '.join(line)} |") for line in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def with_table(page: str, name: str) -> str:
    """The page with the table between its marks. Raises ValueError if it has no such marks."""
    pattern = rf"(<!-- table: {name} -->\n).*?(\n<!-- end of table -->)"
    written, count = re.subn(pattern, lambda at: at[1] + table(name) + at[2], page, flags=re.S)
    if count != 1:
        raise ValueError(f"{TABLES[name][0]} must have the marks of the table {name} once")
    return written


def main() -> None:
    """Write every table into its page."""
    for name, (file, _) in TABLES.items():
        path = DOCS / file
        path.write_text(with_table(path.read_text(encoding="utf-8"), name), encoding="utf-8")


if __name__ == "__main__":
    main()
