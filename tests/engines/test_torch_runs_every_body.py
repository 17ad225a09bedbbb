"""The engine torch: every body as transformers computes it, quietly, and nothing from a network.

It needs the extra ``torch``; ``make test-torch`` installs it and runs this.
"""

import json
import logging
import shutil
import socket
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.engines.checkpoints import TINY, copied, retensor, rewrite

from bindery.engines import Engine, Precision, open_engine
from bindery.errors import EngineError, InvalidValue, ModelBroken, UnsupportedModel
from bindery.options import ModelOptions

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("sentence_transformers")

GOLDEN = Path(__file__).parent.parent / "golden"
BODIES = json.loads((GOLDEN / "bodies.json").read_text(encoding="utf-8"))["checkpoints"]
REFERENCE = np.load(GOLDEN / "bodies.npz")
SIDES = [(name, side) for name, about in BODIES.items() for side in about["sides"]]


def with_tokeniser(folder: Path) -> Path:
    """sentence-transformers loads a tokeniser with every body; which one does not matter here."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TINY / "bge" / name, folder / name)
    return folder


def body(name: str, folder: Path) -> Path:
    """A copy of one of the tiny bodies, to be loaded or spoilt."""
    return with_tokeniser(Path(shutil.copytree(GOLDEN / "bodies" / name, folder / name)))


def opened(folder: Path, precision: str = "f32") -> Engine:
    return open_engine(
        folder, ModelOptions(precision=Precision(precision), engine="torch", device="cpu")
    )


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = opened(TINY / "bge")
    yield engine
    engine.close()


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_every_body_is_transformers_own(name: str, side: str, tmp_path: Path) -> None:
    ids, mask, expected = (REFERENCE[f"{name}/{side}/{key}"] for key in ("ids", "mask", "hidden"))
    engine = opened(body(name, tmp_path))

    found = engine.hidden_states(ids, mask)

    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    assert np.isfinite(found[mask > 0]).all()
    assert np.abs(found - expected)[mask > 0].max() <= 1e-4
    assert np.abs(engine.hidden_states_quickly(ids, mask) - found)[mask > 0].max() <= 1e-6


@pytest.mark.parametrize("name", [name for name, side in SIDES if side == "right"])
def test_padding_is_finite_and_changes_nothing(name: str, tmp_path: Path) -> None:
    """With windows too: padding far beyond a text sees no token at all."""
    ids, mask = (REFERENCE[f"{name}/right/{key}"] for key in ("ids", "mask"))
    engine = opened(body(name, tmp_path))
    shortest = int(mask.sum(axis=1).argmin())
    length = int(mask[shortest].sum())

    together = engine.hidden_states(ids, mask)
    alone = engine.hidden_states(*(a[shortest : shortest + 1, :length] for a in (ids, mask)))

    assert np.isfinite(together).all()
    assert np.abs(together[shortest, :length] - alone[0]).max() <= 1e-4


@pytest.mark.parametrize("name", list(BODIES))
def test_bfloat16_is_near(name: str, tmp_path: Path) -> None:
    ids, mask, expected = (REFERENCE[f"{name}/right/{key}"] for key in ("ids", "mask", "hidden"))

    found = opened(body(name, tmp_path), "bf16").hidden_states(ids, mask)

    ours, theirs = found[mask > 0], expected[mask > 0]
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert found.dtype == np.float32
    assert cosines.mean() >= 0.999


def test_a_halved_window_on_disk_is_the_same_window(tmp_path: Path) -> None:
    """16 means 9 to transformers, and so does the 9 that its versions before 5.23 wrote down."""
    ids, mask, expected = (REFERENCE[f"gemma3/right/{key}"] for key in ("ids", "mask", "hidden"))
    folder = body("gemma3", tmp_path)
    assert json.loads((folder / "config.json").read_text())["sliding_window"] == 16
    rewrite(folder / "config.json", sliding_window=9)

    found = opened(folder).hidden_states(ids, mask)

    assert np.abs(found - expected)[mask > 0].max() <= 1e-4


def test_masked_tokens_of_a_query_still_look_at_the_others() -> None:
    """ColBERT's [MASK]s are not attended to, but what stands there is used (protocols A4)."""
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 190, (3, 32), dtype=np.int32)
    mask = (np.arange(32) < np.array([[3], [20], [32]])).astype(np.int32)
    eager = transformers.AutoModel.from_pretrained(TINY / "bge", attn_implementation="eager").eval()
    with torch.no_grad():
        tensors = (torch.tensor(array, dtype=torch.long) for array in (ids, mask))
        expected = eager(*tensors).last_hidden_state.numpy()

    found = opened(TINY / "bge").hidden_states(ids, mask)

    assert np.abs(found - expected).max() <= 1e-5


def made(kind: str, folder: Path, **settings: Any) -> Any:
    """A tiny model of any architecture, written to a folder; returns its body."""
    torch.manual_seed(0)
    model = getattr(transformers, kind)
    model = model(model.config_class(vocab_size=190, **settings)).eval()
    model.save_pretrained(folder)
    with_tokeniser(folder)
    return model


WITHOUT_GRAPH = {
    "ElectraModel": {
        "hidden_size": 16, "embedding_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 32,
    },
    "AlbertModel": {
        "hidden_size": 16, "embedding_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 32,
    },
    "DebertaV2Model": {  # has no scaled-dot-product attention of torch's
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 32, "relative_attention": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", WITHOUT_GRAPH)
def test_an_architecture_without_a_graph_runs_by_itself(kind: str, tmp_path: Path) -> None:
    model = made(kind, tmp_path, **WITHOUT_GRAPH[kind])
    ids = np.random.default_rng(0).integers(5, 190, (2, 12), dtype=np.int32)
    mask = (np.arange(12) < np.array([[12], [5]])).astype(np.int32)
    with torch.no_grad():
        tensors = (torch.tensor(array, dtype=torch.long) for array in (ids, mask))
        expected = model(*tensors).last_hidden_state.numpy()

    engine = open_engine(tmp_path, ModelOptions(precision=Precision.FLOAT32, device="cpu"))

    assert type(engine).__name__ == "TorchEngine"
    assert np.abs(engine.hidden_states(ids, mask) - expected)[mask > 0].max() <= 1e-5


def test_of_an_encoder_and_decoder_the_encoder_runs(tmp_path: Path) -> None:
    settings = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
    model = made("T5Model", tmp_path, **settings)
    ids = np.random.default_rng(0).integers(5, 190, (2, 12), dtype=np.int32)
    mask = np.ones_like(ids)
    with torch.no_grad():
        expected = model.encoder(torch.tensor(ids, dtype=torch.long)).last_hidden_state.numpy()

    found = open_engine(tmp_path, ModelOptions(precision=Precision.FLOAT32, device="cpu"))

    assert np.abs(found.hidden_states(ids, mask) - expected).max() <= 1e-5


def test_a_stanford_colbert_loads_under_its_prefix(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    rewrite(folder / "config.json", architectures=["HF_ColBERT"])
    projection = {"linear.weight": np.ones((16, 32), np.float32)}
    retensor(folder, lambda tensors: {f"bert.{k}": v for k, v in tensors.items()} | projection)
    ids = np.arange(5, 21, dtype=np.int32)[None]
    mask = np.ones_like(ids)

    found = opened(folder).hidden_states(ids, mask)

    assert np.abs(found - opened(TINY / "bge").hidden_states(ids, mask)).max() == 0


WORDS = "embeddings.word_embeddings.weight"
SPOILT: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a tensor is missing": lambda tensors: {k: v for k, v in tensors.items() if k != WORDS},
    "a tensor is of another shape": lambda tensors: tensors | {WORDS: tensors[WORDS][:, :-1]},
    "a layer is missing": lambda tensors: {
        k: v for k, v in tensors.items() if ".layer.1." not in k
    },
    "all go by another name": lambda tensors: {f"model.{k}": v for k, v in tensors.items()},
}


@pytest.mark.parametrize("change", SPOILT.values(), ids=SPOILT)
def test_no_tensor_is_drawn_at_random(
    change: Callable[[dict[str, Any]], dict[str, Any]], tmp_path: Path
) -> None:
    folder = copied("bge", tmp_path)
    retensor(folder, change)

    with pytest.raises(ModelBroken, match=r"has no tensor '(embeddings|encoder)"):
        opened(folder)


def test_a_pooler_may_be_missing_or_wrong(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    retensor(folder, lambda tensors: tensors | {"pooler.dense.weight": np.ones((3, 3), np.float32)})
    one = np.array([[9, 20, 10]], np.int32)

    found = opened(folder).hidden_states(one, np.ones_like(one))

    expected = opened(TINY / "bge").hidden_states(one, np.ones_like(one))
    assert np.abs(found - expected).max() == 0


BROKEN = {
    "no configuration": ("config.json", None, ModelBroken),
    "a configuration that is not JSON": ("config.json", "{", ModelBroken),
    "a configuration that is no object": ("config.json", "[]", ModelBroken),
    "no weights": ("model.safetensors", None, ModelBroken),
    "empty weights": ("model.safetensors", "", ModelBroken),
    "an adapter": ("adapter_config.json", "{}", UnsupportedModel),
}


@pytest.mark.parametrize(("file", "content", "error"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_told(
    file: str, content: str | None, error: type[Exception], tmp_path: Path
) -> None:
    folder = copied("bge", tmp_path)
    (folder / file).unlink(missing_ok=True)
    if content is not None:
        (folder / file).write_text(content)

    with pytest.raises(error, match=str(folder)):
        opened(folder)


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    weights = {k: torch.tensor(v) for k, v in load_file(folder / "model.safetensors").items()}
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()

    with pytest.raises(ModelBroken, match=r"no model\.safetensors"):
        opened(folder)


def test_code_that_a_model_brings_is_not_run(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    (folder / "own.py").write_text("raise SystemExit('was run')")
    own = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    rewrite(folder / "config.json", model_type="own", auto_map=own)

    with pytest.raises(UnsupportedModel, match=str(folder)):
        opened(folder)


def test_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    rewrite(folder / "config.json", model_type="ink")

    for engine in ("auto", "torch"):
        with pytest.raises(UnsupportedModel, match="ink"):
            open_engine(folder, ModelOptions(engine=engine, device="cpu"))


def test_loading_says_nothing_and_asks_no_network(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """masked_lm lacks a pooler and has a head too many, both of which transformers reports."""

    def refuse(*_: object) -> None:
        pytest.fail("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    level = logging.getLogger("transformers").level

    opened(copied("masked_lm", tmp_path)).close()

    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("transformers").level == level
    assert transformers.utils.logging.is_progress_bar_enabled()


def test_ids_and_places_beyond_the_tables_are_refused(engine: Engine) -> None:
    """On CUDA they would end every later call of the process."""
    wide = np.ones((1, 65), np.int32)
    for way in (engine.hidden_states, engine.hidden_states_quickly):
        with pytest.raises(EngineError, match="190 is outside the model's vocabulary of 190"):
            way(np.full((1, 8), 190, np.int32), np.ones((1, 8), np.int32))
        with pytest.raises(EngineError, match="64"):
            way(wide, wide)
        with pytest.raises(EngineError, match="shape"):
            way(np.ones((1, 8, 1), np.int32), np.ones((1, 8, 1), np.int32))


def test_padding_may_go_beyond_the_places(engine: Engine) -> None:
    """A batch is padded to a round length."""
    ids = np.zeros((2, 72), np.int32)
    ids[:, :60] = 9
    mask = (np.arange(72) < np.array([[60], [7]])).astype(np.int32)

    found = engine.hidden_states(ids, mask)

    assert found.shape == (2, 72, 32)
    assert np.isfinite(found).all()
    expected = engine.hidden_states(ids[:, :60], mask[:, :60])
    assert np.abs(found[:, :60] - expected)[mask[:, :60] > 0].max() <= 1e-5


def test_roberta_counts_its_places_from_the_padding(tmp_path: Path) -> None:
    """66 rows, of which the first 2 are no token's."""
    folder = body("roberta", tmp_path)
    rows = json.loads((folder / "config.json").read_text())["max_position_embeddings"]
    engine = opened(folder)
    long = np.full((1, rows), 9, np.int32)

    found = engine.hidden_states(long, (np.arange(rows) < rows - 2).astype(np.int32)[None])

    assert np.isfinite(found).all()
    with pytest.raises(EngineError, match=f"{rows - 2}"):
        engine.hidden_states(long, np.ones_like(long))


def test_many_shapes_from_four_threads(engine: Engine) -> None:
    rng = np.random.default_rng(0)
    batches = [
        (rng.integers(1, 190, (texts, length), dtype=np.int32), np.ones((texts, length), np.int32))
        for texts, length in rng.integers(1, 17, (20, 2))
    ]
    expected = [engine.hidden_states(*batch) for batch in batches]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: engine.hidden_states(*batch), batches * 3))

    for mine, alone in zip(found, expected * 3, strict=True):
        assert np.abs(mine - alone).max() <= 1e-5


def test_a_closed_engine_says_so_and_its_memory_is_free() -> None:
    engine = opened(TINY / "bge")
    weights = weakref.ref(engine._body.model.get_input_embeddings().weight)  # type: ignore[attr-defined]
    one = np.ones((1, 8), np.int32)
    engine.hidden_states(one, one)

    engine.close()
    engine.close()

    assert weights() is None
    for way in (engine.hidden_states, engine.hidden_states_quickly):
        with pytest.raises(EngineError, match="closed"):
            way(one, one)


def test_a_device_that_is_not_there_is_refused() -> None:
    missing = ["cuda:99"] + (["cuda"] if not torch.cuda.is_available() else [])
    missing += ["mps"] if not torch.backends.mps.is_available() else []

    for device in missing:
        with pytest.raises(InvalidValue, match="no device") as caught:
            open_engine(TINY / "bge", ModelOptions(device=device))
        assert caught.value.param == "device"


def test_weights_are_not_held_in_float32_for_bfloat16() -> None:
    engine = opened(TINY / "bge", "bf16")

    kinds = {tensor.dtype for tensor in engine._body.parameters()}  # type: ignore[attr-defined]

    assert kinds == {torch.bfloat16}
    assert (engine.precision, engine.streams) == (Precision.BFLOAT16, 1)
    engine.close()
