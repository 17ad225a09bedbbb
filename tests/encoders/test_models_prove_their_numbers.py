"""The self-test: a model of the catalog whose numbers are not the reference's never answers."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.engines.checkpoints import Tensors, retensor

from bindery.encoders.loading import load_encoder
from bindery.encoders.selftest import known_answers
from bindery.errors import SelfTestFailed
from bindery.models.catalog import CATALOG, SERVED_FAMILIES
from bindery.models.layout import read_layout

VANILLA = CATALOG["vanilla"]
LAYER = "encoder.layer.3."


@pytest.fixture
def copy_of_minilm(minilm_folder: Path, tmp_path: Path) -> Path:
    """The real model's files, to be spoilt; links, so that nothing is copied needlessly."""
    return Path(shutil.copytree(minilm_folder, tmp_path / "model", copy_function=os.symlink))


def spoil(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    path = folder / "model.safetensors"
    original = path.resolve()
    path.unlink()
    shutil.copy(original, path)
    retensor(folder, change)


def perturbed(tensors: Tensors) -> Tensors:
    """One of six layers, with noise of a tenth of its weights' spread."""
    rng = np.random.default_rng(0)

    def noisy(values: np.ndarray) -> np.ndarray:
        return values + rng.normal(scale=values.std() / 10, size=values.shape).astype(np.float32)

    return {
        name: noisy(values) if name.startswith(LAYER) and values.ndim == 2 else values
        for name, values in tensors.items()
    }


def zeroed(tensors: Tensors) -> Tensors:
    """What a disk full of holes gives: vectors of zeros, which have no direction at all."""
    return {name: np.zeros_like(values) for name, values in tensors.items()}


def test_every_model_served_has_known_answers() -> None:
    for entry in CATALOG.values():
        answers = known_answers(entry.id)
        assert answers or entry.card.family not in SERVED_FAMILIES
        for answer in answers:
            assert answer.vector.shape == (entry.card.dimensions,)
            assert abs(np.linalg.norm(answer.vector) - 1) <= 1e-5


def test_the_real_model_passes(minilm_folder: Path, precision: str) -> None:
    encoder = load_encoder(read_layout(minilm_folder, entry=VANILLA), precision=precision)

    assert encoder.card.revision == VANILLA.card.revision
    assert encoder.card.id == "vanilla"
    assert encoder.precision == precision
    encoder.close()


def test_a_perturbed_layer_is_noticed(copy_of_minilm: Path) -> None:
    spoil(copy_of_minilm, perturbed)
    layout = read_layout(copy_of_minilm, entry=VANILLA)

    for precision in ("f32", "bf16"):
        with pytest.raises(
            SelfTestFailed, match=f"vanilla fails its self-test in {precision}"
        ) as e:
            load_encoder(layout, precision=precision)
        assert "cosine to the reference is 0.9" in e.value.message
        assert "bindery preload vanilla --force" in e.value.remedy
    load_encoder(read_layout(copy_of_minilm), threads=1).close()  # a folder of the user's own


def test_weights_of_zeros_are_noticed(copy_of_minilm: Path) -> None:
    spoil(copy_of_minilm, zeroed)

    with pytest.raises(SelfTestFailed, match=r"cosine to the reference is 0\.000000"):
        load_encoder(read_layout(copy_of_minilm, entry=VANILLA), precision="f32", threads=1)


def test_a_changed_vocabulary_is_noticed(copy_of_minilm: Path) -> None:
    path = copy_of_minilm / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    vocabulary["paper"], vocabulary["shelf"] = vocabulary["shelf"], vocabulary["paper"]
    path.unlink()
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(SelfTestFailed, match=r"its token ids are \[101, .*102\], not \[101, .*102"):
        load_encoder(read_layout(copy_of_minilm, entry=VANILLA), precision="f32", threads=1)
