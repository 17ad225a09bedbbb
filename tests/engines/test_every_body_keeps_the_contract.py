"""What an Engine promises, of every architecture: padding, order, limits, broken checkpoints."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from tests.engines.bodies import BODIES, CASES, CHECKPOINTS, body, config, golden, open_body
from tests.engines.checkpoints import rewrite

from bindery.engines.graphs import build
from bindery.engines.weights import Weights
from bindery.errors import EngineError, ModelBroken

NOT_OF_THE_BODY = ("cls.", "lm_head.", "head.", "decoder.", "pooler.")
# The graph reads one row of the segments, and takes the number of the others from nowhere.
OF_ANY_LENGTH = "token_type_embeddings.weight"


@pytest.mark.parametrize(("name", "side"), CASES)
def test_a_text_alone_is_the_text_in_a_batch(name: str, side: str) -> None:
    known = golden(name, side)
    engine = body(name)
    batch = engine.hidden_states(known.ids, known.mask)

    for row, mask in enumerate(known.attended):
        ids = known.ids[row, mask][None]
        for way in (engine.hidden_states, engine.hidden_states_quickly):
            alone = way(ids, np.ones_like(ids))
            assert np.abs(alone[0] - batch[row, mask]).max() <= 5e-5


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_texts_of_a_batch_do_not_see_each_other(name: str) -> None:
    known = golden(name)
    engine = body(name)
    order = np.array([2, 0, 1])

    found = engine.hidden_states(known.ids[order], known.mask[order])

    batch = engine.hidden_states(known.ids, known.mask)[order]
    assert np.abs(found - batch)[known.attended[order]].max() <= 1e-5


@pytest.mark.parametrize(("name", "side"), CASES)
def test_what_stands_at_padding_changes_nothing(name: str, side: str) -> None:
    known = golden(name, side)
    engine = body(name)
    # The encoders pad on the right with 0, whatever the model's own padding id is.
    padding = 0 if side == "right" else 5
    ids = np.where(known.attended, known.ids, np.int32(padding))

    found = engine.hidden_states(ids, known.mask)

    assert np.abs(found - known.hidden)[known.attended].max() <= 5e-5


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_row_without_a_token_is_finite(name: str) -> None:
    known = golden(name)
    mask = known.mask.copy()
    mask[1] = 0

    found = body(name).hidden_states(known.ids, mask)

    assert np.isfinite(found).all()
    assert np.abs(found - known.hidden)[mask > 0].max() <= 5e-5


def longest(name: str) -> int:
    found = build(config(BODIES / name), Weights(BODIES / name)).longest
    assert found is not None
    return found


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_text_of_more_tokens_than_places_is_refused(name: str) -> None:
    """Else the tokens too many would stand at a place of zeros, and nobody would notice."""
    engine, most = body(name), longest(name)
    ids = np.full((2, most + 8), 7, np.int32)
    mask = np.zeros_like(ids)
    mask[:, :most] = 1
    padded = ids * mask

    full = engine.hidden_states(padded, mask)
    assert np.isfinite(full).all()
    assert np.abs(full[:, :most] - engine.hidden_states(ids[:, :most], mask[:, :most])).max() < 5e-5
    mask[1, most] = 1
    for way in (engine.hidden_states, engine.hidden_states_quickly):
        with pytest.raises(EngineError, match=f"maximum of {most} tokens"):
            way(padded, mask)
        with pytest.raises(EngineError, match=f"maximum of {most} tokens"):
            way(ids, np.zeros_like(ids))  # attended or not, as [MASK] in ColBERT's queries


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_whole_vocabulary_is_known_and_no_more(name: str) -> None:
    engine = body(name)
    ids = np.full((1, 8), 63, np.int32)

    assert np.isfinite(engine.hidden_states(ids, np.ones_like(ids))).all()
    ids[0, 3] = 64
    for way in (engine.hidden_states, engine.hidden_states_quickly):
        with pytest.raises(EngineError, match="Token id 64 is outside the"):
            way(ids, np.ones_like(ids))


def tensors_of_the_body(name: str) -> list[str]:
    """Those of the first two layers and of no layer: Gemma's seven are alike."""
    with safe_open(BODIES / name / "model.safetensors", framework="numpy") as file:
        names = list(file.keys())
    return [
        name
        for name in names
        if not name.startswith(NOT_OF_THE_BODY) and not re.search(r"layers\.[2-9]\.", name)
    ]


class Altered(Weights):
    """A checkpoint whose tensor of one name is cut, or gone."""

    def __init__(self, folder: Path, key: str, axis: int | None = None) -> None:
        super().__init__(folder)
        self._key = key
        self._axis = axis
        if axis is None:
            del self._files[key]

    def as_written(self, name: str) -> np.ndarray:
        tensor = super().as_written(name)
        if self._axis is None or self._prefix + name != self._key:
            return tensor
        return np.delete(tensor, 0, axis=self._axis)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_every_tensor_is_missed_by_name(name: str) -> None:
    folder = BODIES / name
    for key in tensors_of_the_body(name):
        with pytest.raises(ModelBroken) as caught:
            build(config(folder), Altered(folder, key))
        # Without the one that the body's prefix is told by, none is found under it.
        told_by = key.endswith(("word_embeddings.weight", "tok_embeddings.weight", "tokens.weight"))
        assert f"no tensor '{key}'" in str(caught.value) or told_by


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_every_tensor_of_another_shape_is_refused(name: str) -> None:
    folder = BODIES / name
    for key in tensors_of_the_body(name):
        for axis in range(Weights(folder).as_written(key).ndim):
            if key.endswith(OF_ANY_LENGTH) and axis == 0:
                continue
            with pytest.raises(ModelBroken, match=str(folder)):
                build(config(folder), Altered(folder, key, axis))


def test_numbers_out_of_step_are_read_as_they_are(tmp_path: Path) -> None:
    """A header of any length is allowed, so that numbers may begin at any byte."""
    known = golden("bert")
    for name in ("bert", "qwen3"):
        folder = BODIES / name
        (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
        content = (folder / "model.safetensors").read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = content[8 : 8 + length].rstrip()
        header += b" " * (1 - len(header) % 2)  # the numbers begin at an odd byte
        parts = (len(header).to_bytes(8, "little"), header, content[8 + length :])
        (tmp_path / "model.safetensors").write_bytes(b"".join(parts))

        for precision in ("f32", "bf16"):
            found = open_body(tmp_path, precision).hidden_states(known.ids, known.mask)
            expected = open_body(folder, precision).hidden_states(known.ids, known.mask)
            assert np.abs(found - expected)[known.attended].max() <= 1e-5


@pytest.mark.parametrize(("name", "prefix"), [("gemma3", "model."), ("distilbert", "distilbert.")])
def test_a_body_beside_a_head_is_found(name: str, prefix: str, tmp_path: Path) -> None:
    """Its tensors are named from the head's point of view."""
    known = golden(name)
    weights = Weights(BODIES / name)
    renamed = {f"{prefix}{tensor}": np.array(values) for tensor, values in weights.items()}
    save_file(renamed, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((BODIES / name / "config.json").read_bytes())

    found = open_body(tmp_path).hidden_states(known.ids, known.mask)

    assert np.abs(found - known.hidden)[known.attended].max() <= 5e-5


@pytest.mark.parametrize(("name", "prefix"), [("bert", "bert."), ("xlm_roberta", "roberta.")])
def test_what_stanfords_colbert_has_beside_the_body_does_no_harm(
    name: str, prefix: str, tmp_path: Path
) -> None:
    """A projection, a head of the checkpoint that it began with, and a buffer of old releases."""
    known = golden(name)
    weights = Weights(BODIES / name)
    renamed = {f"{prefix}{tensor}": np.array(values) for tensor, values in weights.items()}
    beside = {
        "linear.weight": np.ones((8, 24), np.float32),
        "cls.predictions.bias": np.ones(3, np.float32),
        f"{prefix}embeddings.position_ids": np.zeros((1, 4), np.int64),
    }
    save_file(renamed | beside, tmp_path / "model.safetensors")
    rewrite(
        Path(shutil.copy(BODIES / name / "config.json", tmp_path)), architectures=["HF_ColBERT"]
    )

    found = open_body(tmp_path).hidden_states(known.ids, known.mask)

    assert np.abs(found - known.hidden)[known.attended].max() <= 5e-5
