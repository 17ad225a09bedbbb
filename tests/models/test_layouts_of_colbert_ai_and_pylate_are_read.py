"""The settings of colbert-ai and PyLate: what they mean, their defaults, and what is refused."""

import json
import string
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.encoders.late_checkpoints import LATE, late_encoder, late_of
from tests.engines.checkpoints import retensor, rewrite

from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.layouts import LateInteraction, read_layout

OWN = "config_sentence_transformers.json"
SETTINGS = "sentence_bert_config.json"
METADATA = "artifact.metadata"
PUNCTUATION = tuple(string.punctuation)


# colbert-ai


def test_without_metadata_colbert_ais_defaults_hold_within_the_positions(stanford: Path) -> None:
    (stanford / METADATA).write_text("{}", encoding="utf-8")
    late = late_of(stanford)

    assert (late.query_marker, late.document_marker) == ("[unused0]", "[unused1]")
    assert (late.query_length, late.document_length) == (32, 40)  # of 220
    assert late.skipped == PUNCTUATION
    assert not late.attends_to_expansion
    rewrite(stanford / "config.json", max_position_embeddings=512)
    assert late_of(stanford).document_length == 220


def test_metadata_may_be_nested(stanford: Path) -> None:
    nested = {"query_maxlen": 9, "doc_maxlen": 11, "mask_punctuation": False,
              "attend_to_mask_tokens": True, "query_token_id": "[unused2]"}  # fmt: skip
    (stanford / METADATA).write_text(json.dumps({"config": nested}), encoding="utf-8")
    late = late_of(stanford)

    assert (late.query_length, late.document_length) == (9, 11)
    assert (late.query_marker, late.document_marker) == ("[unused2]", "[unused1]")
    assert (late.skipped, late.attends_to_expansion) == ((), True)


@pytest.mark.parametrize("changes", [{"similarity": "l2"}, {"interaction": "flipr"}])
def test_other_scores_are_refused_by_name(changes: dict[str, str], stanford: Path) -> None:
    rewrite(stanford / METADATA, **changes)

    with pytest.raises(UnsupportedModel, match=repr(*changes.values())):
        read_layout(stanford)


@pytest.mark.parametrize("value", [0, -1, 3, "long", 2.5, True])
@pytest.mark.parametrize("key", ["query_maxlen", "doc_maxlen"])
def test_lengths_that_hold_no_text_are_named(key: str, value: object, stanford: Path) -> None:
    rewrite(stanford / METADATA, **{key: value})

    with pytest.raises(ModelBroken, match=key) as caught:
        read_layout(stanford)
    assert METADATA in caught.value.message


def test_a_missing_projection_is_named(stanford: Path) -> None:
    retensor(stanford, lambda found: {n: t for n, t in found.items() if n != "linear.weight"})

    with pytest.raises(ModelBroken, match=r"late-interaction model without a projection"):
        read_layout(stanford)


def test_a_projection_may_lie_in_any_of_several_files(stanford: Path) -> None:
    tensors = load_file(stanford / "model.safetensors")
    files = {name: f"part-{int(name == 'linear.weight')}.safetensors" for name in tensors}
    for file in set(files.values()):
        save_file({name: tensors[name] for name in tensors if files[name] == file}, stanford / file)
    (stanford / "model.safetensors").unlink()
    index = stanford / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": files}), encoding="utf-8")
    encoder, whole = late_encoder(stanford), late_encoder(LATE / "stanford")

    found, expected = (one.encode(["loose paper"], "query").rows for one in (encoder, whole))
    assert np.allclose(found, expected, atol=1e-6)
    encoder.close()
    whole.close()


# PyLate


def test_pylates_defaults_hold(pylate: Path) -> None:
    rewrite(pylate / "config.json", max_position_embeddings=512)
    own = {"model_type": "ColBERT", "query_length": None, "query_prefix": None}
    (pylate / OWN).write_text(json.dumps(own), encoding="utf-8")
    late = late_of(pylate)

    assert late == LateInteraction("[Q] ", "[D] ", 32, 180, skipped=PUNCTUATION)
    assert late.expands
    assert not late.attends_to_expansion


def test_pylates_settings_are_kept(pylate: Path) -> None:
    rewrite(
        pylate / OWN, query_prefix="[D] ", document_prefix="", query_length=20, document_length=99,
        attend_to_expansion_tokens=True, do_query_expansion=False, skiplist_words=[],
        prompts={"query": "find: ", "other": "no role: "},
    )  # fmt: skip
    rewrite(pylate / SETTINGS, do_lower_case=True)
    layout = read_layout(pylate)

    assert layout.late == LateInteraction(
        "[D] ", "", 20, 40, expands=False, attends_to_expansion=True
    )
    assert dict(layout.card.prompts) == {"query": "find: ", "document": ""}
    assert layout.lower_case
