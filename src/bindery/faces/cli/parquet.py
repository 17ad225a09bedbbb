"""Records as a Parquet table."""

from collections.abc import Iterable
from pathlib import Path

from bindery.faces.cli.records import About, Batch
from bindery.vectors.tables import NUMBER, TEXT, Column, Table, TableRows, write_parquet

_COLUMNS = (
    Column("file", TEXT),
    *(Column(name, NUMBER) for name in ("index", "start", "end", "tokens", "tokens_cut")),
    Column("page", NUMBER, nullable=True),
    Column("text", TEXT),
)


def write_table(batches: Iterable[Batch], path: Path, about: About) -> None:
    """Write all batches as one table. Raises what they raise, and StorageError."""
    table = Table(
        _COLUMNS,
        about.form,
        about.dimensions,
        about.has_many_vectors,
        about.facts(),
        of_few=("file",),
    )
    with path.open("wb") as sink:
        write_parquet((_rows(batch, about) for batch in batches), sink, table)


def _rows(batch: Batch, about: About) -> TableRows:
    columns = {
        name: [getattr(piece, name) for piece in batch.pieces]
        for name in ("file", "index", "start", "end", "tokens", "page", "text")
    }
    cut = batch.encoded.tokens_cut.tolist()
    return TableRows({**columns, "tokens_cut": cut}, batch.coded(about.form))
