"""tokenizer.json and tokenizer_config.json that contradict each other, as transformers reads them.

tests/golden/make_tokenisers.py made the ids.
"""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engines.checkpoints import rewrite
from tokenizers import Tokenizer

from bindery.encoders.tokeniser import Tokeniser
from bindery.errors import ModelBroken

GOLDEN = Path(__file__).parent.parent / "golden"
RECORD = json.loads((GOLDEN / "tokenisers.json").read_text(encoding="utf-8"))
TEXTS: list[str] = RECORD["texts"]
FAMILIES = ["roberta", "roberta_prefix", "xlm_roberta", "mpnet", "modernbert", "qwen"]
ENDLESS = 10_000


def folder_of(name: str) -> Path:
    return GOLDEN / name if name == "matryoshka" else GOLDEN / "pipelines" / name


def copy_of(name: str, place: Path) -> Path:
    """The tokeniser's files of a folder, to be changed."""
    place.mkdir()
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder_of(name) / file, place / file)
    return place


def varied(variant: dict, place: Path) -> Path:
    folder = copy_of(variant["of"], place)
    rewrite(folder / "tokenizer_config.json", **variant.get("settings", {}))
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content |= variant.get("file", {})
    content["model"] |= variant.get("model", {})
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def ids_of(folder: Path, texts: list[str]) -> list[list[int]]:
    tokens = Tokeniser(folder, max_tokens=ENDLESS).tokenise(texts)
    return [text.ids.tolist() for text in tokens]


@pytest.mark.parametrize("name", list(RECORD["variants"]))
def test_contradictions_are_settled_as_the_reference_does(name: str, tmp_path: Path) -> None:
    variant = RECORD["variants"][name]

    assert ids_of(varied(variant["variant"], tmp_path / "model"), TEXTS) == variant["ids"]


def test_the_file_alone_would_often_be_wrong(tmp_path: Path) -> None:
    """What the golden ids are for: without them, most of these would go unnoticed."""
    wrong = 0
    for number, variant in enumerate(RECORD["variants"].values()):
        folder = varied(variant["variant"], tmp_path / str(number))
        alone = Tokenizer.from_file(str(folder / "tokenizer.json"))
        wrong += [alone.encode(text).ids for text in TEXTS] != variant["ids"]

    assert wrong >= len(RECORD["variants"]) // 2


@pytest.mark.parametrize("name", [*FAMILIES, "matryoshka"])
@given(
    text=st.text(st.sampled_from("ab é\u0301紙😀\n\t<s>[Q]'42\u3000Ｌ"), max_size=30),
    prompt=st.sampled_from(["", "query: ", "task: x | query: ", "ends without a blank:"]),
)
@settings(max_examples=25, deadline=None)
def test_the_texts_own_tokens_follow_the_prompt(name: str, text: str, prompt: str) -> None:
    tokeniser = Tokeniser(folder_of(name), max_tokens=ENDLESS)
    [tokens] = tokeniser.tokenise([text], prompt)
    [alone] = tokeniser.tokenise([prompt])

    start, end = tokens.text
    assert tokeniser.leading_tokens <= start <= end
    assert end == len(tokens) - (tokeniser.special_tokens - tokeniser.leading_tokens)
    # Before the text's own stands nothing but what the prompt alone begins with.
    assert tokens.ids[:start].tolist() == alone.ids[:start].tolist()
    assert (tokens.cut, tokens.prompt > 0) == (0, bool(prompt))
    if not prompt:
        assert end - start == tokeniser.count_tokens([text])[0]


def test_prompts_may_differ_from_text_to_text() -> None:
    tokeniser = Tokeniser(folder_of("mpnet"), max_tokens=16)
    texts, prompts = ["paper", "shelf " * 30, "", "a"], ["query: ", "", "passage: ", "query: "]

    together = tokeniser.tokenise(texts, prompts)

    apart = [tokeniser.tokenise([t], p)[0] for t, p in zip(texts, prompts, strict=True)]
    assert [t.ids.tolist() for t in together] == [t.ids.tolist() for t in apart]
    assert [(t.cut, t.prompt, t.text) for t in together] == [
        (t.cut, t.prompt, t.text) for t in apart
    ]
    with pytest.raises(ValueError, match="longer"):
        tokeniser.tokenise(texts, prompts[:2])


def test_the_side_that_is_cut_is_the_configurations() -> None:
    words = [f"{word} " for word in ("a", "book", "on", "the", "shelf", "is", "lost")]
    left = Tokeniser(folder_of("left"), max_tokens=5)
    right = Tokeniser(folder_of("mpnet"), max_tokens=5)

    [kept_last] = left.tokenise(["".join(words)])
    [kept_first] = right.tokenise(["".join(words)])
    [prompted] = left.tokenise(["".join(words)], "query: ")

    assert kept_last.ids[1:-1].tolist() == left.text_ids("shelf is lost")
    assert kept_first.ids[1:-1].tolist() == right.text_ids("a book on")
    assert kept_last.cut == kept_first.cut == 4
    assert prompted.cut == 6
    assert prompted.text == (1, 4), "the prompt is what was cut"


@pytest.mark.parametrize(
    "name", [*(family for family in FAMILIES if family != "xlm_roberta"), "matryoshka"]
)
def test_neutralised_special_tokens_are_ordinary_text(name: str) -> None:
    tokeniser = Tokeniser(folder_of(name), max_tokens=ENDLESS)
    written = "a <s> [CLS] <mask> [MASK] <|endoftext|> <eos> b"
    special = {
        token["id"]
        for token in json.loads((folder_of(name) / "tokenizer.json").read_text())["added_tokens"]
        if token["special"]
    }
    unknown = tokeniser.token_id("<unk>"), tokeniser.token_id("[UNK]")

    assert special & set(tokeniser.text_ids(written)) - set(unknown)
    assert not special & set(tokeniser.neutralised().text_ids(written)) - set(unknown)
    assert special & set(tokeniser.text_ids(written)) - set(unknown), "the first is as it was"


def test_a_marker_that_is_no_special_token_can_be_neutralised(tmp_path: Path) -> None:
    folder = copy_of("modernbert", tmp_path / "model")
    marker = {"content": "[Q] ", "lstrip": False, "rstrip": False, "single_word": False,
              "normalized": False, "special": False}  # fmt: skip
    rewrite(folder / "tokenizer_config.json", added_tokens_decoder={"331": marker})
    tokeniser = Tokeniser(folder, max_tokens=ENDLESS)
    number = tokeniser.token_id("[Q] ")

    assert number == 331
    assert tokeniser.text_ids("[Q] a")[0] == number
    assert number in tokeniser.neutralised().text_ids("[Q] a")
    assert number not in tokeniser.neutralised({"[Q] "}).text_ids("[Q] a")
    assert tokeniser.neutralised({"[Q] "}).token_id("[Q] ") == number


def test_another_window_leaves_the_first_as_it_is() -> None:
    tokeniser = Tokeniser(folder_of("mpnet"), max_tokens=16)
    narrow = tokeniser.within(6)

    assert [len(tokens) for tokens in narrow.tokenise(["paper " * 20])] == [6]
    assert [len(tokens) for tokens in tokeniser.tokenise(["paper " * 20])] == [16]


@pytest.mark.parametrize("file", ["sentencepiece.bpe.model", "vocab.txt", "tokenizer.model"])
def test_a_folder_without_tokenizer_json_says_what_it_has(file: str, tmp_path: Path) -> None:
    folder = copy_of("xlm_roberta", tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    (folder / file).write_bytes(b"")

    with pytest.raises(ModelBroken, match=rf"has no tokenizer\.json, only {file}") as caught:
        Tokeniser(folder, max_tokens=8)
    assert "AutoTokenizer" in caught.value.remedy


def test_special_tokens_that_the_vocabulary_lacks_are_named(tmp_path: Path) -> None:
    folder = copy_of("mpnet", tmp_path / "model")
    rewrite(folder / "tokenizer_config.json", cls_token="")

    with pytest.raises(ModelBroken, match="does not have its cls_token ''"):
        Tokeniser(folder, max_tokens=8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sep_token": 3},
        {"mask_token": {"text": "<mask>"}},
        {"added_tokens_decoder": {"x": {"content": "a"}}},
        {"added_tokens_decoder": {"5": {"content": 5}}},
        {"added_tokens_decoder": ["a"]},
        {"strip_accents": "yes"},
    ],
)
def test_settings_that_are_none_are_refused(wrong: dict, tmp_path: Path) -> None:
    folder = copy_of("mpnet", tmp_path / "model")
    rewrite(folder / "tokenizer_config.json", **wrong)

    with pytest.raises(ModelBroken, match=r"tokenizer_config\.json does not describe a tokeniser"):
        Tokeniser(folder, max_tokens=8)


@pytest.mark.parametrize("name", ["mpnet", "xlm_roberta"])
@given(words=st.lists(st.sampled_from(["paper", "LOST", "é", "紙", "x,y", "<mask>"]), max_size=6))
@settings(max_examples=25, deadline=None)
def test_tokens_parted_at_blanks_are_those_of_the_parts(name: str, words: list[str]) -> None:
    tokeniser = Tokeniser(folder_of(name), max_tokens=ENDLESS)

    assert tokeniser.splits_at_blanks
    parts = [number for word in words for number in tokeniser.text_ids(word)]
    assert tokeniser.text_ids(" ".join(words)) == parts
