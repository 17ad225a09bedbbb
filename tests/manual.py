"""The tables of the documentation that are made from the code.

Each is between two marks in its page: ``<!-- table: NAME -->`` and ``<!-- end of table -->``.
``python -m tests.manual`` writes them all; tests/test_tables_of_the_manual.py compares them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bindery.errors import BinderyError
from bindery.faces.cli.exits import EXIT_MEANINGS, exit_code
from bindery.faces.http.bodies import RequestBody
from bindery.faces.http.dialects.own import GenerateBody
from bindery.faces.http.errors import status_of
from bindery.faces.http.observing.metrics_table import METRICS
from bindery.models.catalog import CATALOG
from bindery.options import ChunkOptions, Option, SearchOptions, VectorOptions, options_of
from bindery.settings import GROUPS

REMEDIES: Mapping[str, str] = dict(
    line.split(": ", 1)
    for line in """\
internal_error: report it, with the lines of the log
invalid_input: read the message, which names the value
invalid_value: correct the value that the message names
invalid_cursor: send the cursor as it was given, with the same query and options
cursor_expired: search again from the first page
text_too_long: chunk the text, or send `truncate`
file_too_large: split the file, or raise `upload_limit_mb`
unsupported_kind: save it in a [format that is read](documents.md)
broken_document: open it in the program that made it, and save it again
password_protected: save a copy without a password
parse_timeout: split the document, or raise `parse_timeout_s`
most_files_gone: mount the disk, or confirm with `--yes`
quarantined: leave the file out or change it, and report it
job_unfinished: wait for the job, or cancel it
idempotency_conflict: use another key for another request
request_too_large: send less at once, or raise `body_limit_mb`
unsupported_encoding: send the body unencoded, or with gzip
unknown_field: correct the name: the nearest is in the message
request_timeout: send the body faster, or raise `body_timeout_s`
headers_too_large: send fewer or shorter headers
method_not_allowed: use the method that `/docs` shows for the path
foreign_host: add the host name to `allowed_hosts`
foreign_origin: add the origin to `cors_origins`
invalid_api_key: send `authorization: Bearer KEY`; `bindery keys create` makes a key
missing_scope: use or create a key with the scope that is named
not_found: check the path
unknown_model: `bindery models` lists the models
unknown_strategy: choose one of [these](chunking.md)
unknown_file: check the path or id; `bindery files` lists stored files
unknown_key: `bindery keys list` lists the keys
unknown_rotation: `bindery rotate list` lists the rotations
unknown_collection: `bindery collections list` lists the collections
unknown_job: `bindery jobs` lists the jobs
model_error: `bindery doctor` says more
model_missing: `bindery preload MODEL`
model_gated: accept the terms on the model's page, and set `HF_TOKEN`
model_broken: `bindery preload MODEL --force`, or put the right files into the folder
unsupported_model: choose another model, or install the extra `torch`
self_test_failed: try `precision = "f32"`, and report it
model_too_large: raise `memory_budget_mb`, or choose a smaller model
vendor_error: see the message, which quotes the vendor
key_missing: set the variable that the message names
vendor_refused: correct the row of the model, or the request
vendor_unavailable: try again later
vendor_broken: check `base_url` in the row of the model
extra_missing: `pip install "bindery-search[EXTRA]"`
source_error: check the network, or [install offline](offline.md)
storage_error: check the disk and the permissions of the home folder
storage_full: free space: `bindery disk` shows what takes it
engine_error: it is retried; if it stays, restart and report it
text_failed: leave out the texts that are named, and report them
not_run: try again
overloaded: try again after `retry-after`, or raise `queue_tokens`
deadline_exceeded: send less at once, or raise `request_timeout_s`
abandoned: nothing: the client had gone
keys_broken: restore the file of keys, or create new keys
busy: try again after `retry-after`, or raise `max_requests`
""".splitlines()
)
"""What to do about each error, by its code."""

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
    yield "code", "status", "exit code", "meaning", "what to do"
    for kind in _kinds(BinderyError):
        meaning = (kind.__doc__ or "").partition("\n\n")[0].replace("``", "`")
        if kind is BinderyError:
            meaning = "A bug in Bindery; the log has details under the request's id."
        error = kind("example")
        codes = f"`{kind.code}`", str(status_of(error)), str(exit_code(error))
        yield *codes, " ".join(meaning.split()), REMEDIES[kind.code]


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
    "errors": ("errors.md", _errors),
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
