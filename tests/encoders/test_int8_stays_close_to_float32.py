"""8-bit products: prepared once, near float32, and refused where not prepared for these weights."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.engines.checkpoints import TINY, Tensors, copied, load, retensor

from bindery.encoders.calibration import calibrate, calibration_texts
from bindery.encoders.dense import DenseEncoder
from bindery.encoders.loading import load_encoder
from bindery.engines.openvino import ObservingEngine
from bindery.engines.quantisation import FILE, Calibration, observe_ranges
from bindery.errors import ModelBroken, ModelMissing, StorageError
from bindery.library import Library
from bindery.models.catalog import CATALOG
from bindery.models.layouts import read_layout
from bindery.models.preload import State
from bindery.models.sources import FolderSource
from bindery.options import ModelOptions

# Of other kinds than those that the calibration ships with.
TEXTS = [
    "zebra",
    "Is the ferry to the island running on Sundays?",
    "The Treaty was signed in 1648 and ended thirty years of war in the middle of the continent.",
    "x = np.linspace(0, 1, 11); assert x[-1] == 1.0",
    "Photosynthesis in seagrass meadows is limited by light at depth. " * 12,
]


@pytest.fixture(scope="module")
def prepared(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real model's files as links, and its calibration."""
    folder = tmp_path_factory.mktemp("prepared") / "model"
    shutil.copytree(minilm_folder, folder, copy_function=os.symlink)
    (folder / FILE).unlink(missing_ok=True)
    assert calibrate(read_layout(folder))
    return folder


@pytest.fixture(scope="module")
def prepared_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint of random weights, prepared once."""
    folder = copied("bge", tmp_path_factory.mktemp("tiny"))
    assert calibrate(read_layout(folder), threads=1)
    return folder


@pytest.fixture
def tiny(prepared_tiny: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(prepared_tiny, tmp_path / "model"))


def doubled(tensors: Tensors) -> Tensors:
    name = "encoder.layer.0.attention.output.LayerNorm.bias"
    (found,) = (key for key in tensors if key.endswith(name))
    return tensors | {found: tensors[found] + 1}


def test_the_real_model_in_8_bits_points_where_float32_does(
    prepared: Path, minilm: DenseEncoder
) -> None:
    encoder = load_encoder(
        read_layout(prepared, entry=CATALOG["vanilla"]), ModelOptions(precision="int8")
    )
    exact = minilm.encode(TEXTS, "document").rows

    for found in (
        encoder.encode(TEXTS, "document").rows,
        np.vstack([encoder.encode([text], "query").rows for text in TEXTS]),  # the quick path
    ):
        cosines = (found * exact).sum(axis=1)
        assert cosines.min() >= 0.99
        assert cosines.max() < 0.99999  # it is another arithmetic
    assert encoder.precision == "int8"
    encoder.close()


def test_all_products_run_in_8_bits(prepared: Path) -> None:
    engine = ObservingEngine(prepared, observe_ranges, lambda old, new, part: new, threads=1)
    calibration = Calibration.read(prepared, engine.fingerprint)
    engine.close()

    assert len(calibration.ranges) == 6 * 4  # query, key and value are one product
    assert {range.shape for range in calibration.ranges} == {(2, 384), (2, 1536)}
    assert {len(correction) for correction in calibration.corrections} == {3 * 384, 384, 1536}
    assert all((low <= high).all() for low, high in calibration.ranges)


def test_what_was_measured_is_kept_and_measured_once(tiny: Path) -> None:
    written = (tiny / FILE).read_bytes()

    assert not calibrate(read_layout(tiny), threads=1)
    assert (tiny / FILE).read_bytes() == written
    (tiny / FILE).unlink()
    assert calibrate(read_layout(tiny), threads=1)
    assert (tiny / FILE).read_bytes() == written
    assert not list(tiny.glob("*.partial"))


@pytest.mark.parametrize(
    "name",
    ["tiny/bge", "tiny/relu", "tiny/float16", "tiny/bfloat16", "matryoshka"]
    + [f"late/{name}" for name in ("modernbert", "stanford")]
    + [f"pipelines/{name}" for name in ("distilbert", "mpnet", "nomic", "qwen", "xlm_roberta")],
)
def test_small_checkpoints_of_every_body_stay_close(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(TINY.parent / name, tmp_path / "model"))
    layout = read_layout(folder)
    assert calibrate(layout, threads=1)
    exact, encoder = (
        load_encoder(layout, ModelOptions(precision=one, threads=1)) for one in ("f32", "int8")
    )

    role = next(iter(layout.card.prompts))
    found, expected = (one.encode(TEXTS, role).rows for one in (encoder, exact))
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (found * expected).sum(axis=1) / lengths
    assert cosines.min() >= 0.97
    assert cosines.mean() >= 0.995
    for one in (exact, encoder):
        one.close()


def test_a_model_that_was_not_prepared_says_what_to_do(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)

    with pytest.raises(ModelMissing, match="not prepared for int8") as error:
        load(folder, precision="int8")
    assert "bindery preload MODEL --precision int8" in error.value.remedy


def test_other_weights_are_measured_anew(tiny: Path) -> None:
    retensor(tiny, doubled)

    with pytest.raises(ModelBroken, match="measured with different weights") as error:
        load(tiny, precision="int8")
    assert "bindery preload MODEL --precision int8" in error.value.remedy
    assert calibrate(read_layout(tiny), threads=1)
    load(tiny, precision="int8").close()


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_file_cut_short_is_named_and_measured_anew(tiny: Path, kept: int) -> None:
    path = tiny / FILE
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(ModelBroken, match=f"{FILE} is truncated or altered"):
        load(tiny, precision="int8")
    assert calibrate(read_layout(tiny), threads=1)
    load(tiny, precision="int8").close()


def test_what_is_not_finite_or_not_paired_is_no_calibration() -> None:
    good, row = np.zeros((2, 3), np.float32), np.zeros(4, np.float32)

    with pytest.raises(ValueError, match="product 1 are not finite"):
        Calibration("f", [good, good * np.nan], [row, row])
    with pytest.raises(ValueError, match="1 ranges, 2 corrections"):
        Calibration("f", [good], [row, row])


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=FILE):
        Calibration("f", [], []).write(tmp_path / "absent")


def test_preload_prepares_models_for_int8(minilm_folder: Path, tmp_path: Path) -> None:
    library = Library(tmp_path, ModelOptions(precision="int8"))
    source = FolderSource(minilm_folder)
    (outcome,) = library.preload(["vanilla"], [source], progress=lambda *_: None)

    assert outcome.state is State.FETCHED, outcome.error
    assert library.encoder("vanilla").precision == "int8"
    (again,) = library.preload(["vanilla"], [source], progress=lambda *_: None)
    assert again.state is State.PRESENT
    library.close()


def test_the_texts_are_many_and_one_is_long() -> None:
    texts = calibration_texts()

    assert len(texts) >= 30
    assert len(texts[-1].split()) >= 1000
    assert all(text.strip() for text in texts)
