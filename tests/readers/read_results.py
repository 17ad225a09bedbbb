"""Reads results of a job with pandas, Polars and DuckDB; run by a Python that has them.

``read_results.py RESULTS EXPECTED``: EXPECTED is an .npz of the texts, files and vectors.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.feather
import pyarrow.parquet

Rows = list[dict[str, object]]


def by_pandas(path: Path) -> Rows:
    """Read with pandas, over pyarrow."""
    read = pd.read_parquet if path.suffix == ".parquet" else pyarrow.feather.read_feather
    return read(path).to_dict("records")


def by_polars(path: Path) -> Rows:
    """Read with Polars."""
    read = pl.read_parquet if path.suffix == ".parquet" else pl.read_ipc
    return read(path).to_dicts()


def by_duckdb(path: Path) -> Rows:
    """Read with DuckDB, which knows Arrow's files by way of pyarrow."""
    if path.suffix == ".parquet":
        return duckdb.read_parquet(str(path)).pl().to_dicts()
    table = pyarrow.feather.read_table(path)
    numbers = table.schema.field("embedding").type.value_type
    if pyarrow.types.is_float16(numbers):  # DuckDB takes those from Parquet, not from Arrow
        size = table.schema.field("embedding").type.list_size
        wider = pyarrow.list_(pyarrow.float32(), size)
        place = table.schema.get_field_index("embedding")
        table = table.set_column(place, "embedding", table["embedding"].cast(wider))
    return duckdb.from_arrow(table).pl().to_dicts()


def check_types(path: Path) -> None:
    """Vectors of fixed length need no cast."""
    read = pl.read_parquet if path.suffix == ".parquet" else pl.read_ipc
    assert isinstance(read(path).schema["embedding"], pl.Array)
    kinds = (
        pyarrow.parquet.read_schema(path)
        if path.suffix == ".parquet"
        else (pyarrow.feather.read_table(path).schema)
    )
    assert pyarrow.types.is_fixed_size_list(kinds.field("embedding").type)


def main(results: Path, expected: Path) -> None:
    """Compare what each reads with what is to be there."""
    check_types(results)
    wanted = np.load(expected, allow_pickle=False)
    readers: list[Callable[[Path], Rows]] = [by_pandas, by_polars, by_duckdb]
    for read in readers:
        rows = read(results)
        name = f"{read.__name__} of {results.name}"
        assert [row["text"] for row in rows] == wanted["text"].tolist(), name
        assert [row["file"] for row in rows] == wanted["files"].tolist(), name
        assert [[*row["headings"]] for row in rows][-1] == wanted["last_headings"].tolist(), name
        vectors = np.array([np.asarray(row["embedding"], dtype=np.float64) for row in rows])
        assert np.array_equal(vectors, wanted["vectors"].astype(np.float64)), name
        if "scales" in wanted:
            scales = np.array([row["scales"] for row in rows], dtype=np.float32)
            assert np.array_equal(scales, wanted["scales"].astype(np.float32)), name


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
