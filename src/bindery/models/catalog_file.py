"""Models that a user adds to the catalog, in a TOML file.

::

    [models.bge-small]
    family = "dense"                        # dense, matryoshka or late-interaction
    repository = "BAAI/bge-small-en-v1.5"
    revision = "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a"
    dimensions = 384
    max_tokens = 512
    pooling = "cls"                         # or mean, lasttoken, ...; a list concatenates them
    licence = "mit"                         # this and everything below is optional

    [models.bge-small.prompts]
    query = "Represent this sentence for searching relevant passages: "

    [models.bge-small.files]                # path = its SHA-256, or "" if not known
    "config.json" = ""
    "model.safetensors" = "..."

    [models.small]                          # a row with a vendor is a remote model
    vendor = "openai"                       # or any compatible server; or cohere, voyage
    base_url = "https://api.openai.com/v1"
    model = "text-embedding-3-small"        # the vendor's name for it
    key = "OPENAI_API_KEY"                  # the environment variable with the key, not the key
    dimensions = 1536
    nested_dimensions = [1024, 512, 256]
    max_tokens = 8191

Without ``files``, the usual layout of sentence-transformers is assumed, without digests. Both kinds
of row may have ``prompts``, ``title_prompt``, ``nested_dimensions``, ``normalised`` (true) and
``licence``. A local model may have ``before_cut``, ``query_max_tokens``, ``gated``, ``mirrors``,
``optional``, ``query_length`` and ``document_length`` (for late interaction, instead of the model's
own), and ``wheel`` with ``name``, ``version``, ``sha256`` and ``folder``. A remote model may have
the fields of :class:`bindery.models.endpoint.Endpoint`.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from bindery.errors import InvalidValue
from bindery.models.card import (
    BeforeCut,
    CatalogEntry,
    Entry,
    Family,
    Lengths,
    ModelCard,
    Pooling,
    Release,
    RemoteEntry,
    Wheel,
)
from bindery.models.catalog import OFTEN_ABSENT, SENTENCE_TRANSFORMERS_FILES
from bindery.models.endpoint import (
    REQUESTS_AT_ONCE,
    TIMEOUT_S,
    TRIES,
    EncodingFormat,
    Endpoint,
    Scalar,
    Vendor,
)
from bindery.models.row import (
    Row,
    boolean,
    checked,
    integer,
    integers,
    items,
    number,
    scalars_by_name,
    table,
    text,
    texts,
    texts_by_name,
)


def read_catalog(path: Path) -> Mapping[str, Entry]:
    """The rows of a catalog file by id, in the order of the file; empty if it has none.

    Raises:
        InvalidValue: The file cannot be read, is not TOML, or a row is wrong. The message names the
            file, the row and the key, ``param`` the key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidValue(f"The catalog {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"The catalog {path} is not valid TOML: {error}.") from error

    top = Row(content, str(path))
    rows = top.take("models", table, dict[str, object]())
    top.finish()
    return {name: _entry(name, row, path) for name, row in rows.items()}


def _entry(name: str, value: object, path: Path) -> Entry:
    where = f"{path}, models.{name}"
    row = Row(checked(value, table, where, name), where)
    try:
        entry = _local(name, row) if row.absent("vendor") else _remote(name, row)
    except InvalidValue as error:
        if error.message.startswith(str(path)):
            raise
        raise InvalidValue(
            f"{where}: {error.message}", remedy=error.remedy, param=error.param
        ) from error
    row.finish()
    return entry


def _local(name: str, row: Row) -> CatalogEntry:
    card = ModelCard(
        id=name,
        family=row.need("family", Family),
        dimensions=row.need("dimensions", integer),
        max_tokens=row.need("max_tokens", integer),
        pooling=row.need("pooling", _poolings),
        normalised=row.take("normalised", boolean, default=True),
        nested_dimensions=row.take("nested_dimensions", integers, ()),
        before_cut=row.take("before_cut", BeforeCut, BeforeCut.NOTHING),
        query_max_tokens=row.take("query_max_tokens", integer, None),
        prompts=row.take("prompts", texts_by_name, dict[str, str]()),
        title_prompt=row.take("title_prompt", text, ""),
        repository=row.need("repository", text),
        revision=row.need("revision", text),
        licence=row.take("licence", text, ""),
    )
    lengths = Lengths(
        query=row.take("query_length", integer, None),
        document=row.take("document_length", integer, None),
    )
    return CatalogEntry(card, _release(row), lengths=lengths)


def _release(row: Row) -> Release:
    files = row.take("files", texts_by_name, dict.fromkeys(SENTENCE_TRANSFORMERS_FILES, ""))
    usual = row.absent("files")
    wheel = row.take("wheel", table, None)
    return Release(
        repository=row.need("repository", text),
        revision=row.need("revision", text),
        files={path: digest or None for path, digest in files.items()},
        gated=row.take("gated", boolean, default=False),
        mirrors=row.take("mirrors", texts, ()),
        wheel=None if wheel is None else _wheel(Row(wheel, f"{row.where}.wheel")),
        optional=frozenset(row.take("optional", texts, tuple(OFTEN_ABSENT) if usual else ())),
    )


def _wheel(row: Row) -> Wheel:
    wheel = Wheel(
        name=row.need("name", text),
        version=row.need("version", text),
        sha256=row.need("sha256", text),
        folder=row.need("folder", text),
    )
    row.finish()
    return wheel


def _remote(name: str, row: Row) -> RemoteEntry:
    endpoint = Endpoint(
        vendor=row.need("vendor", Vendor),
        base_url=row.need("base_url", text),
        model=row.need("model", text),
        key=row.take("key", text, ""),
        sends_role=row.take("sends_role", boolean, default=False),
        encoding_format=row.take("encoding_format", EncodingFormat, EncodingFormat.BASE64),
        extra=row.take("extra", scalars_by_name, dict[str, Scalar]()),
        texts_per_request=row.take("texts_per_request", integer, None),
        tokens_per_request=row.take("tokens_per_request", integer, None),
        requests_at_once=row.take("requests_at_once", integer, REQUESTS_AT_ONCE),
        tries=row.take("tries", integer, TRIES),
        timeout_s=row.take("timeout_s", number, TIMEOUT_S),
    )
    nested = row.take("nested_dimensions", integers, ())
    card = ModelCard(
        id=name,
        family=Family.MATRYOSHKA if nested else Family.DENSE,
        dimensions=row.need("dimensions", integer),
        max_tokens=row.need("max_tokens", integer),
        pooling=(),
        normalised=row.take("normalised", boolean, default=True),
        nested_dimensions=nested,
        prompts=row.take("prompts", texts_by_name, dict[str, str]()),
        title_prompt=row.take("title_prompt", text, ""),
        licence=row.take("licence", text, ""),
    )
    return RemoteEntry(card, endpoint)


def _poolings(value: object) -> tuple[Pooling, ...]:
    names = [value] if isinstance(value, str) else items(value)
    return tuple(Pooling(name) for name in names)
