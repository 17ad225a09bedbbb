"""The memory that a model will need, estimated from its files before it is loaded."""

import re
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple

from bindery.checkpoint import read_tensors
from bindery.engines.base import Precision
from bindery.engines.selection import EngineName
from bindery.options import ModelOptions

# The tokeniser, the graph, and the activations while batches run.
_BESIDE_WEIGHTS = 128 * 1024 * 1024

_TABLE = re.compile(r"embed\w*\.weight$")
_NARROW = "BF16"

# Bytes per weight of a product; in float32, OpenVINO keeps layouts for few and for many rows.
_BYTES_IN_PRODUCT: Mapping[Precision, int] = {
    Precision.FLOAT32: 8,
    Precision.BFLOAT16: 2,
    Precision.INT8: 1,
}


def footprint(folder: Path, options: ModelOptions = ModelOptions()) -> int:
    """The peak memory of a model while it runs, in bytes, to about 10 %.

    On a GPU, it is the memory of the GPU. Raises ModelBroken for a file that cannot be read.

    Embedding tables count in full, although they mostly stay in the file and only the rows that
    texts use come into memory. Estimated, and measured in a process on two cores after batches of 1
    to 1,024 tokens over the whole vocabulary, in MiB::

        all-MiniLM      f32   338    296    bf16   215    186
        ColBERTv2       f32   873    927    bf16   382    406
        ModernBERT      f32  1117    744    bf16   486    485
        EmbeddingGemma  f32  1707      -    bf16  1099   1190
    """
    # These import the runtime, which commands that load no model do not need.
    from bindery.engines.openvino import SMALL_PARAMETERS, available_cores, effective_precision
    from bindery.engines.runtime import ov

    chosen = effective_precision(ov.Core(), Precision(options.precision))
    tensors = list(_tensors(folder))
    numbers = sum(tensor.numbers for tensor in tensors)
    if options.engine == EngineName.TORCH or options.device not in {"auto", "cpu"}:
        return numbers * (2 if chosen is Precision.BFLOAT16 else 4) + _BESIDE_WEIGHTS
    tables = [tensor for tensor in tensors if _TABLE.search(tensor.name)]
    in_products = numbers - sum(table.numbers for table in tables)
    is_narrow = chosen is Precision.BFLOAT16
    in_tables = sum(
        table.numbers * (2 if is_narrow and table.dtype == _NARROW else 4) for table in tables
    )
    has_two = numbers <= SMALL_PARAMETERS and (options.threads or available_cores()) > 1
    copies = 2 if has_two else 1
    return in_products * _BYTES_IN_PRODUCT[chosen] * copies + in_tables + _BESIDE_WEIGHTS


class _Tensor(NamedTuple):
    name: str
    dtype: str
    numbers: int


def _tensors(folder: Path) -> Iterator[_Tensor]:
    """All tensors of a folder, from the headers of its files."""
    for path in sorted(folder.rglob("*.safetensors")):
        for name, tensor in read_tensors(path).items():
            yield _Tensor(name, tensor["dtype"], prod(tensor["shape"]))
