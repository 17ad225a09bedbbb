"""Filters: three spellings of one tree, and one rule for what is missing."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindery.errors import InvalidValue
from bindery.filters import (
    And,
    Compare,
    Filter,
    Not,
    Operator,
    Or,
    filter_from_json,
)
from bindery.filters.text import filter_from_text
from bindery.search.columns import AttributeType, check_attribute, column_of, mask_of, type_of

ROWS = [
    {"year": 2001, "lang": "en", "flag": True, "tags": ("a",), "day": "2024-01-31"},
    {"year": 2.0, "lang": "de", "flag": False, "tags": (), "day": "2024-01-31T12:00:00+02:00"},
    {"year": 2.5, "lang": "", "tags": ("a", "b")},
    {"year": 100, "lang": "Zu\u0308rich"},
    {"year": None, "lang": None},
    {},
]
TYPES = {
    "year": AttributeType.NUMBER,
    "lang": AttributeType.TEXT,
    "flag": AttributeType.BOOLEAN,
    "tags": AttributeType.TEXTS,
    "day": AttributeType.DATE,
}


def holding(one: Filter) -> set[int]:
    def column(key):
        values = [
            None if row.get(key) is None else check_attribute(key, row[key], TYPES) for row in ROWS
        ]
        return column_of(key, values, TYPES[key])

    return set(np.flatnonzero(mask_of(one, column)).tolist())


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("year = 2", {1}),
        ("year = 2.0", {1}),
        ("year >= 2.5", {0, 2, 3}),
        ("year < 2.5", {1}),
        ("year > 9", {0, 3}),
        ("year in (2, 9)", {1}),
        ("year in ()", set()),
        ("year not in ()", {0, 1, 2, 3, 4, 5}),
        ("year != 2", {0, 2, 3, 4, 5}),
        ("not year = 2", {0, 2, 3, 4, 5}),
        ('lang != "en"', {1, 2, 3, 4, 5}),
        ('lang not in ("en")', {1, 2, 3, 4, 5}),
        ('lang = ""', {2}),
        ("lang exists", {0, 1, 2, 3}),
        ("not lang exists", {4, 5}),
        ('lang = "Zürich"', {3}),
        ('lang prefix "Zü"', {3}),
        ('lang contains "rich"', {3}),
        ("flag = true", {0}),
        ("flag = false", {1}),
        ('tags = "a"', {0, 2}),
        ('tags contains "b"', {2}),
        ("day = 2024-01-31", {0}),
        ("day > 2024-01-31", {1}),
        ("day <= 2024-01-31T10:00:00Z", {0, 1}),
        ('year >= 2 and lang = "en" or year = 2.5', {0, 2}),
        ('year >= 2 and (lang = "en" or year = 2.5)', {0, 2}),
        ("`year` = 2", {1}),
    ],
)
def test_a_text_holds_for_these_rows(text, rows):
    assert holding(filter_from_text(text)) == rows


YEAR = Compare("year", Operator.EQ, 2)
YEAR_JSON = {"type": "eq", "key": "year", "value": 2}

OPERATORS = st.sampled_from([one for one in Operator if one not in {"in", "nin", "exists"}])
LEAVES = st.one_of(
    st.builds(
        Compare,
        st.just("year"),
        st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]).map(Operator),
        st.sampled_from([2, 2.0, 2.5, 100, 5000]),
    ),
    st.builds(
        Compare,
        st.just("lang"),
        OPERATORS,
        st.sampled_from(["en", "de", "", "Zürich", "x"]),
    ),
    st.builds(
        Compare,
        st.sampled_from(["lang", "tags"]),
        st.sampled_from([Operator.IN, Operator.NIN]),
        st.lists(st.sampled_from(["en", "a", "b"])).map(tuple),
    ),
    st.builds(Compare, st.sampled_from(sorted(TYPES)), st.just(Operator.EXISTS), st.booleans()),
)
FILTERS = st.recursive(
    LEAVES,
    lambda part: st.one_of(
        st.builds(Not, part),
        st.builds(And, st.lists(part, min_size=1, max_size=3).map(tuple)),
        st.builds(Or, st.lists(part, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


def filter_to_json(one: Filter) -> dict:
    match one:
        case Compare(key, operator, value):
            plain = list(value) if isinstance(value, tuple) else value
            return {"type": operator.value, "key": key, "value": plain}
        case Not(part):
            return {"type": "not", "filter": filter_to_json(part)}
        case And(parts):
            return {"type": "and", "filters": [filter_to_json(part) for part in parts]}
        case Or(parts):
            return {"type": "or", "filters": [filter_to_json(part) for part in parts]}


@given(FILTERS)
def test_not_is_the_complement_and_json_reads_back(one):
    held = holding(one)
    assert holding(Not(one)) == set(range(len(ROWS))) - held
    assert filter_from_json(filter_to_json(one)) == one


@given(FILTERS, FILTERS)
def test_and_is_the_intersection_and_or_the_union(one, other):
    assert holding(And((one, other))) == holding(one) & holding(other)
    assert holding(Or((one, other))) == holding(one) | holding(other)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"type": "and", "filters": []}, "An empty 'and' is not a filter."),
        ({"type": ">=", "key": "year", "value": 1}, "Unknown filter type '>='."),
        ({"type": "≥", "key": "year", "value": 1}, "Unknown filter type '≥'."),
        ({"type": "eq", "key": "year"}, "must be text, a number, true or false, got null"),
        ({"type": "in", "key": "year", "value": 3}, "in on 'year' needs a list"),
        ({"type": "eq", "key": "year", "value": [3]}, "eq on 'year' needs a single value"),
        ({"type": "eq", "key": "year", "valeu": 3}, "Unknown field 'valeu'"),
        ({"type": "eq", "key": "", "value": 3}, "must be the name of an attribute"),
        ({"type": "eq", "key": "y", "value": float("nan")}, "must be finite"),
        ([], "A filter must be a JSON object, got list."),
        ("year = 1", "A filter must be a JSON object, got str."),
    ],
)
def test_what_is_no_filter_is_refused_by_name(value, message):
    with pytest.raises(InvalidValue) as caught:
        filter_from_json(value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("year >=", "at character 8: expected a value, got the end"),
        ("year 2020", "at character 6: expected an operator"),
        ("lang = en", "at character 8: expected a value (text is quoted"),
        ("(year = 1", "at character 10: expected ')', got the end"),
        ("year = 1 lang = 2", 'at character 10: expected "and", "or" or the end'),
        ("", "at character 1: expected the name of an attribute, got the end"),
        ("year ≥ 3", "at character 6: expected a key, a value or an operator"),
        ("not " * 40 + "year = 1", "at most 32 levels"),
        (" or ".join(["year = 1"] * 1001), "at most 1,000 comparisons and values"),
    ],
)
def test_a_wrong_text_shows_where(text, message):
    with pytest.raises(InvalidValue) as caught:
        filter_from_text(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: And((YEAR,) * 1001),
        lambda: Or((And((YEAR,) * 501),) * 2),
        lambda: Compare("year", Operator.IN, (1,) * 1001),
        lambda: Not(Or((YEAR, Compare("lang", Operator.NIN, ("en",) * 1000)))),
        lambda: filter_from_json({"type": "in", "key": "year", "value": [1] * 1001}),
        lambda: filter_from_json({"type": "or", "filters": [YEAR_JSON] * 1001}),
        lambda: filter_from_text(f"year in ({','.join('1' * 1001)})"),
    ],
)
def test_a_filter_has_a_bound_however_it_is_made(make):
    with pytest.raises(InvalidValue, match="at most 1,000 comparisons and values in lists, got 1,"):
        make()


def test_a_filter_may_be_as_large_and_deep_as_its_bounds():
    assert holding(Or((YEAR,) * 1000)) == {1}
    assert holding(Compare("lang", Operator.IN, ("de",) * 1000)) == {1}
    deep = reduce(lambda part, _: Not(part), range(32), YEAR)
    assert holding(deep) == {1}
    with pytest.raises(InvalidValue, match="at most 32 levels, got 33"):
        Not(deep)


@pytest.mark.parametrize(
    "text", ["year = true", 'year = "2"', "flag = 1", "lang = 2", "flag > false", 'day = "soon"']
)
def test_a_value_of_another_type_is_refused(text):
    with pytest.raises(InvalidValue, match=r"Attribute '\w+': "):
        holding(filter_from_text(text))


@pytest.mark.parametrize(
    "value", [1 << 60, 10**400, float("nan"), float("inf"), [1], {"a": 1}, None, b"x"]
)
def test_a_value_that_cannot_be_kept_is_refused(value):
    with pytest.raises(InvalidValue, match="Attribute 'key'"):
        check_attribute("key", value, {})


def test_the_first_value_fixes_the_type_of_an_attribute():
    assert type_of(True) is AttributeType.BOOLEAN
    with pytest.raises(InvalidValue, match="it is a number, got a text: '2'"):
        check_attribute("year", "2", {"year": AttributeType.NUMBER})


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (f"year = {'9' * 5000}", "a number of at most 400 characters"),
        (f"year = {'9' * 350}", "The value of 'year' is too large"),
        ({"type": "exists", "key": "year", "value": "no"}, "needs true or false, got 'no'"),
        ({"type": "exists", "key": "year", "value": 0}, "needs true or false, got 0"),
    ],
)
def test_a_value_that_cannot_be_compared_is_refused(one, message):
    with pytest.raises(InvalidValue) as caught:
        filter_from_text(one) if isinstance(one, str) else filter_from_json(one)
    assert message in str(caught.value)
