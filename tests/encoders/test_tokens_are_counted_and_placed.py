"""The tokeniser: what fits, what is cut, where tokens lie, and files that are no tokeniser."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engines.checkpoints import TINY, copied, rewrite

from bindery.encoders import stretches
from bindery.encoders.pending import Cancellation
from bindery.encoders.tokeniser import Tokeniser
from bindery.errors import DeadlineExceeded, ModelBroken
from bindery.models.layouts import read_layout
from bindery.types import Truncate

HARD = st.sampled_from(
    ["👍🏽", "👩‍👩‍👧", "日本", "ｶﾞ", "é", "e\u0301", "ß", "İ", "ﷺ", "\u200b", "\x00", "\ufffd",
     "[CLS]", "[MASK]", "paper", "Unbelievable", " ", "\n", "...",
     "x" * 120, "שלום", "𝔘𝔫𝔦", "\u0301"]
)  # fmt: skip
TEXTS = st.lists(HARD | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)).map("".join)


@pytest.fixture(scope="module")
def minilm(minilm_folder: Path) -> Tokeniser:
    """All-MiniLM's, with a small window."""
    return Tokeniser(minilm_folder, max_tokens=12)


def tiny(name: str, folder: Path = TINY) -> Tokeniser:
    return Tokeniser.of(read_layout(folder / name))


@given(texts=st.lists(TEXTS, max_size=4), prompt=st.sampled_from(["", "query: ", "paper " * 20]))
@settings(max_examples=60, deadline=None)
def test_what_is_used_and_cut_adds_up(minilm: Tokeniser, texts: list[str], prompt: str) -> None:
    tokens = minilm.tokenise(texts, prompt)

    assert len(tokens) == len(texts)
    counts = minilm.count_tokens([prompt + text for text in texts])
    for text, whole in zip(tokens, counts, strict=True):
        assert (text.ids[0], text.ids[-1]) == (101, 102)
        assert len(text) == min(whole, 10) + 2
        assert text.cut == max(0, whole - 10)


@given(texts=st.lists(TEXTS, max_size=4))
@settings(max_examples=60, deadline=None)
def test_tokens_lie_in_their_text_in_order(minilm: Tokeniser, texts: list[str]) -> None:
    found = minilm.token_offsets(texts)

    assert [len(offsets) for offsets in found] == minilm.count_tokens(texts)
    for text, offsets in zip(texts, found, strict=True):
        assert offsets.shape == (len(offsets), 2)
        starts, ends = offsets[:, 0], offsets[:, 1]
        assert ((starts >= 0) & (starts <= ends) & (ends <= len(text))).all()
        assert (starts[1:] >= starts[:-1]).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loose paper", ["loose", "paper"]),
        ("👍🏽 日本 naïve", ["👍🏽", "日", "本", "naïve"]),
        ("𝔘 e\u0301t ", ["𝔘", "e\u0301t"]),
        ("a[CLS]b", ["a", "[CLS]", "b"]),
        ("shelving", ["she", "lving"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_offsets_are_code_points(minilm: Tokeniser, text: str, expected: list[str]) -> None:
    [offsets] = minilm.token_offsets([text])

    assert [text[start:end] for start, end in offsets.tolist()] == expected


def test_room_is_what_special_tokens_and_prompt_leave(minilm: Tokeniser) -> None:
    assert minilm.special_tokens == 2
    assert minilm.room() == 10
    assert minilm.room("query: ") == 8
    [exactly, over] = minilm.tokenise(["paper " * 8, "paper " * 9], "query: ")
    assert (len(exactly), exactly.cut) == (12, 0)
    assert (len(over), over.cut) == (12, 1)


def test_a_prompt_is_counted_with_what_stands_before_it() -> None:
    tokeniser = tiny("noprompt")

    [with_prompt] = tokeniser.tokenise(["paper"], "query: ")
    [without] = tokeniser.tokenise(["paper"])

    assert with_prompt.prompt == 3  # [CLS] query :
    assert without.prompt == 0
    assert with_prompt.ids[3:].tolist() == without.ids[1:].tolist()


def test_a_literal_special_token_is_one_token(minilm: Tokeniser) -> None:
    [text] = minilm.tokenise(["[CLS] a [MASK]"])

    assert text.ids.tolist() == [101, 101, 1037, 103, 102]
    assert minilm.count_tokens(["[CLS] a [MASK]"]) == [3]


def test_lower_case_is_asked_for_in_two_places() -> None:
    """sentence_bert_config.json may ask for it where the tokeniser keeps capitals."""
    cased, lowered = tiny("cased"), tiny("arctic")
    texts = ["PAPER", "paper"]

    [upper, lower] = (text.ids.tolist() for text in cased.tokenise(texts))
    assert upper != lower
    [upper, lower] = (text.ids.tolist() for text in lowered.tokenise(texts))
    assert upper == lower


def test_somebody_elses_padding_and_truncation_are_not_used(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    rewrite(
        folder / "tokenizer.json",
        padding={
            "strategy": {"Fixed": 20}, "direction": "Left", "pad_to_multiple_of": None,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
        },
        truncation={
            "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0
        },
    )  # fmt: skip
    texts = ["a paper on a shelf", ""]

    found = tiny("bge", tmp_path)

    assert found.count_tokens(texts) == [5, 0]
    expected = [text.ids.tolist() for text in tiny("bge").tokenise(texts)]
    assert [text.ids.tolist() for text in found.tokenise(texts)] == expected


def test_no_texts_give_no_tokens(minilm: Tokeniser) -> None:
    assert minilm.tokenise([]) == minilm.count_tokens([]) == minilm.token_offsets([]) == []


@pytest.mark.parametrize("content", [None, "", "{", "{}", "[]", "\x00\xff", '{"model": 1}'])
def test_a_broken_tokeniser_is_named(content: str | None, tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    path = folder / "tokenizer.json"
    path.unlink() if content is None else path.write_text(content)

    with pytest.raises(ModelBroken, match=r"bge/tokenizer\.json cannot be read"):
        tiny("bge", tmp_path)


@pytest.mark.parametrize(
    ("content", "named"),
    [("", "is not JSON"), ("{'a': 1}", "is not JSON"), ("[1]", "is not a JSON object")],
)
def test_a_broken_tokenizer_config_is_named(content: str, named: str, tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    (folder / "tokenizer_config.json").write_text(content)

    with pytest.raises(ModelBroken, match=rf"tokenizer_config\.json {named}"):
        Tokeniser(folder, max_tokens=8)


def test_a_tokeniser_that_swallows_text_is_refused(tmp_path: Path) -> None:
    folder = copied("bge", tmp_path)
    rewrite(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    swallow = {"type": "Replace", "pattern": {"String": "a"}, "content": ""}
    rewrite(folder / "tokenizer.json", normalizer=swallow)

    with pytest.raises(ModelBroken, match=r"json turns the text 'a' into special tokens only"):
        tiny("bge", tmp_path)


def test_blanks_part_tokens_only_where_the_pre_tokeniser_says(tmp_path: Path) -> None:
    assert tiny("bge").splits_at_blanks

    folder = copied("bge", tmp_path)
    rewrite(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    for pre_tokeniser in (metaspace, None):
        content = json.loads((folder / "tokenizer.json").read_text())
        content["pre_tokenizer"] = pre_tokeniser
        (folder / "tokenizer.json").write_text(json.dumps(content))
        assert not tiny("bge", tmp_path).splits_at_blanks


LONG = (
    "Loose paper is fragile, and gets lost. Bound, it has a place on a shelf!  1,234.5 (no)\n\n"
    'x = "naïve"; 日本語の文書。 e\u0301t\tend\r\n' * 40
)


@pytest.mark.parametrize(
    "name", sorted(folder.name for folder in TINY.iterdir() if folder.is_dir())
)
def test_a_text_read_in_stretches_has_the_same_tokens(name: str, monkeypatch) -> None:
    """Windows, counts, known ids and pieces, with any prompt and any side that is cut."""
    try:
        tokeniser = tiny(name).within(40)
    except ModelBroken:
        pytest.skip("it has no tokeniser")
    texts = [LONG, "short", "", LONG[7:1500]]

    def read():
        yield tokeniser.count_tokens(texts)
        yield [
            [(one.id, one.span) for batch in tokeniser.pieces(text) for one in batch]
            for text in texts
        ]
        yield tokeniser.text_ids(LONG)
        yield tokeniser.whole(LONG, "query: ").ids.tolist()
        for prompt in ("", "query: ", "paper " * 60):
            for side in (Truncate.END, Truncate.START):
                found = tokeniser.tokenise(texts, prompt, truncate=side)
                yield [(one.ids.tolist(), one.cut, one.prompt, one.text) for one in found]

    expected = list(read())
    monkeypatch.setattr(stretches, "STRETCH_CHARACTERS", 500)
    monkeypatch.setattr(stretches.stretches, "__kwdefaults__", {"size": 500})
    assert list(read()) == expected


def test_text_without_a_place_to_split_is_still_read_in_stretches() -> None:
    for text in ("x" * 1000, "." * 1000, "日" * 1000, " " * 1000):
        ranges = list(stretches.stretches(text, size=64))
        assert "".join(text[start:end] for start, end in ranges) == text
        assert all(end - start <= 64 for start, end in ranges)


def test_reading_stops_at_the_first_text_that_is_too_long(minilm: Tokeniser) -> None:
    texts = ["paper", "paper " * 100, "paper " * 100]
    found = minilm.tokenise(texts, truncate=Truncate.ERROR)
    assert [(text.cut, text.has_more) for text in found] == [(0, False), (90, False)]
    [text] = minilm.tokenise(["paper " * 100_000], truncate=Truncate.ERROR)
    assert text.has_more
    assert 0 < text.cut < 20_000


def test_reading_ends_at_the_deadline(minilm: Tokeniser) -> None:
    over = Cancellation(deadline=0.0)
    with pytest.raises(DeadlineExceeded):
        minilm.tokenise(["paper"], cancellation=over)
    with pytest.raises(DeadlineExceeded):
        list(minilm.pieces("paper", over))
