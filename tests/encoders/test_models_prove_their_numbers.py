"""The self-test: a model of the catalog whose numbers are not the reference's never answers."""

import json
import os
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from tests.engines.checkpoints import Tensors, retensor

from bindery.encoders.late import LateEncoder
from bindery.encoders.loading import KnownAnswer, check, known_answers, load_encoder
from bindery.errors import SelfTestFailed
from bindery.models.catalog import CATALOG
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions

GOLDEN = Path(__file__).parent.parent / "golden"
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


def test_known_answers_are_vectors_of_their_model() -> None:
    assert known_answers("vanilla")
    for entry in CATALOG.values():
        for answer in known_answers(entry.id):
            assert answer.vectors.shape[1] == entry.card.dimensions
            assert np.abs(np.linalg.norm(answer.vectors, axis=1) - 1).max() <= 1e-5


def test_every_file_of_known_answers_is_of_a_model() -> None:
    names = {file.name for file in (files("bindery.encoders") / "known").iterdir()}

    assert {name.removesuffix(".json") for name in names} <= set(CATALOG)


@pytest.mark.parametrize("fault", ["ids", "rows", "vectors", "nothing"])
def test_late_interaction_is_held_to_its_answers_too(fault: str) -> None:
    """An answer of several vectors: ids, their number, and how near they are by MaxSim."""
    layout = read_layout(GOLDEN / "late" / "stanford")
    encoder = load_encoder(layout, ModelOptions(precision="f32", threads=1))
    assert isinstance(encoder, LateEncoder)
    text = "loose paper is lost, unbound!"
    ids = encoder.tokeniser.tokenise([text], "document")[0].ids.tolist()
    rows = encoder.encode([text], "document").rows
    faults = {
        "ids": (ids[::-1], rows, "its token ids are"),
        "rows": (ids, rows[:-1], f"it has {len(rows)} vectors, not {len(rows) - 1}"),
        "vectors": (ids, -rows, "its cosine to the reference is"),
    }
    wrong_ids, wrong_rows, named = faults.get(fault, (ids, rows, ""))
    answer = KnownAnswer(text, "document", wrong_ids, wrong_rows)

    if fault == "nothing":
        check(encoder, answer)
    else:
        with pytest.raises(SelfTestFailed, match=named):
            check(encoder, answer)
    encoder.close()


def test_the_real_model_passes(minilm_folder: Path, precision: str) -> None:
    encoder = load_encoder(
        read_layout(minilm_folder, entry=VANILLA), ModelOptions(precision=precision)
    )

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
            load_encoder(layout, ModelOptions(precision=precision))
        assert "cosine to the reference is 0.9" in e.value.message
        assert "bindery preload vanilla --force" in e.value.remedy
    load_encoder(
        read_layout(copy_of_minilm), ModelOptions(threads=1)
    ).close()  # a folder of the user's own


def test_weights_of_zeros_are_noticed(copy_of_minilm: Path) -> None:
    spoil(copy_of_minilm, zeroed)

    with pytest.raises(SelfTestFailed, match=r"cosine to the reference is 0\.000000"):
        load_encoder(
            read_layout(copy_of_minilm, entry=VANILLA), ModelOptions(precision="f32", threads=1)
        )


def test_a_changed_vocabulary_is_noticed(copy_of_minilm: Path) -> None:
    path = copy_of_minilm / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    vocabulary["paper"], vocabulary["shelf"] = vocabulary["shelf"], vocabulary["paper"]
    path.unlink()
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(SelfTestFailed, match=r"its token ids are \[101, .*102\], not \[101, .*102"):
        load_encoder(
            read_layout(copy_of_minilm, entry=VANILLA), ModelOptions(precision="f32", threads=1)
        )
