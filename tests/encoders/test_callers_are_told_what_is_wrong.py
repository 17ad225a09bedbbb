"""Titles, dimensions, precisions: what a model does not take is refused by name."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.checkpoints import TINY

from bindery.encoders.checks import check_dimensions, check_precision, prompts_of
from bindery.engines import Precision
from bindery.errors import InvalidValue
from bindery.models.card import ModelCard
from bindery.models.catalog import CATALOG
from bindery.models.layouts import read_layout

GEMMA = CATALOG["gemma"].card
VANILLA = CATALOG["vanilla"].card
GOLDEN = Path(__file__).parent.parent / "golden"
PLAIN = "title: none | text: "


@given(title=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_title_stands_as_it_is_written(title: str) -> None:
    """Braces, blanks and percent signs in it mean nothing."""
    [prompt] = prompts_of(GEMMA, "document", ["a"], [title])

    assert prompt == (f"title: {title} | text: " if title.strip() else PLAIN)


def test_a_prompt_may_hold_other_braces() -> None:
    card = replace(GEMMA, title_prompt='{"title": "{title}"} {0} ')

    assert prompts_of(card, "document", ["a"], ["b"]) == ['{"title": "b"} {0} ']


def test_a_text_without_a_title_has_the_roles_prompt() -> None:
    titles = ["one", None, "", " \n"]

    found = prompts_of(GEMMA, "Retrieval-document", ["a"] * 4, titles)

    assert found == ["title: one | text: ", PLAIN, PLAIN, PLAIN]
    assert prompts_of(GEMMA, "document", ["a", "b"]) == [PLAIN, PLAIN]
    assert prompts_of(GEMMA, "STS", ["a"], [None]) == ["task: sentence similarity | query: "]
    assert prompts_of(GEMMA, "document", [], []) == []


WRONG_TITLES: dict[str, tuple[ModelCard, str, object, str]] = {
    "too few": (GEMMA, "document", ["one"], "one item for each of 2 texts, got 1"),
    "too many": (GEMMA, "document", ["a", "b", "c"], "one item for each of 2 texts, got 3"),
    "one string": (GEMMA, "document", "ab", "titles must be a list"),
    "a number": (GEMMA, "document", ["a", 3], "Title 1 must be a string, got int"),
    "a surrogate": (GEMMA, "document", [None, "\udcff"], "Title 1 contains a lone surrogate"),
    "a query": (GEMMA, "query", ["a", None], "does not support titles in the role 'query'"),
    "a task": (GEMMA, "STS", ["a", "b"], "does not support titles in the role 'STS'"),
    "no titles known": (VANILLA, "document", ["a", "b"], "vanilla does not support titles"),
}


@pytest.mark.parametrize(
    ("card", "role", "titles", "named"), WRONG_TITLES.values(), ids=WRONG_TITLES
)
def test_wrong_titles_are_refused(card: ModelCard, role: str, titles: list, named: str) -> None:
    card = replace(card, prompts={"query": "", "document": "", **card.prompts})
    with pytest.raises(InvalidValue, match=named) as caught:
        prompts_of(card, role, ["x", "y"], titles)
    assert caught.value.param == "titles"


def test_the_refusal_names_the_roles_that_take_titles() -> None:
    with pytest.raises(InvalidValue) as caught:
        prompts_of(GEMMA, "query", ["x"], ["a"])

    assert caught.value.remedy == "Roles with titles: document, Retrieval-document."


@pytest.mark.parametrize("dimensions", [768, 512, 256, 128])
def test_trained_dimensions_are_taken(dimensions: int) -> None:
    check_dimensions(GEMMA, dimensions)


@pytest.mark.parametrize("dimensions", [0, -1, 1, 127, 300, 767, 769, 10**9])
def test_other_dimensions_are_told_the_allowed_ones(dimensions: int) -> None:
    with pytest.raises(InvalidValue, match=f"vectors of {dimensions} dimensions") as caught:
        check_dimensions(GEMMA, dimensions)
    assert caught.value.remedy == "Allowed: 768, 512, 256, 128."

    if 1 <= dimensions <= 768:
        check_dimensions(GEMMA, dimensions, any_dimensions=True)
    else:
        with pytest.raises(InvalidValue) as caught:
            check_dimensions(GEMMA, dimensions, any_dimensions=True)
        assert caught.value.remedy == "Choose 1 to 768."


@pytest.mark.parametrize("name", ["auto", "f32", "bf16"])
def test_precisions_have_names(name: str) -> None:
    assert check_precision(read_layout(TINY / "bge"), name) is Precision(name)


@pytest.mark.parametrize("name", ["f16", "fp16", "float16", "half"])
def test_half_precision_is_refused_with_its_reason(name: str) -> None:
    """Gemma's hidden states are beyond what it holds; its stored weights are widened instead."""
    for folder, reason in (
        (GOLDEN / "matryoshka", "its hidden states reach 8e5, and float16 ends at 65,504"),
        (TINY / "float16", "bfloat16 is as fast"),
    ):
        with pytest.raises(InvalidValue, match=reason) as caught:
            check_precision(read_layout(folder), name)
        assert caught.value.param == "precision"
        assert "bf16" in caught.value.remedy


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InvalidValue, match="Unknown precision 'int3'"):
        check_precision(read_layout(TINY / "bge"), "int3")
