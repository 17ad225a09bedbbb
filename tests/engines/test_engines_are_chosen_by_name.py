"""Engine and device: what each pair chooses, and what to do where it cannot be had."""

from pathlib import Path

import pytest
from tests.engines.checkpoints import TINY, copied, rewrite

from bindery.engines import EngineName, Precision, open_engine
from bindery.engines.openvino import OpenVinoEngine
from bindery.engines.selection import has_torch
from bindery.errors import InvalidValue, ModelBroken, UnsupportedModel
from bindery.options import ModelOptions

BGE = TINY / "bge"

without_torch = pytest.mark.skipif(has_torch(), reason="the extra torch is installed")


@pytest.mark.parametrize("engine", ["auto", "openvino"])
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_processor_is_openvinos(engine: str, device: str) -> None:
    opened = open_engine(
        BGE, ModelOptions(precision=Precision.FLOAT32, threads=1, engine=engine, device=device)
    )

    assert isinstance(opened, OpenVinoEngine)
    assert (opened.precision, opened.streams) == (Precision.FLOAT32, 1)
    assert opened.batch_tokens >= 1
    opened.close()


@pytest.mark.parametrize("engine", ["", "onnx", "OpenVINO", "torch "])
def test_an_unknown_engine_is_named(engine: str) -> None:
    with pytest.raises(InvalidValue, match="Unknown engine") as caught:
        open_engine(BGE, ModelOptions(engine=engine))

    assert repr(engine) in caught.value.message
    assert all(name in caught.value.remedy for name in EngineName)
    assert caught.value.param == "engine"


@pytest.mark.parametrize(
    "device",
    ["", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:0\n", "cuda:²", "mps:0", "cpu:1"],
)
def test_an_unknown_device_is_named(device: str) -> None:
    with pytest.raises(InvalidValue, match="Unknown device") as caught:
        open_engine(BGE, ModelOptions(device=device))

    assert repr(device) in caught.value.message
    assert caught.value.param == "device"


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_openvino_takes_the_processor_alone(device: str) -> None:
    with pytest.raises(InvalidValue, match="only supports the device cpu") as caught:
        open_engine(BGE, ModelOptions(engine="openvino", device=device))

    assert caught.value.param == "device"


@without_torch
@pytest.mark.parametrize(
    ("engine", "device", "at_fault"),
    [
        ("torch", "auto", "engine"),
        ("torch", "cpu", "engine"),
        ("torch", "cuda", "device"),
        ("auto", "cuda", "device"),
        ("auto", "cuda:3", "device"),
        ("auto", "mps", "device"),
    ],
)
def test_what_needs_the_extra_says_how_to_install_it(
    engine: str, device: str, at_fault: str
) -> None:
    with pytest.raises(UnsupportedModel, match="torch is not installed") as caught:
        open_engine(BGE, ModelOptions(engine=engine, device=device))

    assert 'pip install "bindery-search[torch]"' in caught.value.remedy
    assert caught.value.param == at_fault


@pytest.mark.parametrize("engine", ["openvino", pytest.param("auto", marks=without_torch)])
def test_an_architecture_without_a_graph_names_the_extra(engine: str, tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    rewrite(folder / "config.json", model_type="albert")

    with pytest.raises(UnsupportedModel, match="'albert'") as caught:
        open_engine(folder, ModelOptions(engine=engine))

    assert 'pip install "bindery-search[torch]"' in caught.value.remedy


def test_broken_files_are_broken_for_every_engine(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    (folder / "model.safetensors").write_bytes(b"")

    with pytest.raises(ModelBroken, match="truncated or altered"):
        open_engine(folder)
