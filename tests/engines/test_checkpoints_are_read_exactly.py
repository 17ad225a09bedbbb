"""Weights: every number as it is written, from one file or several, or an error that names it."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.engines.checkpoints import TINY, copied, load, retensor

from bindery.engines.weights import Weights, lies_in_file
from bindery.errors import ModelBroken

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


def write_raw(path: Path, dtype: str, values: np.ndarray) -> None:
    """A safetensors file of one tensor "x", after a byte that puts it out of step."""
    body = values.tobytes()
    header = json.dumps(
        {
            "before": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
            "x": {"dtype": dtype, "shape": list(values.shape), "data_offsets": [1, 1 + len(body)]},
        }
    ).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" + body)


def every_half(exponent: int) -> np.ndarray:
    """All patterns of 16 bits but those that are not finite: all bits of the exponent are set."""
    patterns = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    return np.where(patterns & exponent == exponent, 0, patterns).astype("<u2")


def test_every_bfloat16_is_read_exactly(tmp_path: Path) -> None:
    patterns = every_half(0x7F80)
    write_raw(tmp_path / WHOLE, "BF16", patterns)

    found = Weights(tmp_path)["x"]

    assert (found.dtype, found.shape) == (np.float32, (256, 256))
    assert (found.view(np.uint32) == patterns.astype(np.uint32) << 16).all()


def test_every_float16_is_read_exactly(tmp_path: Path) -> None:
    halves = every_half(0x7C00).view(np.float16)
    write_raw(tmp_path / WHOLE, "F16", halves)

    found = Weights(tmp_path)["x"]

    assert found.dtype == np.float32
    assert (found.astype(np.float16).view(np.uint16) == halves.view(np.uint16)).all()
    assert (found == halves.astype(np.float64)).all()


@pytest.mark.parametrize(("dtype", "in_place"), [("F32", True), ("BF16", True), ("F16", False)])
def test_tensors_are_used_where_they_lie(dtype: str, *, in_place: bool, tmp_path: Path) -> None:
    """Else memory would hold them twice; and pages given back are read again from the disk."""
    kind = {"F32": np.float32, "BF16": np.uint16, "F16": np.float16}[dtype]
    written = np.arange(12, dtype=kind).reshape(3, 4)
    header = {"x": {"dtype": dtype, "shape": [3, 4], "data_offsets": [0, written.nbytes]}}
    text = json.dumps(header).encode().ljust(80)
    (tmp_path / WHOLE).write_bytes(len(text).to_bytes(8, "little") + text + written.tobytes())
    weights = Weights(tmp_path)

    found = weights.under("").as_written("x")

    assert lies_in_file(found) is in_place
    assert not lies_in_file(weights["x"] + 1)
    for _ in range(2):
        assert (found == written).all()
        weights.forget_pages()
    assert weights.parameters() == 12


def test_tensors_are_found_under_a_prefix(tmp_path: Path) -> None:
    ones = np.ones((1, 2), np.float32)
    save_file({"bert.a.x": ones, "bert.b.x": 2 * ones, "cls.x": 3 * ones}, tmp_path / WHOLE)

    weights = Weights(tmp_path)
    under = weights.under("bert.").under("b.")

    assert (under["x"] == 2).all()
    assert (list(under), len(under), len(weights)) == (["x"], 1, 3)
    assert "x" in under
    assert "x" not in weights
    with pytest.raises(ModelBroken, match=r"no tensor 'bert\.b\.y'"):
        under["y"]
    assert set(weights.body("a.x")) == {"a.x", "b.x"}
    assert set(weights.body("none")) == set(weights)


def shard(folder: Path) -> dict[str, str]:
    """Spread a checkpoint over two files; returns which tensor lies where."""
    tensors = load_file(folder / WHOLE)
    files = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    places = {name: files[number % 2] for number, name in enumerate(sorted(tensors))}
    for file in files:
        save_file({name: tensors[name] for name in tensors if places[name] == file}, folder / file)
    (folder / WHOLE).unlink()
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return places


def test_a_checkpoint_in_two_files_is_the_whole_one(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    shard(folder)
    texts = ["loose paper", "gets lost " * 20, ""]

    found = load(folder).encode(texts, "query")

    assert (found.rows == load(TINY / "bge").encode(texts, "query").rows).all()


def test_a_file_of_several_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    shard(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()

    with pytest.raises(ModelBroken, match="model-00002-of-00002"):
        load(folder)


def test_an_index_that_names_the_wrong_file_is_caught(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    places = shard(folder)
    wrong = dict.fromkeys(places, "model-00001-of-00002.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": wrong}))

    with pytest.raises(ModelBroken, match="model-00001-of-00002"):
        load(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"weight_map": 3}', "\x00"])
def test_a_broken_index_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(content)

    with pytest.raises(ModelBroken, match=INDEX):
        Weights(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 0.5, 0.999, -1])
def test_truncated_weights_are_refused(kept: float, tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    content = (folder / WHOLE).read_bytes()
    end = kept if isinstance(kept, int) else int(len(content) * kept)
    (folder / WHOLE).write_bytes(content[:end])

    with pytest.raises(ModelBroken, match=f"{WHOLE} is truncated or altered"):
        load(folder)


def test_weights_in_another_format_are_not_read(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    (folder / WHOLE).rename(folder / "pytorch_model.bin")

    with pytest.raises(ModelBroken, match=f"no {WHOLE}") as caught:
        load(folder)
    assert "safetensors" in caught.value.remedy


@pytest.mark.parametrize(
    "name",
    [
        "embeddings.word_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "encoder.layer.1.attention.self.key.weight",
        "encoder.layer.0.output.LayerNorm.bias",
    ],
)
def test_a_missing_tensor_is_named(name: str, tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    retensor(folder, lambda tensors: {key: tensors[key] for key in tensors if key != name})

    with pytest.raises(ModelBroken, match=f"no tensor '{name}'"):
        load(folder)
