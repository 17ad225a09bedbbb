"""What a model will hold: the numbers of its files, as wide and as often as they are kept."""

from pathlib import Path

import pytest
from safetensors.numpy import load_file
from tests.engines.checkpoints import TINY, copied

from bindery.engines import Precision
from bindery.engines.footprint import footprint
from bindery.errors import ModelBroken
from bindery.options import ModelOptions


def beside(folder: Path, **options: object) -> int:
    """What is held beyond that of a folder without tensors."""
    return footprint(folder, ModelOptions(**options)) - footprint(folder / "nothing")


def test_products_count_by_precision_and_copy_and_tables_once() -> None:
    tensors = load_file(TINY / "bge" / "model.safetensors")
    tables = sum(tensor.size for name, tensor in tensors.items() if "embeddings.weight" in name)
    products = sum(tensor.size for tensor in tensors.values()) - tables
    assert 0 < tables < products

    for precision, size in {"f32": 8, "bf16": 2, "int8": 1}.items():
        for threads, copies in {1: 1, 2: 2, 8: 2}.items():
            held = beside(TINY / "bge", precision=Precision(precision), threads=threads)
            assert held == products * size * copies + tables * 4
    for device, engine in (("cuda", "auto"), ("auto", "torch")):
        held = beside(TINY / "bge", precision=Precision.FLOAT32, device=device, engine=engine)
        assert held == (products + tables) * 4


def test_a_table_in_bfloat16_stays_so_where_that_is_computed_in() -> None:
    folder = TINY / "bfloat16"
    narrow, wide = (
        beside(folder, precision=Precision(name), threads=1) for name in ("bf16", "f32")
    )

    assert narrow < wide / 3


def test_steps_after_the_body_count_too(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    body = footprint(folder)
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "model.safetensors").write_bytes(
        (folder / "model.safetensors").read_bytes()
    )

    assert footprint(folder) - body == body - footprint(folder / "nothing")


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = copied("bge", tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])

    with pytest.raises(ModelBroken, match=r"model\.safetensors"):
        footprint(path.parent)
