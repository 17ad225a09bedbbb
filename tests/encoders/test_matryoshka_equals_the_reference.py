"""A tiny EmbeddingGemma: every prompt, titles and every dimension, as the reference has them.

tests/golden/make_matryoshka.py made the golden files.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.engines.checkpoints import rewrite

from bindery.encoders.dense import DenseEncoder
from bindery.encoders.loading import load_encoder
from bindery.engines.weights import Weights
from bindery.errors import InvalidValue
from bindery.models.catalog import CATALOG
from bindery.models.layouts import Layout, read_layout
from bindery.options import ModelOptions

GOLDEN = Path(__file__).parent.parent / "golden"
FOLDER = GOLDEN / "matryoshka"
RECORD = json.loads((GOLDEN / "matryoshka.json").read_text(encoding="utf-8"))
REFERENCE = np.load(GOLDEN / "matryoshka.npz")
TEXTS: list[str] = list(RECORD["texts"].values())
TITLES: list[str] = RECORD["titles"]
CUTS: list[int] = RECORD["cuts"]
GEMMA = CATALOG["gemma"].card
TOLERANCE = 1e-5


def layout_of(folder: Path) -> Layout:
    """The tiny folder with what the catalog's row knows beside: titles, tasks, nested lengths."""
    layout = read_layout(folder)
    card = replace(
        layout.card,
        nested_dimensions=tuple(CUTS),
        prompts={**layout.card.prompts, **GEMMA.prompts},
        title_prompt=GEMMA.title_prompt,
    )
    return replace(layout, card=card)


@pytest.fixture(scope="module")
def gemma() -> Iterator[DenseEncoder]:
    encoder = load_encoder(layout_of(FOLDER), ModelOptions(precision="f32", threads=1))
    assert isinstance(encoder, DenseEncoder)
    yield encoder
    encoder.close()


def reference_ids(name: str) -> list[list[int]]:
    offsets = REFERENCE[f"{name}/offsets"]
    return [REFERENCE[f"{name}/ids"][a:b].tolist() for a, b in pairwise(offsets)]


def twin(role: str) -> str:
    """The role that stands for this one in the golden file, having the same prompt."""
    prompts = GEMMA.prompts
    return next(name for name in ("query", "document", role) if prompts[name] == prompts[role])


def test_the_catalogs_prompts_are_the_models_own() -> None:
    for role, prompt in RECORD["prompts"].items():
        assert GEMMA.prompts[role] == prompt
    assert GEMMA.title_prompt == "title: {title} | text: "
    assert GEMMA.prompts["document"] == GEMMA.title_prompt.format(title="none")


@pytest.mark.parametrize("role", list(RECORD["prompts"]))
def test_every_role_is_as_the_reference_has_it(gemma: DenseEncoder, role: str) -> None:
    name = twin(role)
    vectors = REFERENCE[f"{name}/vectors"]
    texts = TEXTS[: len(vectors)]

    tokens = gemma.tokeniser.tokenise(texts, role)
    encoded = gemma.encode_counted(texts, role)

    assert [text.ids.tolist() for text in tokens] == reference_ids(name)
    assert np.abs(encoded.embeddings.rows - vectors).max() <= TOLERANCE
    used_and_cut = encoded.tokens_used + encoded.tokens_cut
    assert used_and_cut.tolist() == REFERENCE[f"{name}/untruncated"].tolist()


def test_titles_go_before_their_texts(gemma: DenseEncoder) -> None:
    for role in ("document", "Retrieval-document"):
        tokens = gemma.tokeniser.tokenise(TEXTS, role, titles=TITLES)
        rows = gemma.encode(TEXTS, role, titles=TITLES).rows

        assert [text.ids.tolist() for text in tokens] == reference_ids("titled")
        assert np.abs(rows - REFERENCE["titled/vectors"]).max() <= TOLERANCE


def test_a_text_without_a_title_has_the_documents_prompt(gemma: DenseEncoder) -> None:
    titles = [None, "", "  \t", "Shelf care", "none"]
    texts = ["paper"] * len(titles)

    rows = gemma.encode(texts, "document", titles=titles).rows

    plain = gemma.encode(["paper"], "document").rows[0]
    assert np.abs(rows[[0, 1, 2, 4]] - plain).max() <= TOLERANCE
    assert np.abs(rows[3] - plain).max() > 1e-3


@pytest.mark.parametrize("size", CUTS)
def test_every_dimension_is_cut_and_brought_back_to_length_1(
    gemma: DenseEncoder, size: int
) -> None:
    for role, name, titles in (("query", "query", None), ("document", "titled", TITLES)):
        rows = gemma.encode(TEXTS, role, dimensions=size, titles=titles).rows

        assert rows.shape == (len(TEXTS), size)
        assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() <= 1e-6
        assert np.abs(rows - REFERENCE[f"{name}/cut/{size}"]).max() <= TOLERANCE


def test_the_full_dimension_is_the_vector_itself(gemma: DenseEncoder) -> None:
    asked = gemma.encode(TEXTS, "query", dimensions=48).rows

    assert np.abs(asked - REFERENCE["query/vectors"]).max() <= TOLERANCE


@pytest.mark.parametrize("dimensions", [0, -1, 1, 12, 31, 33, 47, 49])
def test_other_dimensions_need_a_switch(gemma: DenseEncoder, dimensions: int) -> None:
    with pytest.raises(InvalidValue) as caught:
        gemma.encode(["a"], "query", dimensions=dimensions)
    assert caught.value.remedy == "Allowed: 48, 32, 16, 8."
    assert caught.value.param == "dimensions"

    if 1 <= dimensions <= 48:
        rows = gemma.encode(TEXTS, "query", dimensions=dimensions, any_dimensions=True).rows
        prefix = REFERENCE["query/vectors"][:, :dimensions]
        expected = prefix / np.linalg.norm(prefix, axis=1, keepdims=True)
        assert np.abs(rows - expected).max() <= 1e-3 / dimensions
    else:
        with pytest.raises(InvalidValue, match=f"vectors of {dimensions} dimensions") as caught:
            gemma.encode(["a"], "query", dimensions=dimensions, any_dimensions=True)
        assert caught.value.remedy == "Choose 1 to 48."


def test_blanks_at_the_ends_are_the_texts_own(gemma: DenseEncoder) -> None:
    """sentence-transformers up to 5.3 stripped prompt and text; 6 does not, and nor do we."""
    texts = ["paper", "paper ", " paper", "", " "]

    ids = [tuple(text.ids.tolist()) for text in gemma.tokeniser.tokenise(texts, "document")]

    assert len(set(ids)) == len(texts)
    for row in gemma.tokeniser.tokenise(texts, "document"):
        assert (row.ids[0], row.ids[-1]) == (2, 1)


def test_tokens_are_the_bodys_states_without_the_prompt(gemma: DenseEncoder) -> None:
    texts = [RECORD["texts"][name] for name in RECORD["states"]]
    states = REFERENCE["document/states"]
    states = states / np.linalg.norm(states, axis=1, keepdims=True)
    tokens = gemma.tokeniser.tokenise(texts, "document")
    places = np.cumsum([0, *map(len, tokens)])

    found = gemma.encode_tokens(texts, "document")

    assert len(states) == places[-1]
    for text, one in enumerate(tokens):
        start, end = one.text
        expected = states[places[text] + start : places[text] + end]
        assert np.abs(found.tokens[text] - expected).max(initial=0) <= TOLERANCE
    assert len(found.tokens[0]) == 0, "an empty text has no tokens of its own"
    assert found.pooled is not None
    rows = REFERENCE["document/vectors"][: len(texts)]
    assert np.abs(found.pooled.rows - rows).max() <= TOLERANCE


def test_the_prompts_last_blank_is_part_of_the_texts_first_token(gemma: DenseEncoder) -> None:
    """Gemma's tokens hold the blank before a word, and the prompt ends with one."""
    prompt_alone = gemma.tokeniser.tokenise([""], "document")[0]
    with_text = gemma.tokeniser.tokenise(["paper"], "document")[0]

    start, end = with_text.text
    assert end - start >= 1
    assert start == prompt_alone.text[0] - 1
    assert end == len(with_text) - 1


def test_the_window_bites(tmp_path: Path) -> None:
    """With another window, texts longer than it get other vectors: the golden ones need it."""
    folder = Path(shutil.copytree(FOLDER, tmp_path / "gemma"))
    rewrite(folder / "config.json", sliding_window=64)
    wide = load_encoder(layout_of(folder), ModelOptions(precision="f32", threads=1))
    long = TEXTS.index(max(TEXTS, key=len))
    differences = np.abs(wide.encode(TEXTS, "query").rows - REFERENCE["query/vectors"])
    wide.close()

    assert differences[long].max() > 1e-3


def test_bfloat16_is_near_float32() -> None:
    encoder = load_encoder(layout_of(FOLDER), ModelOptions(precision="bf16", threads=1))
    rows = encoder.encode(TEXTS, "query").rows
    encoder.close()

    assert (rows * REFERENCE["query/vectors"]).sum(axis=1).min() >= 0.99


def test_weights_kept_in_float16_are_widened(tmp_path: Path) -> None:
    """Activations overflow in float16, weights do not: float32 computes with the same numbers."""
    vectors: list[np.ndarray] = []
    for dtype in (np.float16, np.float32):
        folder = Path(shutil.copytree(FOLDER, tmp_path / str(dtype.__name__)))
        halves = {name: values.astype(np.float16) for name, values in Weights(folder).items()}
        tensors = {name: np.ascontiguousarray(v.astype(dtype)) for name, v in halves.items()}
        save_file(tensors, folder / "model.safetensors")
        encoder = load_encoder(layout_of(folder), ModelOptions(precision="f32", threads=1))
        vectors.append(encoder.encode(TEXTS, "document").rows)
        encoder.close()

    assert np.abs(vectors[0] - vectors[1]).max() <= 1e-6
