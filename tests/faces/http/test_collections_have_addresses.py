"""Collections over HTTP: a name that is taken has an address that works."""

import pytest


@pytest.mark.parametrize("name", ["日本", "a?b#c", "two words"])
def test_a_new_collection_is_where_its_location_says(client, name):
    made = client.post("/collections", json={"name": name})
    assert made.status_code == 201, made.text
    assert client.get(made.headers["location"]).json()["name"] == name
    assert client.delete(made.headers["location"]).json()["deleted"] is True


@pytest.mark.parametrize("name", [".", "..", " a", "a/b"])
def test_a_name_that_cannot_be_in_an_address_is_refused(client, name):
    answer = client.post("/collections", json={"name": name})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "name")
