"""Filters through Python, HTTP and the command line: scenarios 3, 26, 27 and 30."""

import unicodedata
from datetime import date

import pytest

from bindery.errors import InvalidValue
from bindery.filters import Compare, Operator
from bindery.options import SearchOptions


def files_of(answer):
    """The names of the files that are found, without their folder."""
    return [hit["file"].partition("/")[2] for hit in answer["hits"]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "A filter must be a JSON object, got list."),
        (3, "A filter must be a JSON object, got int."),
        ({}, "Unknown filter type 'None'."),
        ({"type": "and", "filters": []}, "An empty 'and' is not a filter."),
        ({"type": ">=", "key": "page", "value": 1}, "Unknown filter type '>='."),
        ({"type": "eq", "key": "page", "vale": 1}, "Unknown field 'vale' in a filter."),
    ],
)
def test_a_filter_that_is_none_is_refused_over_http_and_in_python(sample, client, given, message):
    sample.add({"one.txt": "a text"})
    answer = client.post(
        f"/collections/{sample.collection.name}/search", json={"query": "text", "filter": given}
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["message"]) == (400, "filter", message)
    with pytest.raises(InvalidValue) as caught:
        SearchOptions(filter=given)
    assert caught.value.message == message
    absent = client.post(
        f"/collections/{sample.collection.name}/search", json={"query": "text", "filter": None}
    )
    assert len(absent.json()["hits"]) == 1


VALUES = {
    "two.txt": {"n": 2, "flag": True, "code": "2", "tags": ["a"], "day": "2024-01-31"},
    "half.txt": {"n": 2.5, "flag": False, "code": "007", "day": "2024-01-31T12:00:00+02:00"},
    "nine.txt": {"n": 9, "tags": ["a", "b"], "color": "red", "day": date(2024, 6, 1)},
    "many.txt": {"n": 100, "color": "blue", "day": "2023-12-31T23:30:00-01:00"},
    "zero.txt": {"n": -0.0, "color": None, "city": unicodedata.normalize("NFD", "Zürich")},
    "large.txt": {"n": 9007199254740992, "color": "", "a `key` here": "x"},
}
ALL = set(VALUES)
FILTERS = {
    "n = 2": {"two.txt"},
    "n = 2.0": {"two.txt"},
    "n = 2.5": {"half.txt"},
    "n >= 2.5": {"half.txt", "nine.txt", "many.txt", "large.txt"},
    "n < 2.5": {"two.txt", "zero.txt"},
    "n in (2, 9)": {"two.txt", "nine.txt"},
    "n > 9": {"many.txt", "large.txt"},
    "n = 0": {"zero.txt"},
    "n = 9007199254740992": {"large.txt"},
    "flag = true": {"two.txt"},
    "flag != true": ALL - {"two.txt"},
    'code = "7"': set(),
    'code = "007"': {"half.txt"},
    'tags contains "a"': {"two.txt", "nine.txt"},
    'color != "red"': ALL - {"nine.txt"},
    'color not in ("red")': ALL - {"nine.txt"},
    'not color = "red"': ALL - {"nine.txt"},
    "color exists": {"nine.txt", "many.txt", "large.txt"},
    "not color exists": ALL - {"nine.txt", "many.txt", "large.txt"},
    'color = ""': {"large.txt"},
    'color = "red" or not color = "red"': ALL,
    "color not in ()": ALL,
    "color in ()": set(),
    'city = "Zürich"': {"zero.txt"},
    unicodedata.normalize("NFD", 'city = "Zürich"'): {"zero.txt"},
    '`a ``key`` here` = "x"': {"large.txt"},
    "day = 2024-01-31": {"two.txt"},
    "day > 2024-01-31 and day < 2024-02-01": {"half.txt"},
    "day >= 2024-01-31T10:00:00Z": {"half.txt", "nine.txt"},
    "day = 2024-01-31T10:00:00+00:00": {"half.txt"},
    'day < "2024-01-01T01:00:00Z"': {"many.txt"},
    "day in (2024-06-01, 2024-01-31)": {"nine.txt", "two.txt"},
    "not day > 2024-01-01T01:00Z": {"many.txt", "zero.txt", "large.txt"},
    "day exists": ALL - {"zero.txt", "large.txt"},
    "added_at > 2020-01-01": ALL,
}
WRONG = {
    "flag = 1": "it is a boolean, compared with 1",
    "code = 2": "it is a text, compared with 2",
    'n in ("2")': "it is a number, compared with '2'",
    'day = "soon"': "a date is written like 2024-12-31",
    "day = 3": "it is a date, compared with 3",
    'day prefix "2024"': "a date is written like 2024-12-31",
    "flag > false": "gt does not apply to a boolean",
}


def test_values_of_every_type_are_compared_by_one_rule(sample, doors):
    """Scenarios 26, 27 and 30, and dates through doors that know only text."""
    for file, attributes in VALUES.items():
        sample.add({file: "one text"}, **attributes)
    name = sample.collection.name
    for text, expected in FILTERS.items():
        for door, mode in [("python", "lexical"), ("http", "hybrid")]:
            (answer,) = doors[door](name, ["text"], mode=mode, filter=text)
            assert set(files_of(answer)) == expected, (text, door)
    for text in ("n = 2.0", '`a ``key`` here` = "x"', "day > 2024-01-31"):
        (answer,) = doors["cli"](name, ["text"], mode="lexical", filter=text)
        assert set(files_of(answer)) == {
            "n = 2.0": {"two.txt"}, "day > 2024-01-31": {"half.txt", "nine.txt"}
        }.get(text, {"large.txt"})  # fmt: skip
    for text, message in WRONG.items():
        for door in ("python", "http"):
            error = doors[door](name, ["text"], mode="lexical", filter=text)
            assert (error["code"], error["param"]) == ("invalid_value", "filter"), text
            assert message in error["message"]
    later = Compare("day", Operator.GTE, date(2024, 6, 1))
    assert sample.found("text", filter=later) == ["nine.txt"]
    types = sample.collection.facts()["attributes"]
    assert types["day"] == "date"
    assert types["code"] == "text", "its first value is not a date"


def test_attributes_that_cannot_be_kept_are_refused(sample, client):
    both = {"a.txt": "a text", "b.txt": "a text"}
    sample.add(both, day="2024-01-31", code="x", Größe=3)
    nfd = unicodedata.normalize("NFD", "Größe")
    name = sample.name("a.txt")
    path = f"/collections/{sample.collection.name}/files/{name}"
    for attributes, message in [
        ({"day": "soon"}, "a date is written like 2024-12-31"),
        ({"day": "2024-13-01"}, "a date is written like 2024-12-31"),
        ({"day": 3}, "it is a date, got a number"),
        ({"": 1}, "'' cannot be the name of an attribute."),
        ({" ": 1}, "' ' cannot be the name of an attribute."),
        ({"a\nb": 1}, "cannot be the name of an attribute."),
        ({"large": 9007199254740993}, "a number must be finite and exact in 64 bits"),
        ({nfd: "three"}, "it is a number, got a text"),
    ]:
        answer = client.patch(path, json={"attributes": attributes})
        assert answer.status_code == 400, attributes
        assert message in answer.json()["error"]["message"]
    kept = client.patch(path, json={"attributes": {nfd: 4, "code": "2024-01-31", "n": 9}})
    assert kept.json()["attributes"] == {"Größe": 4, "code": "2024-01-31", "n": 9}
    assert sample.found("text", filter=f"`{nfd}` = 4 and n = 9") == ["a.txt"]
