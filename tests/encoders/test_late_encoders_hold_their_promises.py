"""What every late-interaction encoder promises, whatever its layout."""

import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders.late_checkpoints import LATE, ROLES, SPECIAL_TEXTS, TEXTS, copied, late_encoder
from tests.engines.checkpoints import Tensors, retensor, rewrite

from bindery.encoders.late import LateEncoder
from bindery.errors import EngineError, InvalidValue, ModelBroken, UnsupportedModel
from bindery.models.layouts import read_layout, with_lengths
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.scoring import maxsim

NAMES = ("stanford", "pylate", "modernbert", "native")
ALL = [*TEXTS.values(), *SPECIAL_TEXTS.values()]


@pytest.fixture(scope="module", params=NAMES)
def encoder(request: pytest.FixtureRequest) -> Generator[LateEncoder]:
    encoder = late_encoder(LATE / request.param)
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def stanford() -> Generator[LateEncoder]:
    encoder = late_encoder(LATE / "stanford")
    yield encoder
    encoder.close()


# Batches


@pytest.mark.parametrize("role", ROLES)
def test_batches_equal_their_texts_one_by_one(encoder: LateEncoder, role: str) -> None:
    together = encoder.encode(ALL, role)
    for place, text in enumerate(ALL):
        alone = encoder.encode([text], role)[0]
        assert alone.shape == together[place].shape
        assert np.abs(alone - together[place]).max() <= 1e-5


@given(order=st.permutations(range(len(ALL))), role=st.sampled_from(ROLES))
@settings(max_examples=10, deadline=None)
def test_any_order_gives_the_same_vectors(
    stanford: LateEncoder, order: list[int], role: str
) -> None:
    expected = stanford.encode(ALL, role)
    found = stanford.encode([ALL[place] for place in order], role)

    for place, original in enumerate(order):
        assert np.abs(found[place] - expected[original]).max() <= 1e-5


def test_padding_never_wins_a_maximum(encoder: LateEncoder) -> None:
    """Where every product is negative, a padded document of zeros would score 0 and win."""
    documents = encoder.encode(ALL, "document")
    queries = Embeddings.dense(-documents.rows)
    found = maxsim(queries, documents)
    alone = [(queries.rows @ documents[text].T).max(axis=1) for text in range(len(documents))]

    assert np.abs(found - np.stack(alone, axis=1)).max() <= 1e-5
    assert (found < 0).any()


# Rows


@pytest.mark.parametrize("role", ROLES)
def test_rows_are_of_length_one(encoder: LateEncoder, role: str) -> None:
    rows = encoder.encode(ALL, role).rows

    assert rows.dtype == np.float32
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() <= 1e-5


@pytest.mark.parametrize("text", ["", " ", "...", "\n"])
def test_no_text_is_without_vectors(encoder: LateEncoder, text: str) -> None:
    """[CLS], marker and [SEP] stay, whatever is skipped; a byte-level tokeniser sees blanks too."""
    seen = encoder.tokeniser.count_tokens([text.replace(".", "")])[0]

    assert len(encoder.encode([text], "document")[0]) == 3 + seen


def test_a_query_is_filled_up_and_all_its_vectors_are_kept(stanford: LateEncoder) -> None:
    tokens = stanford.tokeniser.tokenise(["", "loose paper", TEXTS["long"]], "query")

    assert [len(text) for text in tokens] == [12, 12, 12]
    assert [text.expansion for text in tokens] == [9, 7, 0]
    assert tokens[0].ids.tolist() == [9, 1, 10] + [11] * 9  # [CLS] [unused0] [SEP] [MASK]...
    rows = stanford.encode(["", "loose paper", TEXTS["long"]], "query")
    assert np.diff(rows.offsets).tolist() == [12, 12, 12]


def test_a_model_that_does_not_fill_up_keeps_the_querys_own_tokens() -> None:
    encoder = late_encoder(LATE / "modernbert")
    found = encoder.encode_counted(["", "loose"], "query")

    assert np.diff(found.embeddings.offsets).tolist() == found.tokens_used.tolist()
    encoder.close()


def test_no_texts_give_no_vectors(encoder: LateEncoder) -> None:
    found = encoder.encode_counted([], "document")

    assert len(found.embeddings) == 0
    assert found.embeddings.width == encoder.card.dimensions
    assert found.tokens_used.shape == (0,)


def test_tokens_are_what_encode_gives(encoder: LateEncoder) -> None:
    found = encoder.encode_tokens(ALL, "document")

    assert found.pooled is None
    assert np.array_equal(found.tokens.offsets, encoder.encode(ALL, "document").offsets)


# Counts


@pytest.mark.parametrize("role", ROLES)
def test_counts_are_honest(encoder: LateEncoder, role: str) -> None:
    """Special tokens and marker are used, filling is not; nothing is cut in silence."""
    found = encoder.encode_counted(ALL, role)
    own = encoder.tokeniser.count_tokens(ALL)
    window = {"query": encoder.card.query_max_tokens, "document": encoder.card.max_tokens}[role]

    assert (found.tokens_used + found.tokens_cut).tolist() == [count + 3 for count in own]
    assert found.tokens_used.max() <= (window or 0)
    cut = [max(0, count - encoder.tokeniser.room(role)) for count in own]
    assert found.tokens_cut.tolist() == cut
    assert max(cut) > 0


def test_each_role_has_its_own_room(encoder: LateEncoder) -> None:
    assert (encoder.tokeniser.room("query"), encoder.tokeniser.room("document")) == (12 - 3, 24 - 3)


def test_offsets_and_text_ranges_are_of_the_texts_own_tokens(encoder: LateEncoder) -> None:
    text = "loose paper, lost"
    tokens = encoder.tokeniser.tokenise([text], "document")[0]
    start, end = tokens.text

    assert (
        end - start
        == encoder.tokeniser.count_tokens([text])[0]
        == len(encoder.tokeniser.of_role().token_offsets([text])[0])
    )
    assert (start, len(tokens) - end) == (2, 1)


# What a text says


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("text", SPECIAL_TEXTS.values(), ids=SPECIAL_TEXTS)
def test_special_tokens_in_a_text_are_text(encoder: LateEncoder, text: str, role: str) -> None:
    """What a user writes never becomes a marker, a mask, padding or an end."""
    tokens = encoder.tokeniser.tokenise([text, ""], role)
    reserved = set(tokens[1].ids.tolist())
    own = tokens[0].ids[slice(*tokens[0].text)].tolist()

    assert not reserved & set(own)
    assert encoder.tokeniser.kept(tokens[0], role).any()


def test_special_tokens_are_read_when_asked_for() -> None:
    encoder = late_encoder(LATE / "native", reads_special_tokens=True)
    tokens = encoder.tokeniser.tokenise(["paper [MASK]", "[Q] paper"], "document")

    assert 11 in tokens[0].ids
    assert 190 in tokens[1].ids
    encoder.close()


# Roles, titles, dimensions


@pytest.mark.parametrize("role", ["passage", "", "Query"])
def test_roles_are_two(encoder: LateEncoder, role: str) -> None:
    for ask in (encoder.encode, encoder.encode_tokens, encoder.tokeniser.tokenise):
        with pytest.raises(InvalidValue, match="no role") as caught:
            ask(["text"], role)
        assert "query, document" in caught.value.remedy
    with pytest.raises(InvalidValue, match="no role"):
        encoder.tokeniser.room(role)


def test_titles_are_refused_where_there_is_no_place_for_them(encoder: LateEncoder) -> None:
    with pytest.raises(InvalidValue, match="titles"):
        encoder.encode(["text"], "document", titles=["Title"])


@pytest.mark.parametrize("texts", ["text", [1], ["\ud800"]])
def test_what_is_not_text_is_refused(encoder: LateEncoder, texts: list[str]) -> None:
    for ask in (encoder.encode, encoder.tokeniser.tokenise):
        with pytest.raises(InvalidValue):
            ask(texts, "query")


def test_other_dimensions_need_a_model_trained_for_them(stanford: LateEncoder) -> None:
    with pytest.raises(InvalidValue, match="not trained for vectors of 4"):
        stanford.encode(["paper"], "document", 4)

    full = stanford.encode(["loose paper"], "document")
    found = stanford.encode(["loose paper"], "document", 4, any_dimensions=True)
    assert np.allclose(found.rows, full.cut(4).rows, atol=1e-5)


def test_nested_dimensions_cut_every_row() -> None:
    layout = read_layout(LATE / "stanford")
    nested = replace(layout, card=replace(layout.card, nested_dimensions=(4,)))
    encoder = late_encoder(nested)
    found = encoder.encode(["loose paper"], "query", 4)

    assert found.rows.shape == (12, 4)
    assert np.abs(np.linalg.norm(found.rows, axis=1) - 1).max() <= 1e-5
    encoder.close()


# Lengths


def test_lengths_can_be_others_than_the_metadatas() -> None:
    layout = with_lengths(read_layout(LATE / "stanford"), query=20, document=1000)
    encoder = late_encoder(layout)

    assert (layout.card.query_max_tokens, layout.card.max_tokens) == (20, 40)  # its positions
    assert len(encoder.encode(["paper"], "query")[0]) == 20
    found = encoder.encode_counted([TEXTS["long"]], "document")
    assert found.tokens_used.tolist() == [40]
    encoder.close()


# Broken checkpoints


@pytest.mark.parametrize(
    ("name", "file", "changes", "named"),
    [
        ("stanford", "artifact.metadata", {"query_token_id": "[nowhere]"}, r"'\[nowhere\]'"),
        ("pylate", "config_sentence_transformers.json", {"document_prefix": "[E] "}, r"'\[E\] '"),
        (
            "native",
            "sentence_bert_config.json",
            {"query_expansion": {"strategy": "fixed", "length": 12, "token": "[X]"}},
            r"'\[X\]'",
        ),
    ],
)
def test_a_marker_that_the_vocabulary_lacks_is_a_broken_model(
    name: str, file: str, changes: dict[str, object], named: str, tmp_path: Path
) -> None:
    """Else it would silently be the unknown token."""
    folder = copied(name, tmp_path)
    rewrite(folder / file, **changes)

    with pytest.raises(ModelBroken, match=f"has no token {named}"):
        late_encoder(folder)


def test_without_a_mask_the_end_fills_queries_up(tmp_path: Path) -> None:
    """As decoders have none."""
    folder = copied("modernbert", tmp_path)
    rewrite(folder / "config_sentence_transformers.json", do_query_expansion=True)
    rewrite(folder / "tokenizer_config.json", mask_token=None, eos_token="[SEP]")
    tokeniser = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(tokeniser.replace("[MASK]", "[GONE]"), encoding="utf-8")
    encoder = late_encoder(folder)

    assert encoder.tokeniser.tokenise([""], "query")[0].ids.tolist()[2:] == [3] * 10
    encoder.close()


def test_unknown_words_of_the_skip_list_do_not_skip_unknown_tokens(tmp_path: Path) -> None:
    folder = copied("pylate", tmp_path)
    rewrite(folder / "config_sentence_transformers.json", skiplist_words=["nowhere", ","])
    encoder = late_encoder(folder)
    tokens = encoder.tokeniser.tokenise(["紙 , paper"], "document")[0]

    assert encoder.tokeniser.kept(tokens, "document").tolist() == [
        True,
        True,
        True,
        False,
        True,
        True,
    ]
    encoder.close()


def test_a_mark_that_the_vocabulary_lacks_does_not_skip_unknown_tokens(tmp_path: Path) -> None:
    """Stanford's skip-list is what its tokeniser makes of each mark: here one is unknown."""
    folder = copied("stanford", tmp_path)
    path = folder / "tokenizer.json"
    tokeniser = json.loads(path.read_text(encoding="utf-8"))
    tokeniser["model"]["vocab"]["[no tilde]"] = tokeniser["model"]["vocab"].pop("~")
    path.write_text(json.dumps(tokeniser), encoding="utf-8")
    encoder = late_encoder(folder)
    tokens = encoder.tokeniser.tokenise(["\u7d19 , paper"], "document")[0]

    assert encoder.tokeniser.kept(tokens, "document").tolist() == [
        True,
        True,
        True,
        False,
        True,
        True,
    ]
    encoder.close()


def test_a_dense_model_has_no_token_vectors_of_this_kind() -> None:
    layout = read_layout(LATE.parent / "tiny" / "bge")
    with pytest.raises(UnsupportedModel, match="not a late-interaction model"):
        late_encoder(layout)
    with pytest.raises(InvalidValue, match="dense model"):
        with_lengths(layout, query=12)


def _without_paper(tensors: Tensors) -> Tensors:
    tensors["bert.embeddings.word_embeddings.weight"][162] = np.nan
    return tensors


def test_vectors_that_are_not_finite_are_refused_by_their_place(tmp_path: Path) -> None:
    folder = copied("stanford", tmp_path)
    retensor(folder, _without_paper)
    encoder = late_encoder(folder)

    assert encoder.encode(["loose"], "query").rows.shape == (12, 8)
    with pytest.raises(EngineError, match="text 1"):
        encoder.encode(["loose", "paper"], "query")
    encoder.close()


def test_the_vocabulary_is_as_these_tests_take_it() -> None:
    found = json.loads((LATE / "stanford" / "tokenizer.json").read_text(encoding="utf-8"))
    ids = found["model"]["vocab"]

    names = ("[unused0]", "[CLS]", "[SEP]", "[MASK]", "paper")
    assert [ids[name] for name in names] == [1, 9, 10, 11, 162]
