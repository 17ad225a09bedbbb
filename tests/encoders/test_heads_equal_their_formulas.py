"""The steps after the body: activations against their definitions, and tensors that do not fit."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from bindery.encoders.head import ACTIVATIONS, Head, activation_named, layer_normalised, normalised
from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.layouts import Dense, LayerNorm, Normalize

# In float64, from their papers; torch's defaults.
DEFINED: dict[str, Callable[[float], float]] = {
    "identity": lambda x: x,
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "leakyrelu": lambda x: x if x > 0 else 0.01 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
}
VALUES = np.concatenate([np.linspace(-9, 9, 1801), [0, 1e-6, -1e-6, 5.7, -5.7, 40, -40]])


def dense(folder: Path, inputs: int, outputs: int, **more: object) -> Dense:
    """A step with random tensors in a folder of its own."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    tensors = {"linear.weight": rng.normal(size=(outputs, inputs)).astype(np.float32)}
    if more.get("has_bias"):
        tensors["linear.bias"] = rng.normal(size=outputs).astype(np.float32)
    if more.get("has_residual") and inputs != outputs:
        tensors["residual.weight"] = rng.normal(size=(outputs, inputs)).astype(np.float32)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"in_features": inputs}))
    return Dense(folder, inputs, outputs, **more)


def test_every_activation_is_tried() -> None:
    assert set(DEFINED) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_their_definitions(name: str) -> None:
    rows = VALUES.astype(np.float32)[None]
    expected = np.array([DEFINED[name](float(value)) for value in rows[0]])

    found = ACTIVATIONS[name](rows)

    assert (found.shape, found.dtype) == (rows.shape, np.float32)
    assert (np.abs(found[0] - expected) <= 1e-7 * np.maximum(1, np.abs(expected)) * 2).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_huge_values_do_no_harm(name: str) -> None:
    found = ACTIVATIONS[name](np.array([[-1e30, -1e4, 1e4, 1e30]], dtype=np.float32))

    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("torch.nn.modules.linear.Identity", "identity"),
        ("torch.nn.modules.activation.Tanh", "tanh"),
        ("torch.nn.GELU", "gelu"),
        ("SiLU", "silu"),
    ],
)
def test_torchs_names_are_understood(name: str, short: str) -> None:
    assert activation_named(name) is ACTIVATIONS[short]


@pytest.mark.parametrize("name", ["", "my.module.Swish2", "torch.nn.PReLU", "os.system"])
def test_an_unknown_activation_is_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=f"activation '{name}'") as caught:
        Head((dense(tmp_path / "a", 3, 2, activation=name),))
    assert "tanh" in caught.value.remedy


@given(rows=st.lists(st.lists(st.floats(-9, 9, width=32), min_size=4, max_size=4), max_size=5))
@settings(max_examples=30, deadline=None)
def test_norms_are_their_formulas(rows: list[list[float]]) -> None:
    matrix = np.array(rows, dtype=np.float32).reshape(-1, 4)
    exact = matrix.astype(np.float64)
    centred = exact - exact.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    length = np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-12)

    assert np.abs(layer_normalised(matrix) - centred / deviation).max(initial=0) <= 1e-3
    assert np.abs(normalised(matrix) - exact / length).max(initial=0) <= 1e-5


@pytest.mark.parametrize("outputs", [4, 6])
@pytest.mark.parametrize("has_residual", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
def test_a_dense_step_is_its_formula(
    outputs: int, has_residual: bool, has_bias: bool, tmp_path: Path
) -> None:
    """The activation comes first, and what goes past it is added after it."""
    step = dense(tmp_path / "a", 4, outputs, activation="tanh",
                 has_bias=has_bias, has_residual=has_residual)  # fmt: skip
    tensors = load_file(tmp_path / "a" / "model.safetensors")
    rows = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    expected = np.tanh(rows @ tensors["linear.weight"].T + tensors.get("linear.bias", 0))
    if has_residual:
        expected += rows @ tensors["residual.weight"].T if outputs != 4 else rows

    head = Head((step,))

    assert np.abs(head(rows) - expected).max() <= 1e-6
    assert head(rows).dtype == np.float32
    assert head(rows[:0]).shape == (0, outputs)
    assert np.abs(np.concatenate([head(row[None]) for row in rows]) - head(rows)).max() <= 1e-6


def test_steps_go_in_their_order(tmp_path: Path) -> None:
    step = dense(tmp_path / "a", 4, 3, has_bias=True)
    rows = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)

    first, last = Head((Normalize(), step)), Head((step, Normalize()))

    assert np.abs(np.linalg.norm(last(rows), axis=1) - 1).max() <= 1e-6
    assert np.abs(first(rows) - Head((step,))(normalised(rows))).max() <= 1e-6
    assert (Head(())(rows) == rows).all()


def test_tensors_of_another_shape_are_refused(tmp_path: Path) -> None:
    step = dense(tmp_path / "a", 4, 3, has_bias=True)
    for wrong in (
        Dense(step.folder, 5, 3, has_bias=True),
        Dense(step.folder, 4, 2, has_bias=True),
        Dense(step.folder, 3, 4, has_bias=True),
    ):
        with pytest.raises(ModelBroken, match=r"linear\.weight.* has shape \(3, 4\), not"):
            Head((wrong,))
    with pytest.raises(ModelBroken, match=r"takes vectors of 4 values, but gets 3"):
        Head((step, step))


def test_tensors_missing_or_left_over_are_refused(tmp_path: Path) -> None:
    step = dense(tmp_path / "a", 4, 3, has_bias=True)
    with pytest.raises(ModelBroken, match=r"tensors linear\.bias of .* do not belong to any step"):
        Head((Dense(step.folder, 4, 3),))
    with pytest.raises(ModelBroken, match=r"no tensor 'residual\.weight'"):
        Head((Dense(step.folder, 4, 3, has_bias=True, has_residual=True),))
    with pytest.raises(ModelBroken, match=r"no tensor 'norm\.weight'"):
        Head((LayerNorm(step.folder, 4),))

    save_file(
        {"linear.weight": np.zeros((3, 4), np.float32), "scale": np.zeros(1, np.float32)},
        step.folder / "model.safetensors",
    )
    with pytest.raises(ModelBroken, match="tensors scale of"):
        Head((Dense(step.folder, 4, 3),))


def test_a_projection_may_lie_among_the_bodys_tensors(tmp_path: Path) -> None:
    """Stanford's ColBERT keeps it in the body's file, whose config.json is the body's."""
    weight = np.eye(3, 4, dtype=np.float32)
    save_file(
        {"linear.weight": weight, "bert.x.weight": np.zeros(2, np.float32)},
        tmp_path / "model.safetensors",
    )
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')

    rows = np.arange(8, dtype=np.float32).reshape(2, 4)

    assert (Head((Dense(tmp_path, 4, 3),))(rows) == rows[:, :3]).all()
